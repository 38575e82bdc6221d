//! How many requests each route had in the last minutes, for a small picture.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// So many columns are kept.
const COLUMNS: usize = 60;

/// Of each route its columns, the oldest first: forwarded and refused.
pub type Columns = HashMap<String, VecDeque<(u64, u64)>>;

/// Counts of all routes, sampled.
#[derive(Debug, Default)]
pub struct History(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    columns: Columns,
    last: HashMap<String, (u64, u64)>,
}

impl History {
    /// Adds a column: `now` is what each route has counted since its start.
    pub fn sample(&self, now: impl IntoIterator<Item = (String, (u64, u64))>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now: HashMap<String, (u64, u64)> = now.into_iter().collect();
        let State { columns, last } = &mut *state;
        // Routes that are gone are forgotten.
        columns.retain(|route, _| now.contains_key(route));
        for (route, (forwarded, refused)) in &now {
            let before = last.get(route).copied().unwrap_or_default();
            let column = columns.entry(route.clone()).or_default();
            column.push_back((
                forwarded.saturating_sub(before.0),
                refused.saturating_sub(before.1),
            ));
            if column.len() > COLUMNS {
                column.pop_front();
            }
        }
        *last = now;
    }

    /// The columns of all routes.
    pub fn all(&self) -> Columns {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.columns.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_hold_what_came_since_the_last_one() {
        let history = History::default();
        for round in 1..=100_u64 {
            history.sample([("/a".to_owned(), (round * 2, round))]);
        }
        let all = history.all();
        assert_eq!(all["/a"].len(), COLUMNS);
        assert!(all["/a"].iter().all(|column| *column == (2, 1)));
        history.sample([("/b".to_owned(), (1, 0))]);
        assert_eq!(history.all().len(), 1, "a route that is gone is forgotten");
    }
}

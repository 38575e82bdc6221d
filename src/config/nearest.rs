//! "Did you mean": the known word closest to a mistyped one.

/// The candidate that differs from `word` in the fewest letters, if in a third of them at most.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Nobody mistypes a key of this length; a hostile one would cost its square.
    if word.len() > 64 {
        return None;
    }
    let typed: Vec<char> = word.to_lowercase().chars().collect();
    candidates
        .into_iter()
        .map(|candidate| {
            let known: Vec<char> = candidate.to_lowercase().chars().collect();
            (distance(&typed, &known), candidate)
        })
        .filter(|(distance, _)| *distance <= (typed.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance < typed.len())
        .map(|(_, candidate)| candidate)
}

/// How many letters must be added, dropped, replaced or swapped with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (row, x) in a.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, y) in b.iter().enumerate() {
            let at =
                |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX / 2);
            let mut cost = (at(&above, column) + usize::from(x != y))
                .min(at(&above, column + 1) + 1)
                .min(at(&line, column) + 1);
            let swapped =
                row > 0 && column > 0 && a.get(row - 1) == Some(y) && b.get(column - 1) == Some(x);
            if swapped {
                cost = cost.min(at(&before, column - 1) + 1);
            }
            line.push(cost);
        }
        before = std::mem::replace(&mut above, line);
    }
    above.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_word_that_was_meant_and_no_other() {
        let known = ["secret", "path", "form", "provider", "url"];
        for (typed, meant) in [
            ("sceret", Some("secret")),
            ("secrets", Some("secret")),
            ("Secret", Some("secret")),
            ("from", Some("form")),
            ("providr", Some("provider")),
            ("uri", Some("url")),
            ("secret_encoding", None),
            ("x", None),
            ("", None),
            ("hunter2", None),
        ] {
            assert_eq!(nearest(typed, known), meant, "{typed}");
        }
    }

    #[test]
    fn counts_edits() {
        for (a, b, edits) in [
            ("", "", 0),
            ("ab", "", 2),
            ("", "ab", 2),
            ("ab", "ba", 1),
            ("abc", "axcd", 2),
        ] {
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            assert_eq!(distance(&letters(a), &letters(b)), edits, "{a} {b}");
        }
    }
}

//! What gatepost may hold at once: requests, and the bytes of all bodies together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of units of which each user holds a share.
#[derive(Debug, Clone)]
pub struct Budget {
    used: Arc<AtomicUsize>,
    limit: usize,
}

/// A share of a budget, given back when dropped.
#[derive(Debug)]
pub struct Reserved {
    budget: Budget,
    amount: usize,
}

impl Budget {
    /// A budget of which nothing is used.
    pub fn new(limit: usize) -> Self {
        Self {
            used: Arc::default(),
            limit,
        }
    }

    /// The same use under another limit, for a reload.
    #[must_use]
    pub fn with_limit(&self, limit: usize) -> Self {
        Self {
            used: self.used.clone(),
            limit,
        }
    }

    /// A share of nothing, to grow.
    pub fn empty(&self) -> Reserved {
        Reserved {
            budget: self.clone(),
            amount: 0,
        }
    }

    /// Takes a share; `None` when it is not there.
    pub fn reserve(&self, amount: usize) -> Option<Reserved> {
        let mut reserved = self.empty();
        reserved.grow_to(amount).then_some(reserved)
    }

    /// Takes a part of what is left, `most` at most; nothing when nothing is left. Whoever comes later
    /// finds something, too.
    pub fn share(&self, part: usize, most: usize) -> Reserved {
        let left = self.limit.saturating_sub(self.used());
        let amount = left.div_ceil(part.max(1)).min(most);
        self.reserve(amount).unwrap_or_else(|| self.empty())
    }

    /// Units in use.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

impl Reserved {
    /// Makes the share at least `amount`; false when it is not there.
    pub fn grow_to(&mut self, amount: usize) -> bool {
        let Some(more) = amount.checked_sub(self.amount).filter(|more| *more > 0) else {
            return true;
        };
        let before = self.budget.used.fetch_add(more, Ordering::Relaxed);
        if before.saturating_add(more) > self.budget.limit {
            self.budget.used.fetch_sub(more, Ordering::Relaxed);
            return false;
        }
        self.amount = amount;
        true
    }

    /// How much of the budget it is.
    pub const fn amount(&self) -> usize {
        self.amount
    }

    /// Makes the share at most `amount`.
    pub fn shrink_to(&mut self, amount: usize) {
        let less = self.amount.saturating_sub(amount);
        self.budget.used.fetch_sub(less, Ordering::Relaxed);
        self.amount = self.amount.saturating_sub(less);
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.amount, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_left_a_part_of_what_is_left() {
        let budget = Budget::new(100);
        let shares: Vec<_> = (0..40).map(|_| budget.share(8, 10)).collect();
        let amounts: Vec<_> = shares.iter().map(Reserved::amount).collect();
        assert_eq!(amounts[..6], [10, 10, 10, 9, 8, 7]);
        assert!(amounts.is_sorted_by(|one, next| one >= next));
        assert_eq!((budget.used(), amounts[39]), (100, 0));
        drop(shares);
        assert_eq!(budget.share(8, 10).amount(), 10);
        assert_eq!(budget.with_limit(0).share(8, 10).amount(), 0);
    }

    #[test]
    fn a_share_comes_back_when_dropped_and_never_exceeds_the_limit() {
        let budget = Budget::new(10);
        let mut first = budget.reserve(6).unwrap();
        assert!(budget.reserve(5).is_none());
        assert!(!first.grow_to(11));
        assert!(first.grow_to(9));
        assert_eq!(budget.used(), 9);
        first.shrink_to(7);
        first.shrink_to(8);
        assert_eq!((first.amount(), budget.used()), (7, 7));
        drop(first);
        assert_eq!(budget.used(), 0);
        assert!(budget.reserve(10).is_some());
    }
}

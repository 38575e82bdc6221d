//! Near misses: the same verification on a scene in which one thing, or two, is different.

use std::time::Instant;

use super::scene::Scene;

/// A likely cause of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guess {
    /// Its stable name: two of them with a `+` where it takes both.
    pub cause: String,
    /// What is wrong.
    pub text: String,
    /// What to do about it.
    pub fix: String,
    /// Whether the request verifies once this is put right; else it is only likely.
    pub proved: bool,
}

impl Guess {
    pub(super) fn new(cause: &str, text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            cause: cause.into(),
            text: text.into(),
            fix: fix.into(),
            proved: false,
        }
    }

    pub(super) fn and(self, other: &Self) -> Self {
        if self.cause == other.cause {
            return self;
        }
        Self {
            cause: format!("{}+{}", self.cause, other.cause),
            text: format!("two things at once: {}; and {}", self.text, other.text),
            fix: format!("{}; and {}", self.fix, other.fix),
            proved: self.proved && other.proved,
        }
    }
}

/// What a trial changes. Two trials of one kind are never tried together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Body,
    Claim,
    Each,
    Encoding,
    Format,
    Hash,
    Host,
    Message,
    Place,
    Path,
    Secret,
    Scheme,
    Time,
}

/// One change of a scene, and what it would mean if the request verified with it.
pub(super) struct Trial {
    pub(super) kind: Kind,
    pub(super) guess: Guess,
    /// Makes the change; `false` where it does not apply.
    pub(super) change: Box<dyn Fn(&mut Scene) -> bool>,
}

/// At most so many guesses are given.
const MOST: usize = 3;

/// A list of trials, the likeliest first.
#[derive(Default)]
pub(super) struct Trials(Vec<Trial>);

impl Trials {
    pub(super) fn add(
        &mut self,
        kind: Kind,
        guess: Guess,
        change: impl Fn(&mut Scene) -> bool + 'static,
    ) {
        self.0.push(Trial {
            kind,
            guess,
            change: Box::new(change),
        });
    }

    /// The guesses with which the step verifies: of single changes, and only where there is none,
    /// of two at once. Ends at `deadline`.
    pub(super) fn run(&self, scene: &Scene, deadline: Instant) -> Vec<Guess> {
        let mut found: Vec<Guess> = Vec::new();
        let add = |found: &mut Vec<Guess>, mut guess: Guess| {
            guess.proved = true;
            if !found.iter().any(|other| other.cause == guess.cause) {
                found.push(guess);
            }
        };
        let mut applied = Vec::new();
        let mut body_found = false;
        for trial in &self.0 {
            if Instant::now() >= deadline || found.len() >= MOST {
                return found;
            }
            // The body that was sent is found once; other ways to write the same tell no more.
            if body_found && trial.kind == Kind::Body {
                continue;
            }
            let mut changed = scene.clone();
            if !(trial.change)(&mut changed) {
                continue;
            }
            if changed.judge().is_ok() {
                body_found |= trial.kind == Kind::Body;
                add(&mut found, trial.guess.clone());
            }
            applied.push((trial, changed));
        }
        if !found.is_empty() {
            return found;
        }
        for (at, (first, changed)) in applied.iter().enumerate() {
            for (second, _) in applied.iter().skip(at.saturating_add(1)) {
                if Instant::now() >= deadline {
                    return found;
                }
                if first.kind == second.kind {
                    continue;
                }
                let mut both = changed.clone();
                if (second.change)(&mut both) && both.judge().is_ok() {
                    add(&mut found, first.guess.clone().and(&second.guess));
                    return found;
                }
            }
        }
        found
    }
}

//! Which trials a failed step is put to, and in which order.

use std::time::{Duration, Instant};

use super::keys::Keys;
use super::scene::Scene;
use super::trial::{Guess, Trials};
use super::{credentials, message_signatures, narrate, report, secrets, signed, tokens};
use crate::rejection::Rejection;
use crate::verify::Step;

/// What would have made this step pass: the likeliest first.
pub(super) fn misses(
    scene: &Scene,
    rejection: Rejection,
    known: &Keys,
    route: &str,
    deadline: Instant,
) -> Vec<Guess> {
    let mut guesses = Vec::new();
    let timed = matches!(
        rejection,
        Rejection::TimestampMalformed
            | Rejection::TimestampTooOld
            | Rejection::TimestampInFuture
            | Rejection::TimestampMissing
    );
    let mut basis = scene.clone();
    let mut clock = None;
    if timed {
        let found = time(scene);
        if found.iter().any(|guess| guess.proved) {
            return found;
        }
        clock = found.into_iter().next();
        if let Some(timeless) = signed::timeless(scene) {
            basis = timeless;
        }
    }
    let mut trials = Trials::default();
    match &*basis.step {
        Step::ApiKey(_) | Step::Basic(_) | Step::Bearer(_) => {
            secrets::add(&mut trials, &basis, known, route);
            credentials::add(&mut trials, &basis);
        }
        Step::Jwt(_) => {
            tokens::add(&mut trials, &basis);
            secrets::add(&mut trials, &basis, known, route);
        }
        Step::HttpSignature(_) => {
            secrets::add(&mut trials, &basis, known, route);
            message_signatures::add(&mut trials, &basis);
        }
        // Nothing in a capture tells of the connection it came on.
        Step::Mtls(_) => {}
        Step::Signature(_) => {
            secrets::add(&mut trials, &basis, known, route);
            signed::add(&mut trials, &basis, known);
        }
    }
    guesses.extend(trials.run(&basis, deadline));
    if guesses.is_empty() {
        guesses.extend(clock);
        guesses.extend(report::unproved(&basis, rejection));
    } else {
        guesses.extend(clock);
    }
    guesses
}

/// What would be wrong with the time alone.
fn time(scene: &Scene) -> Vec<Guess> {
    let mut found = Vec::new();
    for (unit, name, _) in signed::other_units(scene) {
        let mut other = scene.clone();
        if let Some(freshness) = other
            .signature_mut()
            .and_then(|step| step.freshness.as_mut())
        {
            freshness.unit = unit;
        }
        if other.judge().is_ok() {
            let text = format!("the timestamp is in another unit: `{name}`");
            let fix = format!("set `timestamp = {{ …, unit = \"{name}\" }}` in the step");
            let mut guess = Guess::new("timestamp_unit", text, fix);
            guess.proved = true;
            found.push(guess);
        }
    }
    if !found.is_empty() {
        return found;
    }
    let at =
        signed::claimed_time(scene).zip(scene.signature().and_then(|step| step.freshness.clone()));
    let Some((at, freshness)) =
        at.and_then(|(text, freshness)| Some((freshness.unit.read(&text)?, freshness)))
    else {
        return found;
    };
    let seconds = scene.now.as_second().saturating_sub(at.as_second());
    let age = narrate::age(at, scene.now);
    let near = |step: i64| {
        let off = seconds.rem_euclid(step);
        let tolerance = i64::try_from(freshness.tolerance.as_secs())
            .unwrap_or(i64::MAX)
            .min(step / 4);
        off <= tolerance || step - off <= tolerance
    };
    // Zones are whole quarters of an hour, and at most 14 hours away.
    let zoned = seconds.abs() >= 1800 && seconds.abs() <= 14 * 3600 + 300 && near(1800);
    let wanted = super::duration::duration(Duration::from_secs(
        seconds.unsigned_abs().saturating_add(1),
    ));
    let zone = if zoned {
        "; that is whole half-hours: perhaps a local time is sent as UTC"
    } else {
        ""
    };
    let mut guess = if seconds < 0 {
        Guess::new(
            "clock_skew",
            format!(
                "it was signed {age}{zone}: this host's clock is behind, or the sender's ahead"
            ),
            format!("check NTP on this host; it would pass with a tolerance of {wanted}"),
        )
    } else {
        Guess::new(
            "clock_skew",
            format!(
                "it was signed {age}{zone}: it was delayed or replayed, or this host's clock is ahead"
            ),
            format!(
                "check NTP on this host; it would pass with a tolerance of {wanted}; for a capture of another day say `--at` when it came"
            ),
        )
    };
    guess.proved = signed::timeless(scene).is_some_and(|scene| scene.judge().is_ok());
    found.push(guess);
    found
}

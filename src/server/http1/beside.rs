//! What a busy connection hears beside its bytes.

use std::future::poll_fn;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Limits;
use crate::server::seldom::Seldom;
use crate::server::session::Session;

/// A connection without a request for so long, twice at most, is parked.
const PARK_AFTER: Duration = Duration::from_millis(500);

/// What is said to it.
pub(super) enum Said {
    /// It is time to see how its requests get on.
    Look,
    /// The process was told to stop.
    Stop,
}

/// Speaks often enough for every time that is taken at a look, and once of the end.
pub(super) fn beside(
    session: &Session,
    limits: &Limits,
) -> Seldom<impl Future<Output = Said> + Unpin> {
    let shortest = limits.header_timeout.min(limits.body_timeout);
    let look_after = PARK_AFTER.min(shortest / 4);
    let mut draining = Some(Box::pin(session.draining()));
    let mut look = Box::pin(tokio::time::sleep(look_after));
    Seldom::new(poll_fn(move |context| {
        if let Some(signal) = &mut draining
            && signal.as_mut().poll(context).is_ready()
        {
            draining = None;
            return Poll::Ready(Said::Stop);
        }
        ready!(look.as_mut().poll(context));
        look.as_mut().reset(Instant::now() + look_after);
        Poll::Ready(Said::Look)
    }))
}

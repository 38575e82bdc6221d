//! Requests that are ready at the same time go on at the same time. What they write then goes out
//! together, and the other end is woken once, not for each: to wake it costs more than to write.
//!
//! All requests of a worker stay on its thread: what they share is kept there.

use std::cell::RefCell;
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// The first of them waits for others so long, while there are any, and as long as those take that are
/// ready by then.
const PATIENCE: Duration = Duration::from_micros(500);

/// Those of one core that wait.
#[derive(Debug, Default)]
struct Waiting {
    /// Whether one of them sees to it that they go on.
    led: bool,
    /// The others.
    followers: Vec<Waker>,
    /// How many have come since the process began, round and round.
    arrived: u64,
}

thread_local! {
    static WAITING: RefCell<Waiting> = RefCell::default();
}

/// Lets all requests of this core that are ready get as far as this one.
///
/// The first one leads: it looks for more as long as each look brings some. Alone it looks once.
pub(super) async fn together() {
    let Some(lead) = Lead::take() else {
        return follow().await;
    };
    let since = Instant::now();
    loop {
        let before = arrived();
        // The runtime runs all that is ready, and asks the system what else is.
        tokio::task::yield_now().await;
        if arrived() == before || since.elapsed() >= PATIENCE {
            break;
        }
    }
    drop(lead);
}

fn arrived() -> u64 {
    WAITING.with_borrow(|waiting| waiting.arrived)
}

/// Waits to be woken, whoever does it: nothing depends on it but what it costs.
async fn follow() {
    let mut waited = false;
    poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        let waker = context.waker().clone();
        WAITING.with_borrow_mut(|waiting| waiting.followers.push(waker));
        Poll::Pending
    })
    .await;
}

/// Held by the one who leads. Whatever becomes of it, the others go on.
#[derive(Debug)]
struct Lead;

impl Lead {
    /// Counts one more; it leads if nobody does.
    fn take() -> Option<Self> {
        WAITING.with_borrow_mut(|waiting| {
            waiting.arrived = waiting.arrived.wrapping_add(1);
            let led = std::mem::replace(&mut waiting.led, true);
            // Made only then: one that is dropped ends the wait.
            (!led).then(|| Self)
        })
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        let mut followers = WAITING.with_borrow_mut(|waiting| {
            waiting.led = false;
            std::mem::take(&mut waiting.followers)
        });
        followers.drain(..).for_each(Waker::wake);
        // The room for them stays.
        WAITING.with_borrow_mut(|waiting| {
            if waiting.followers.is_empty() {
                waiting.followers = followers;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::{Arc, Mutex};

    use tokio::task::{JoinHandle, yield_now};

    use super::*;

    type Seen = Arc<Mutex<Vec<&'static str>>>;

    /// One that is ready after so many looks at what is.
    fn request(seen: &Seen, looks: usize) -> JoinHandle<()> {
        let seen = seen.clone();
        tokio::spawn(async move {
            for _ in 0..looks {
                yield_now().await;
            }
            seen.lock().unwrap().push("ready");
            together().await;
            seen.lock().unwrap().push("goes on");
        })
    }

    fn on_one_core(work: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(work);
    }

    #[test]
    fn nobody_goes_on_before_all_are_ready() {
        on_one_core(async {
            let seen = Seen::default();
            for request in [2, 1, 0, 0, 0].map(|looks| request(&seen, looks)) {
                request.await.unwrap();
            }
            let seen = seen.lock().unwrap();
            assert_eq!(*seen, [["ready"; 5], ["goes on"; 5]].concat());
        });
    }

    #[test]
    fn one_that_is_given_up_holds_nobody() {
        on_one_core(async {
            let seen = Seen::default();
            let [leads, follows, given_up] = [0; 3].map(|looks| request(&seen, looks));
            yield_now().await;
            assert_eq!(*seen.lock().unwrap(), ["ready"; 3]);
            given_up.abort();
            leads.abort();
            follows.await.unwrap();
            // The next one leads.
            request(&seen, 0).await.unwrap();
            let after = ["goes on", "ready", "goes on"];
            assert_eq!(*seen.lock().unwrap(), [["ready"; 3], after].concat());
        });
    }

    /// One that is ready, with another on its heels, so many in all.
    fn crowd(seen: &Seen, left: usize) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let seen = seen.clone();
        Box::pin(async move {
            seen.lock().unwrap().push("ready");
            if left > 0 {
                drop(tokio::spawn(crowd(&seen, left - 1)));
            }
            together().await;
            seen.lock().unwrap().push("goes on");
        })
    }

    #[test]
    fn those_who_keep_coming_are_not_waited_for() {
        on_one_core(async {
            let seen = Seen::default();
            let since = Instant::now();
            tokio::spawn(crowd(&seen, 20_000)).await.unwrap();
            assert!(since.elapsed() >= PATIENCE);
            let ready = seen.lock().unwrap().len();
            assert!(ready < 15_000, "{ready}");
        });
    }
}

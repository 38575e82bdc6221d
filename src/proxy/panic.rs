//! A panic ends one request and nothing else.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// What `work` gives; `None` when it panicked.
pub(super) fn sound<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// Runs `future` to its end; `None` when it panicked. What it held is dropped: locks are taken
/// again whatever happened under them, and counts are given back by their guards.
pub(super) async fn caught<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|context| poll(future.as_mut(), context)).await
}

fn poll<F: Future>(future: Pin<&mut F>, context: &mut Context<'_>) -> Poll<Option<F::Output>> {
    match catch_unwind(AssertUnwindSafe(|| future.poll(context))) {
        Ok(poll) => poll.map(Some),
        Err(_) => Poll::Ready(None),
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[test]
    fn a_panic_is_an_outcome() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        assert_eq!(runtime.block_on(caught(pin!(async { 1 }))), Some(1));
        let panicked = runtime.block_on(caught(pin!(async { panic!("as a bug would") })));
        assert_eq!(panicked, None::<()>);
        assert_eq!(sound(|| 1), Some(1));
        assert_eq!(sound(|| panic!("as a bug would")), None::<()>);
    }
}

//! A future beside another one that is woken for every request. It is polled only when it was woken
//! itself: to look at a timer and a signal each time the other is due costs as much as to find the
//! route.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Polls `F` when it has something to say, and again after each time it had.
pub(super) struct Seldom<F> {
    inner: F,
    bell: Arc<Bell>,
    waker: Waker,
    /// Who is told when the bell has rung.
    task: Option<Waker>,
}

#[derive(Default)]
struct Bell {
    rung: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = &*task {
            task.wake_by_ref();
        }
    }
}

impl<F> Seldom<F> {
    pub(super) fn new(inner: F) -> Self {
        let bell = Arc::<Bell>::default();
        Self {
            inner,
            waker: bell.clone().into(),
            bell,
            task: None,
        }
    }
}

impl<F: Future + Unpin> Future for Seldom<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Self {
            inner,
            bell,
            waker,
            task,
        } = &mut *self;
        let known = task
            .as_ref()
            .is_some_and(|task| task.will_wake(context.waker()));
        if !known {
            *task = Some(context.waker().clone());
            task.clone_into(&mut bell.task.lock().unwrap_or_else(PoisonError::into_inner));
        }
        if !bell.rung.swap(false, Ordering::AcqRel) && known {
            return Poll::Pending;
        }
        let outcome = Pin::new(inner).poll(&mut Context::from_waker(waker));
        if outcome.is_ready() {
            bell.rung.store(true, Ordering::Release);
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Told(AtomicUsize);

    impl Wake for Told {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn it_is_polled_when_it_was_woken_and_after_it_was_ready() {
        let inner_waker = Arc::new(Mutex::new(None::<Waker>));
        let polls = Arc::new(AtomicUsize::new(0));
        let ready = Arc::new(AtomicBool::new(false));
        let (kept, counted, is_ready) = (inner_waker.clone(), polls.clone(), ready.clone());
        let mut seldom = Seldom::new(std::future::poll_fn(move |context| {
            counted.fetch_add(1, Ordering::Relaxed);
            *kept.lock().unwrap() = Some(context.waker().clone());
            if is_ready.swap(false, Ordering::Relaxed) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }));
        let (one, other) = (Arc::new(Told::default()), Arc::new(Told::default()));
        let mut poll = |task: &Arc<Told>| {
            let waker = Waker::from(task.clone());
            let outcome = Pin::new(&mut seldom).poll(&mut Context::from_waker(&waker));
            (outcome.is_ready(), polls.load(Ordering::Relaxed))
        };
        let wake = || inner_waker.lock().unwrap().clone().unwrap().wake();
        assert_eq!(poll(&one), (false, 1));
        assert_eq!(poll(&one), (false, 1));
        wake();
        assert_eq!(one.0.load(Ordering::Relaxed), 1);
        assert_eq!(poll(&one), (false, 2));
        // Another task has it now: it hears of what comes.
        assert_eq!(poll(&other), (false, 3));
        ready.store(true, Ordering::Relaxed);
        wake();
        assert_eq!(one.0.load(Ordering::Relaxed), 1);
        assert_eq!(other.0.load(Ordering::Relaxed), 1);
        assert_eq!(poll(&other), (true, 4));
        // What was ready may be so again.
        assert_eq!(poll(&other), (false, 5));
        assert_eq!(poll(&other), (false, 5));
    }
}

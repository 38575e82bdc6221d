//! One request and its answer on one connection. All of it happens in the task of the request: to
//! hand it to a task of the connection and to be woken by it costs as much as the rest of it.

use std::task::{Context, Poll, ready};
use std::time::Instant;

use http::Method;

use super::head::{self, Head, Malformed};
use super::link::Link;
use super::sending::{Sending, Stopped};

/// A request that is being sent, and as much of its answer as was read.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) link: Link,
    pub(super) sending: Sending,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failed {
    /// Nothing was sent: here is what was to be.
    Unsent(Sending),
    Timeout,
    /// The app may have received it.
    Sent,
    /// The caller did not send all of it.
    Caller,
}

impl From<Malformed> for Failed {
    fn from(_: Malformed) -> Self {
        Self::Sent
    }
}

/// Sends a request and waits for the head of its answer until `deadline`. `asked` is its method.
pub(super) async fn exchange(
    mut link: Link,
    sending: Sending,
    asked: &Method,
    deadline: Instant,
) -> Result<(Exchange, Head), Failed> {
    link.set_timer(deadline);
    let mut exchange = Exchange { link, sending };
    let head = std::future::poll_fn(|context| exchange.poll_head(asked, context)).await;
    match head {
        Ok(head) => Ok((exchange, head)),
        Err(Failed::Sent) if !exchange.sending.begun => Err(Failed::Unsent(exchange.sending)),
        Err(failed) => Err(failed),
    }
}

impl Exchange {
    fn poll_head(
        &mut self,
        asked: &Method,
        context: &mut Context<'_>,
    ) -> Poll<Result<Head, Failed>> {
        let broken = match self.poll_send(context) {
            Poll::Ready(Err(Stopped::Caller)) => return Poll::Ready(Err(Failed::Caller)),
            Poll::Ready(Err(Stopped::Stalled)) => return Poll::Ready(Err(Failed::Timeout)),
            Poll::Ready(Err(Stopped::App)) => true,
            Poll::Ready(Ok(())) | Poll::Pending => false,
        };
        if broken && !self.sending.begun {
            return Poll::Ready(Err(Failed::Sent));
        }
        loop {
            if !self.link.ahead.is_empty()
                && let Some(head) = head::read(&mut self.link.ahead, asked)?
            {
                return Poll::Ready(Ok(head));
            }
            match self.link.poll_read_more(context) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(Failed::Sent)),
                // An app that takes no more may have answered, and may not.
                Poll::Pending if broken => return Poll::Ready(Err(Failed::Sent)),
                Poll::Pending => break,
            }
        }
        ready!(self.link.poll_timer(context));
        Poll::Ready(Err(Failed::Timeout))
    }

    /// Sends on, where there is something left. An app may answer before it has read all.
    pub(super) fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Stopped>> {
        self.sending.poll(&mut self.link, context)
    }
}

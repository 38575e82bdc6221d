//! The body of the app's answer, as it arrives.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http::{Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};

use super::chunked::{self, Decoder, Found};
use super::exchange::Exchange;
use super::head::{Head, Length};
use super::link::Link;
use super::pool::Pool;
use super::sending::Stopped;

/// The body of an answer.
#[derive(Debug)]
pub struct AnswerBody(Kind);

#[derive(Debug)]
enum Kind {
    /// All of it is there.
    Whole(Bytes),
    Arriving(Box<Arriving>),
    /// The app speaks another protocol from here on.
    Upgraded(Box<Link>),
}

/// The rest of an answer is with the app.
#[derive(Debug)]
struct Arriving {
    /// Gone when all was read.
    exchange: Option<Exchange>,
    left: Left,
    /// Where the connection goes then; none where it cannot be used again.
    pool: Option<Pool>,
}

#[derive(Debug)]
enum Left {
    Known(u64),
    Chunked(Decoder),
    Unknown,
}

/// The answer whose head was read.
pub(super) fn answered(exchange: Exchange, head: Head, pool: &Pool) -> Response<AnswerBody> {
    let Head {
        response,
        length,
        stays,
    } = head;
    let body = AnswerBody::new(exchange, &response, length, stays.then_some(pool));
    response.map(|()| body)
}

impl AnswerBody {
    /// A body that is there.
    pub(super) const fn whole(bytes: Bytes) -> Self {
        Self(Kind::Whole(bytes))
    }

    fn new(
        mut exchange: Exchange,
        response: &Response<()>,
        length: Length,
        pool: Option<&Pool>,
    ) -> Self {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Self(Kind::Upgraded(Box::new(exchange.link)));
        }
        let left = match length {
            Length::Known(length) => {
                let ahead = &mut exchange.link.ahead;
                if let Ok(length) = usize::try_from(length)
                    && let Some(bytes) = ahead.get(..length)
                {
                    // Copied: else the room that was read into would stay with the answer.
                    let bytes = Bytes::copy_from_slice(bytes);
                    ahead.advance(length);
                    give_back(exchange, pool);
                    return Self::whole(bytes);
                }
                Left::Known(length)
            }
            Length::Chunked => Left::Chunked(Decoder::default()),
            Length::Unknown => Left::Unknown,
        };
        Self(Kind::Arriving(Box::new(Arriving {
            exchange: Some(exchange),
            left,
            pool: pool.cloned(),
        })))
    }

    /// All of it, where it is there.
    pub fn take_whole(&mut self) -> Option<Bytes> {
        match &mut self.0 {
            Kind::Whole(bytes) => Some(std::mem::take(bytes)),
            Kind::Arriving(_) | Kind::Upgraded(_) => None,
        }
    }

    /// The connection, where the app has agreed to speak another protocol on it.
    pub fn into_upgraded(self) -> Option<Link> {
        match self.0 {
            Kind::Upgraded(link) => Some(*link),
            Kind::Whole(_) | Kind::Arriving(_) => None,
        }
    }
}

/// Keeps the connection for the next request, if nothing of this one is left on it.
///
/// An app may have answered before it has read all, and go on to read what it has taken on: it gets
/// the rest, within the time it had for its answer. Only of a body that is here: what its caller has
/// still to send ends with the answer, as its connection does, or the rest of it would be read as the
/// next request.
fn give_back(mut exchange: Exchange, pool: Option<&Pool>) {
    let Some(pool) = pool else { return };
    if exchange.sending.is_over() {
        return keep(exchange, pool);
    }
    let Some(place) = pool.late().filter(|_| exchange.sending.is_here()) else {
        return;
    };
    let pool = pool.clone();
    drop(tokio::spawn(async move {
        let sent = poll_fn(|context| match exchange.poll_send(context) {
            Poll::Ready(outcome) => Poll::Ready(outcome.is_ok()),
            Poll::Pending => exchange.link.poll_timer(context).map(|()| false),
        });
        if sent.await {
            keep(exchange, &pool);
        }
        drop(place);
    }));
}

fn keep(exchange: Exchange, pool: &Pool) {
    if exchange.link.ahead.is_empty() {
        pool.put(exchange.link);
    }
}

impl Arriving {
    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        let Some(exchange) = &mut self.exchange else {
            return Poll::Ready(None);
        };
        // An app may read on while it answers. One that does not has said so by its answer.
        if let Poll::Ready(Err(Stopped::Caller)) = exchange.poll_send(context) {
            return Poll::Ready(Some(Err(Broken)));
        }
        loop {
            let link = &mut exchange.link;
            let over = match &mut self.left {
                Left::Known(0) => true,
                Left::Known(_) | Left::Unknown if link.ahead.is_empty() => false,
                Left::Known(left) => {
                    let data = chunked::take(&mut link.ahead, *left);
                    *left = left.saturating_sub(data.len() as u64);
                    let over = *left == 0;
                    if over {
                        self.end();
                    }
                    return Poll::Ready(Some(Ok(data)));
                }
                Left::Unknown => {
                    return Poll::Ready(Some(Ok(link.ahead.split().freeze())));
                }
                Left::Chunked(decoder) => match decoder.next(&mut link.ahead) {
                    Ok(Found::Data(data)) => return Poll::Ready(Some(Ok(data))),
                    Ok(Found::Nothing) => false,
                    Ok(Found::End) => true,
                    Err(_) => return Poll::Ready(Some(Err(Broken))),
                },
            };
            if over {
                self.end();
                return Poll::Ready(None);
            }
            link.expect_long();
            match ready!(link.poll_read_more(context)) {
                Ok(1..) => {}
                Ok(0) if matches!(self.left, Left::Unknown) => {
                    self.end();
                    return Poll::Ready(None);
                }
                Ok(0) | Err(_) => return Poll::Ready(Some(Err(Broken))),
            }
        }
    }

    fn end(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            give_back(exchange, self.pool.as_ref());
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut self.0 {
            Kind::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Arriving(arriving) => {
                let data = ready!(arriving.poll_data(context));
                if matches!(data, Some(Err(_))) {
                    arriving.exchange = None;
                }
                Poll::Ready(data.map(|data| data.map(Frame::data)))
            }
            Kind::Upgraded(_) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(bytes) => bytes.is_empty(),
            Kind::Arriving(arriving) => arriving.exchange.is_none(),
            Kind::Upgraded(_) => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Arriving(arriving) => match arriving.left {
                Left::Known(left) => SizeHint::with_exact(left),
                Left::Chunked(_) | Left::Unknown => SizeHint::default(),
            },
            Kind::Upgraded(_) => SizeHint::with_exact(0),
        }
    }
}

/// The app broke its answer off, or it was no HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the app broke its answer off")
    }
}

impl std::error::Error for Broken {}

impl From<Broken> for io::Error {
    fn from(broken: Broken) -> Self {
        Self::new(io::ErrorKind::UnexpectedEof, broken)
    }
}

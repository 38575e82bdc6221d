//! The yardstick: what hyper itself costs with a signature that is hashed as it arrives and a pool
//! of connections, without any other duty. No product: it trusts its caller in everything else.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hmac::Mac as _;
use http::header::{CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use subtle::ConstantTimeEq as _;
use tokio::net::{TcpListener, TcpStream};

type Mac = hmac::Hmac<sha2::Sha256>;

thread_local! {
    static IDLE: RefCell<Vec<SendRequest<Pieces>>> = const { RefCell::new(Vec::new()) };
}

pub async fn serve(port: u16, app: u16, secret: &str) {
    let mac = Arc::new(Mac::new_from_slice(secret.as_bytes()).expect("any length is a key"));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .expect("the port is free");
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new());
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        stream.set_nodelay(true).expect("no delay");
        let (builder, mac) = (builder.clone(), mac.clone());
        drop(tokio::spawn(async move {
            let service = service_fn(move |request| {
                let mac = mac.clone();
                async move { Ok::<_, Infallible>(answer(app, &mac, request).await) }
            });
            // A caller may hang up.
            drop(
                builder
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        }));
    }
}

async fn answer(app: u16, mac: &Mac, request: Request<Incoming>) -> Response<Either> {
    match verified(mac, request).await {
        Some(request) => match forward(app, request).await {
            Some(mut response) => {
                response.headers_mut().remove(CONNECTION);
                response.map(Either::App)
            }
            None => refusal(StatusCode::BAD_GATEWAY),
        },
        None => refusal(StatusCode::UNAUTHORIZED),
    }
}

fn refusal(status: StatusCode) -> Response<Either> {
    let mut response = Response::new(Either::Own);
    *response.status_mut() = status;
    response
}

async fn verified(mac: &Mac, request: Request<Incoming>) -> Option<Request<Pieces>> {
    const SIGNATURE: HeaderName = HeaderName::from_static("x-signature");
    let (mut parts, mut body) = request.into_parts();
    let claimed = parts.headers.get(SIGNATURE)?;
    let claimed = data_encoding::HEXLOWER.decode(claimed.as_bytes()).ok()?;
    let mut mac = mac.clone();
    let mut pieces = Pieces::default();
    while !body.is_end_stream() {
        let Some(frame) = body.frame().await else {
            break;
        };
        let piece = frame.ok()?.into_data().ok()?;
        mac.update(&piece);
        pieces.left += piece.len() as u64;
        pieces.ready.push_back(piece);
    }
    let expected = mac.finalize().into_bytes();
    if !bool::from(claimed.as_slice().ct_eq(&expected)) {
        return None;
    }
    for name in [CONNECTION, TRANSFER_ENCODING, UPGRADE, TE, TRAILER] {
        parts.headers.remove(name);
    }
    for name in ["x-gatepost-provider", "x-gatepost-event-type"] {
        parts.headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static("bench"),
        );
    }
    Some(Request::from_parts(parts, pieces))
}

async fn forward(app: u16, request: Request<Pieces>) -> Option<Response<Incoming>> {
    let idle =
        IDLE.with_borrow_mut(|idle| std::iter::from_fn(|| idle.pop()).find(SendRequest::is_ready));
    let mut sender = match idle {
        Some(sender) => sender,
        None => connect(app).await?,
    };
    let response = sender.send_request(request).await.ok()?;
    if sender.is_ready() {
        IDLE.with_borrow_mut(|idle| idle.push(sender));
    } else {
        drop(tokio::spawn(async move {
            if sender.ready().await.is_ok() {
                IDLE.with_borrow_mut(|idle| idle.push(sender));
            }
        }));
    }
    Some(response)
}

async fn connect(app: u16) -> Option<SendRequest<Pieces>> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, app)).await.ok()?;
    stream.set_nodelay(true).ok()?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .ok()?;
    drop(tokio::spawn(connection));
    Some(sender)
}

/// A body in the pieces in which it came.
#[derive(Default)]
struct Pieces {
    ready: std::collections::VecDeque<Bytes>,
    left: u64,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.ready.pop_front().map(|piece| {
            self.left -= piece.len() as u64;
            Ok(Frame::data(piece))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// The body of an answer.
enum Either {
    App(Incoming),
    Own,
}

impl Body for Either {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut *self {
            Self::App(body) => Pin::new(body).poll_frame(context),
            Self::Own => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::App(body) => body.is_end_stream(),
            Self::Own => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::App(body) => body.size_hint(),
            Self::Own => SizeHint::with_exact(0),
        }
    }
}

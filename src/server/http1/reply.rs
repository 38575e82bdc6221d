//! Writing an answer.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, Write as _};
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRAILER, TRANSFER_ENCODING};
use http::response::Parts;
use http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::proxy::ResponseBody;
use crate::upstream::chunked;

/// Pieces up to this size are written together with what stands before them.
const SMALL: usize = 16 * 1024;

/// The end of the year 9999, after which HTTP has no dates.
const LAST_SECOND: u64 = 253_402_300_799;

/// What becomes of the connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Then {
    Stays,
    Closes,
}

/// Where the body ends.
#[derive(Debug)]
enum Ends {
    /// With the head: an answer of this status has none (RFC 9110 §6.4.1).
    AtOnce,
    /// After so many bytes more.
    After(u64),
    /// Where it says so.
    Chunked,
}

/// Writes a whole answer; the `last` one says so. `out` is room to write in. An app that must not
/// stop in the middle of its answer may rest for `patience`.
///
/// # Errors
///
/// The caller is gone or takes nothing, or the app broke its answer off: then the end of the
/// connection shows the caller that it is not whole.
pub(super) async fn send<S: AsyncWrite + Unpin>(
    stream: &mut S,
    out: &mut Vec<u8>,
    response: Response<ResponseBody>,
    last: bool,
    patience: Duration,
) -> io::Result<Then> {
    out.clear();
    let (parts, body) = response.into_parts();
    let (mut ends, then) = head(out, &parts, body.size_hint().exact(), last);
    // With the last of it goes the request's place among those in flight: a caller that is slow to
    // take the answer holds none.
    let mut body = Some(body).filter(|_| !matches!(ends, Ends::AtOnce));
    while let Some(rest) = &mut body {
        let data = next(stream, out, rest, patience).await?;
        if data.is_none() || rest.is_end_stream() {
            body = None;
        }
        if let Some(data) = data {
            piece(stream, out, &mut ends, data).await?;
        }
    }
    match ends {
        Ends::AtOnce | Ends::After(0) => {}
        Ends::After(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
        Ends::Chunked => out.extend_from_slice(&chunked::LAST),
    }
    flush(stream, out).await?;
    Ok(then)
}

/// The next piece of the body. Before it is waited for, all there is goes out.
async fn next<S: AsyncWrite + Unpin>(
    stream: &mut S,
    out: &mut Vec<u8>,
    body: &mut ResponseBody,
    patience: Duration,
) -> io::Result<Option<Bytes>> {
    loop {
        let mut polled = Pin::new(&mut *body);
        let frame = match poll_fn(|context| Poll::Ready(polled.as_mut().poll_frame(context))).await
        {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                flush(stream, out).await?;
                if body.is_timed() {
                    tokio::time::timeout(patience, body.frame()).await?
                } else {
                    body.frame().await
                }
            }
        };
        let Some(frame) = frame else {
            return Ok(None);
        };
        // What is no data is trailers: nobody was told of them.
        if let Ok(data) = frame?.into_data()
            && !data.is_empty()
        {
            return Ok(Some(data));
        }
    }
}

/// Never more than the head tells: the caller would read it as the next answer.
async fn piece<S: AsyncWrite + Unpin>(
    stream: &mut S,
    out: &mut Vec<u8>,
    ends: &mut Ends,
    data: Bytes,
) -> io::Result<()> {
    match ends {
        Ends::AtOnce => return Ok(()),
        Ends::After(left) => {
            let rest = left.checked_sub(data.len() as u64);
            *left = rest.ok_or(io::ErrorKind::InvalidData)?;
        }
        Ends::Chunked => out.extend_from_slice(&chunked::size_line(data.len())),
    }
    if data.len() <= SMALL {
        out.extend_from_slice(&data);
    } else {
        write(stream, out).await?;
        stream.write_all(&data).await?;
    }
    if matches!(ends, Ends::Chunked) {
        out.extend_from_slice(&chunked::CHUNK_END);
    }
    if out.len() > SMALL {
        write(stream, out).await?;
    }
    Ok(())
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, out: &mut Vec<u8>) -> io::Result<()> {
    if !out.is_empty() {
        stream.write_all(out).await?;
        out.clear();
    }
    Ok(())
}

async fn flush<S: AsyncWrite + Unpin>(stream: &mut S, out: &mut Vec<u8>) -> io::Result<()> {
    write(stream, out).await?;
    stream.flush().await
}

/// The head of the answer, in which we alone say where it ends.
fn head(out: &mut Vec<u8>, parts: &Parts, length: Option<u64>, last: bool) -> (Ends, Then) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(parts.status.as_str().as_bytes());
    out.push(b' ');
    let reason = parts.status.canonical_reason().unwrap_or("<none>");
    out.extend_from_slice(reason.as_bytes());
    out.extend_from_slice(b"\r\n");
    let mut then = if last { Then::Closes } else { Then::Stays };
    let mut dated = false;
    for (name, value) in &parts.headers {
        match *name {
            CONTENT_LENGTH | TRANSFER_ENCODING | TRAILER => continue,
            CONNECTION => {
                then = Then::Closes;
                continue;
            }
            DATE => dated = true,
            _ => {}
        }
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    if then == Then::Closes {
        out.extend_from_slice(b"connection: close\r\n");
    }
    let ends = match (parts.status, length) {
        (StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED, _) => Ends::AtOnce,
        (_, Some(length)) => {
            out.extend_from_slice(b"content-length: ");
            out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
            out.extend_from_slice(b"\r\n");
            Ends::After(length)
        }
        (_, None) => {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
            Ends::Chunked
        }
    };
    if !dated {
        date(out);
    }
    out.extend_from_slice(b"\r\n");
    (ends, then)
}

thread_local! {
    /// A second, and how it is written.
    static WRITTEN: RefCell<(u64, Vec<u8>)> = const { RefCell::new((0, Vec::new())) };
}

/// RFC 9110 §6.6.1. Made anew once a second.
fn date(out: &mut Vec<u8>) {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let second = since.map_or(0, |since| since.as_secs());
    WRITTEN.with_borrow_mut(|(written, line)| {
        if *written != second || line.is_empty() {
            *written = second;
            line.clear();
            // A vector takes whatever is written.
            drop(write!(line, "date: {}\r\n", http_date(second)));
        }
        out.extend_from_slice(line);
    });
}

/// What a clock may be set to that is no date of HTTP would else end the connection.
fn http_date(second: u64) -> httpdate::HttpDate {
    let since = Duration::from_secs(second.min(LAST_SECOND));
    (SystemTime::UNIX_EPOCH + since).into()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use tokio::io::AsyncReadExt as _;

    use super::*;

    fn on_a_runtime<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(work)
    }

    fn answer(status: u16, lines: &[(&'static str, &'static str)], body: &str) -> Response<Bytes> {
        let mut response = Response::builder().status(status);
        for (name, value) in lines {
            response = response.header(*name, *value);
        }
        response
            .body(Bytes::copy_from_slice(body.as_bytes()))
            .unwrap()
    }

    /// The line of the status, the other lines in their order, and the body.
    fn read(text: &[u8]) -> (String, Vec<String>, String) {
        let text = std::str::from_utf8(text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines: Vec<_> = head.split("\r\n").map(str::to_owned).collect();
        let status = lines.remove(0);
        lines.sort();
        (status, lines, body.to_owned())
    }

    fn ours(response: Response<Bytes>, last: bool) -> (Vec<u8>, Then) {
        on_a_runtime(async {
            let (mut caller, mut out) = (Vec::new(), Vec::new());
            let response = response.map(ResponseBody::whole);
            let then = send(&mut caller, &mut out, response, last, Duration::ZERO).await;
            (caller, then.unwrap())
        })
    }

    fn hypers(response: &Response<Bytes>) -> Vec<u8> {
        on_a_runtime(async {
            let (ours, mut theirs) = tokio::io::duplex(1 << 20);
            theirs.write_all(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
            theirs.shutdown().await.unwrap();
            let service = service_fn(|_| {
                let response = response.clone().map(ResponseBody::whole);
                async { Ok::<_, Infallible>(response) }
            });
            let serving = hyper::server::conn::http1::Builder::new()
                .half_close(true)
                .header_read_timeout(None)
                .serve_connection(TokioIo::new(ours), service);
            serving.await.unwrap();
            let mut written = Vec::new();
            theirs.read_to_end(&mut written).await.unwrap();
            written
        })
    }

    #[test]
    fn an_answer_is_written_as_hyper_would() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let large = "x".repeat(3 * SMALL);
        for (status, lines, body) in [
            (200, &[date][..], "ok"),
            (200, &[date, ("content-length", "2")], "ok"),
            (
                200,
                &[date, ("set-cookie", "a=1"), ("set-cookie", "b=2")],
                &large,
            ),
            (202, &[date], ""),
            (204, &[date], ""),
            (204, &[date], "not to be told"),
            (304, &[date, ("etag", "\"a\"")], ""),
            (401, &[date, ("connection", "close")], "no"),
            (599, &[date], "?"),
        ] {
            let response = answer(status, lines, body);
            let written = ours(response.clone(), false);
            assert_eq!(read(&written.0), read(&hypers(&response)), "{status}");
            let closes = response.headers().contains_key(CONNECTION);
            assert_eq!(written.1 == Then::Closes, closes, "{status}");
        }
    }

    #[test]
    fn it_has_a_date_and_the_last_one_says_so() {
        let (written, then) = ours(answer(200, &[], "ok"), true);
        let (_, lines, _) = read(&written);
        let [close, _, date] = &*lines else {
            panic!("{lines:?}");
        };
        assert_eq!((&**close, then), ("connection: close", Then::Closes));
        let date = date.strip_prefix("date: ").unwrap();
        let told = httpdate::parse_http_date(date).unwrap();
        assert!(told.elapsed().unwrap() < Duration::from_secs(60));
    }

    #[test]
    fn every_second_has_a_date() {
        for (second, date) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (LAST_SECOND, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(http_date(second).to_string(), date);
        }
    }

    static LARGE: [u8; SMALL + 1] = [b'x'; SMALL + 1];

    #[test]
    fn what_the_head_tells_is_what_is_written() {
        let piece = |mut ends, pieces: &[&'static [u8]]| {
            on_a_runtime(async {
                let (mut caller, mut out) = (Vec::new(), Vec::new());
                for data in pieces {
                    let data = Bytes::from_static(data);
                    piece(&mut caller, &mut out, &mut ends, data).await.ok()?;
                }
                out.splice(0..0, caller);
                String::from_utf8(out).ok()
            })
        };
        assert_eq!(piece(Ends::After(5), &[b"he", b"llo"]).unwrap(), "hello");
        assert_eq!(piece(Ends::After(5), &[b"he", b"llo!"]), None);
        assert_eq!(piece(Ends::AtOnce, &[b"hello"]).unwrap(), "");
        let chunks = piece(Ends::Chunked, &[b"he", b"llo, it is me"]).unwrap();
        assert_eq!(chunks, "2\r\nhe\r\nd\r\nllo, it is me\r\n");
        let chunks = piece(Ends::Chunked, &[b"a", &LARGE, b"b"]).unwrap();
        let all = String::from_utf8(LARGE.to_vec()).unwrap();
        assert_eq!(chunks, format!("1\r\na\r\n4001\r\n{all}\r\n1\r\nb\r\n"));
    }
}

//! One connection: PROXY header, TLS, HTTP, each with its own time-out.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt as _;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::session::Session;
use super::{Shared, certificate, http1, http2};
use crate::address::ClientSource;
use crate::address::proxy_protocol::{MAX_HEADER, Parsed, parse};
use crate::proxy::{Gate, Peer};
use crate::socket::Socket;
use crate::upstream::Pool;

/// How an HTTP/2 connection begins (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a connection needs to know.
pub(super) struct Connection {
    pub(super) shared: Arc<Shared>,
    pub(super) pool: Pool,
    pub(super) peer: IpAddr,
}

/// Serves one connection to its end. What goes wrong before a request is the peer's affair: there
/// is nobody to tell.
///
/// Each stage is boxed: thousands of connections wait for their next request, and each would else
/// keep room for the largest of all stages.
pub(super) async fn serve(connection: Connection, socket: Socket) {
    let Some(Opened { stream, peer, h2 }) = Box::pin(open(&connection, socket)).await else {
        return;
    };
    let Connection { shared, pool, .. } = connection;
    let http1 = shared.server.http1;
    let session = Session { shared, pool, peer };
    match stream {
        Stream::Plain(stream) if h2 => Box::pin(http2::serve(&session, stream)).await,
        Stream::Tls(stream) if h2 => Box::pin(http2::serve(&session, stream)).await,
        Stream::Plain(stream) if http1 => http1::serve(&session, stream).await,
        Stream::Tls(stream) if http1 => http1::serve(&session, stream).await,
        Stream::Plain(_) | Stream::Tls(_) => {}
    }
}

/// A connection of which is known what it speaks and from where it comes.
struct Opened {
    stream: Stream,
    peer: Peer,
    h2: bool,
}

enum Stream {
    Plain(Box<Socket>),
    Tls(Box<TlsStream<Socket>>),
}

/// Reads what comes before HTTP, each part within the time for it.
async fn open(connection: &Connection, socket: Socket) -> Option<Opened> {
    let shared = &connection.shared;
    let gate = shared.gate.load_full();
    let time = gate.limits.header_timeout;
    let mut socket = socket.with_stall(gate.limits.send_timeout);
    let mut address = connection.peer;
    if shared.server.proxy_protocol {
        let proxied = proxied(&gate, address, socket);
        (socket, address) = tokio::time::timeout(time, proxied).await.ok()??;
    }
    let tls = shared.tls.load_full();
    let peer = Peer {
        address,
        secure: tls.is_some(),
        certificate: None,
        draining: false,
    };
    if let Some(tls) = tls {
        let accepted = TlsAcceptor::from(tls).accept(socket);
        let stream = tokio::time::timeout(time, accepted).await.ok()?.ok()?;
        let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let peer = Peer {
            certificate: certificate::of(stream.get_ref().1),
            ..peer
        };
        let stream = Stream::Tls(Box::new(stream));
        return Some(Opened { stream, peer, h2 });
    }
    let mut h2 = false;
    if shared.server.h2c {
        (socket, h2) = tokio::time::timeout(time, sniff(socket)).await.ok()??;
    }
    let stream = Stream::Plain(Box::new(socket));
    Some(Opened { stream, peer, h2 })
}

/// Reads the PROXY header of a trusted proxy. From anybody else none is expected: if one comes, it
/// is no HTTP and refused as such.
async fn proxied(gate: &Gate, peer: IpAddr, mut socket: Socket) -> Option<(Socket, IpAddr)> {
    if !gate.trust.proxies.contains(peer) {
        return Some((socket, peer));
    }
    let mut buffer = BytesMut::with_capacity(256);
    loop {
        if buffer.len() > MAX_HEADER || socket.read_buf(&mut buffer).await.ok()? == 0 {
            return None;
        }
        match parse(&buffer) {
            Ok(Parsed::Incomplete) => {}
            Ok(Parsed::Complete { length, source }) => {
                let rest = buffer.split_off(length).freeze();
                // With another source configured the header is read and not believed.
                let address = match (&gate.trust.source, source) {
                    (ClientSource::ProxyProtocol, Some(source)) => source.ip().to_canonical(),
                    _ => peer,
                };
                return Some((socket.with_prefix(rest), address));
            }
            Err(_) => return None,
        }
    }
}

/// Tells HTTP/2 by prior knowledge from HTTP/1 by the first bytes.
async fn sniff(mut socket: Socket) -> Option<(Socket, bool)> {
    let mut buffer = BytesMut::with_capacity(PREFACE.len());
    loop {
        if socket.read_buf(&mut buffer).await.ok()? == 0 {
            return None;
        }
        let read: Bytes = buffer.clone().freeze();
        if read.starts_with(PREFACE) {
            return Some((socket.with_prefix(read), true));
        }
        if !PREFACE.starts_with(&read) {
            return Some((socket.with_prefix(read), false));
        }
    }
}

//! One connection: PROXY header, TLS, HTTP, each with its own time-out.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use super::{LINGER, Phase, Shared, certificate, http1, http2};
use crate::address::ClientSource;
use crate::address::proxy_protocol::{MAX_HEADER, Parsed, parse};
use crate::config::Limits;
use crate::proxy::{Gate, Peer, ResponseBody, respond};
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
pub(super) async fn serve(connection: Connection, socket: Socket) {
    let shared = connection.shared.clone();
    let gate = shared.gate.load_full();
    let time = gate.limits.header_timeout;
    let (socket, address) = if shared.server.proxy_protocol {
        match tokio::time::timeout(time, proxied(&gate, connection.peer, socket)).await {
            Ok(Some(found)) => found,
            Ok(None) | Err(_) => return,
        }
    } else {
        (socket, connection.peer)
    };
    let tls = shared.tls.load_full();
    let peer = Peer {
        address,
        secure: tls.is_some(),
        certificate: None,
        draining: false,
    };
    let Some(tls) = tls else {
        let (socket, h2) = if shared.server.h2c {
            match tokio::time::timeout(time, sniff(socket)).await {
                Ok(Some(found)) => found,
                Ok(None) | Err(_) => return,
            }
        } else {
            (socket, false)
        };
        return speak(connection, peer, socket, h2).await;
    };
    let Ok(Ok(stream)) = tokio::time::timeout(time, TlsAcceptor::from(tls).accept(socket)).await
    else {
        return;
    };
    let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let certificate = certificate::of(stream.get_ref().1);
    let peer = Peer {
        certificate,
        ..peer
    };
    speak(connection, peer, stream, h2).await;
}

async fn speak<S>(connection: Connection, peer: Peer, stream: S, h2: bool)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Connection { shared, pool, .. } = connection;
    let http1 = shared.server.http1;
    let session = Session { shared, pool, peer };
    if h2 {
        http2::serve(&session, stream).await;
    } else if http1 {
        http1::serve(&session, stream).await;
    }
}

/// A connection whose requests can be answered.
pub(super) struct Session {
    shared: Arc<Shared>,
    pool: Pool,
    peer: Peer,
}

impl Session {
    /// Answers a request by the newest configuration; one that has begun keeps its own.
    /// `deliver` makes of the answer what the connection wants.
    pub(super) fn respond<T: 'static, D>(
        &self,
        request: Request<Incoming>,
        deliver: D,
    ) -> impl Future<Output = T> + Send + use<T, D>
    where
        D: FnOnce(Response<ResponseBody>) -> T + Send + 'static,
    {
        let draining = self.shared.draining();
        let peer = Peer {
            draining,
            ..self.peer.clone()
        };
        respond(
            self.shared.gate.load_full(),
            self.pool.clone(),
            peer,
            request,
            deliver,
        )
    }

    /// The limits in force.
    pub(super) fn limits(&self) -> Limits {
        self.shared.gate.load().limits.clone()
    }

    /// Ends a moment after the process was told to stop: what is on its way till then is served.
    pub(super) async fn draining(&self) {
        let mut phase = self.shared.phase.subscribe();
        // The sender lives as long as the process.
        drop(phase.wait_for(|phase| *phase == Phase::Draining).await);
        tokio::time::sleep(LINGER).await;
    }
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

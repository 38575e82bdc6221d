//! New connections to the app.

use std::io;
use std::time::Instant;

use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::link::Link;
use super::{Settings, Target};
use crate::rejection::Rejection;
use crate::socket::Socket;

/// Opens a connection, within the time for it, and before `deadline`.
pub(super) async fn open(settings: &Settings, deadline: Instant) -> Result<Link, Rejection> {
    let limit = deadline.min(Instant::now() + settings.connect_timeout);
    let opened = tokio::time::timeout_at(limit.into(), connect(settings)).await;
    match opened {
        Ok(Ok(link)) => Ok(link),
        Ok(Err(_)) | Err(_) => Err(Rejection::UpstreamUnreachable),
    }
}

async fn connect(settings: &Settings) -> io::Result<Link> {
    let now = Instant::now();
    let (host, port, tls) = match &settings.target {
        Target::Echo => return Err(io::ErrorKind::Unsupported.into()),
        Target::Unix(path) => {
            let socket = Socket::from(UnixStream::connect(path).await?);
            return Ok(Link::new(socket.with_stall(settings.timeout), now));
        }
        Target::Tcp { host, port, tls } => (host, *port, tls),
    };
    let stream = TcpStream::connect((&**host, port)).await?;
    stream.set_nodelay(true)?;
    let socket = Socket::from(stream).with_stall(settings.timeout);
    Ok(match tls {
        None => Link::new(socket, now),
        Some((config, name)) => {
            let connector = TlsConnector::from(config.clone());
            Link::new(connector.connect(name.clone(), socket).await?, now)
        }
    })
}

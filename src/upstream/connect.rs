//! New connections to the app.

use std::io;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::{Outgoing, Settings, Target};
use crate::rejection::Rejection;
use crate::socket::Socket;

/// The largest head of an answer; a body is read in pieces of this size at most.
const LARGEST_HEAD: usize = 64 * 1024;

/// Opens a connection, within the time for it.
pub(super) async fn open(settings: &Settings) -> Result<SendRequest<Outgoing>, Rejection> {
    let opened = tokio::time::timeout(settings.connect_timeout, connect(settings)).await;
    match opened {
        Ok(Ok(sender)) => Ok(sender),
        Ok(Err(_)) | Err(_) => Err(Rejection::UpstreamUnreachable),
    }
}

async fn connect(settings: &Settings) -> io::Result<SendRequest<Outgoing>> {
    let (host, port, tls) = match &settings.target {
        Target::Echo => return Err(io::ErrorKind::Unsupported.into()),
        Target::Unix(path) => {
            let socket = Socket::from(UnixStream::connect(path).await?);
            return speak(socket.with_stall(settings.timeout)).await;
        }
        Target::Tcp { host, port, tls } => (host, *port, tls),
    };
    let stream = TcpStream::connect((&**host, port)).await?;
    stream.set_nodelay(true)?;
    let socket = Socket::from(stream).with_stall(settings.timeout);
    match tls {
        None => speak(socket).await,
        Some((config, name)) => {
            speak(
                TlsConnector::from(config.clone())
                    .connect(name.clone(), socket)
                    .await?,
            )
            .await
        }
    }
}

async fn speak<S>(stream: S) -> io::Result<SendRequest<Outgoing>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(LARGEST_HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    // Ends by itself when the sender is dropped or the app hangs up; its error is the request's.
    drop(tokio::spawn(connection.with_upgrades()));
    Ok(sender)
}

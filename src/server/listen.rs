//! Listening sockets.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use socket2::{Domain, Protocol, Type};

use crate::config::Listen;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// A listening socket, not yet part of a runtime.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

impl Listener {
    /// Opens `count` listeners on one address: with TCP each has its own queue.
    ///
    /// # Errors
    ///
    /// When the address is in use, even by a process of ours: two would share the requests.
    pub(super) fn open(listen: &Listen, count: usize) -> io::Result<(Vec<Self>, Listen)> {
        match listen {
            Listen::Tcp(address) => {
                if address.port() != 0 {
                    drop(bind(*address, false)?);
                }
                let first = bind(*address, true)?;
                let bound = first.local_addr()?;
                let mut all = vec![Self::Tcp(first)];
                for _ in 1..count {
                    all.push(Self::Tcp(bind(bound, true)?));
                }
                Ok((all, Listen::Tcp(bound)))
            }
            Listen::Unix(path) => {
                remove_stale(path)?;
                let first = std::os::unix::net::UnixListener::bind(path)?;
                first.set_nonblocking(true)?;
                let mut all = Vec::with_capacity(count);
                for _ in 1..count {
                    all.push(Self::Unix(first.try_clone()?));
                }
                all.push(Self::Unix(first));
                Ok((all, listen.clone()))
            }
        }
    }
}

fn bind(address: SocketAddr, shared: bool) -> io::Result<std::net::TcpListener> {
    let socket = socket2::Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Removes a socket file that nobody listens on, as a killed process leaves it.
fn remove_stale(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt as _;
    let Ok(metadata) = std::fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !metadata.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "a file that is no socket is in the way",
        ));
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    std::fs::remove_file(path)
}

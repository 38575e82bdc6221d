//! One core: a listener, its connections, its pool to the app.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::mpsc;

use super::connection::{self, Connection};
use super::listen::Listener;
use super::{LINGER, Phase, Shared};
use crate::socket::Socket;
use crate::telemetry::{Level, name};
use crate::upstream::Pool;

/// A handshake that was under way when new ones were refused has ended after twice this time.
const HANDSHAKE: Duration = Duration::from_millis(25);
/// After a failed accept (no descriptors left, mostly) the listener rests so long.
const REST: Duration = Duration::from_millis(50);

/// Serves until the process drains and every connection has ended.
pub(super) async fn serve(shared: Arc<Shared>, listener: Listener) -> io::Result<()> {
    let listener = Accepting::try_from(listener)?;
    let pool = Pool::default();
    // Closed when the last connection drops its sender: that is the end of the drain.
    let (alive, mut ended) = mpsc::channel::<()>(1);
    let mut phase = shared.phase.subscribe();
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let mut closing = pin!(async move {
        // The sender lives as long as the process.
        drop(phase.wait_for(|phase| *phase == Phase::Draining).await);
        tokio::time::sleep(LINGER).await;
    });
    loop {
        tokio::select! {
            // Accepting comes first: nobody who is waiting already is left behind.
            biased;
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => accept(&shared, &pool, &alive, socket, peer),
                Err(error) => {
                    shared.telemetry.log.write(Level::Error, "accept failed", |line| {
                        line.field(name!("error"), &error.kind().to_string());
                    });
                    tokio::time::sleep(REST).await;
                }
            },
            () = &mut closing => break,
            _ = tick.tick() => pool.expire(shared.gate.load().upstream.pool_idle),
        }
    }
    // Whoever has connected by now may have sent its request; nobody else can connect in between.
    listener.refuse_new();
    for _ in 0..2 {
        while let Some((socket, peer)) = listener.waiting() {
            accept(&shared, &pool, &alive, socket, peer);
        }
        // Handshakes that were under way end within a round trip.
        tokio::time::sleep(HANDSHAKE).await;
    }
    while let Some((socket, peer)) = listener.waiting() {
        accept(&shared, &pool, &alive, socket, peer);
    }
    drop((listener, alive));
    // Nothing is ever sent: this waits for the last sender to go.
    let _ = ended.recv().await;
    Ok(())
}

fn accept(
    shared: &Arc<Shared>,
    pool: &Pool,
    alive: &mpsc::Sender<()>,
    socket: Socket,
    peer: IpAddr,
) {
    // Above the limit a connection is closed at once: an answer would cost what is short.
    let Some(place) = shared.connections.reserve(1) else {
        return;
    };
    let connection = Connection {
        shared: shared.clone(),
        pool: pool.clone(),
        peer: peer.to_canonical(),
    };
    let alive = alive.clone();
    drop(tokio::spawn(async move {
        connection::serve(connection, socket).await;
        drop((place, alive));
    }));
}

enum Accepting {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl TryFrom<Listener> for Accepting {
    type Error = io::Error;

    fn try_from(listener: Listener) -> io::Result<Self> {
        Ok(match listener {
            Listener::Tcp(listener) => Self::Tcp(TcpListener::from_std(listener)?),
            Listener::Unix(listener) => Self::Unix(UnixListener::from_std(listener)?),
        })
    }
}

impl Accepting {
    /// Drops every packet that asks for a new connection: closing a listener resets those that
    /// connected after the last look, and they may have sent a request. Who asks now asks again in
    /// a second, and is refused. Handshakes under way still end, and what is accepted from here on
    /// inherits the filter, so it must let everything else pass.
    fn refuse_new(&self) {
        #[cfg(target_os = "linux")]
        if let Self::Tcp(listener) = self {
            let only_syn = [
                // The flags of the TCP header (RFC 9293 §3.1): SYN without ACK is dropped.
                socket2::SockFilter::new(0x30, 0, 0, 13),
                socket2::SockFilter::new(0x54, 0, 0, 0x12),
                socket2::SockFilter::new(0x15, 1, 0, 0x02),
                socket2::SockFilter::new(0x06, 0, 0, u32::MAX),
                socket2::SockFilter::new(0x06, 0, 0, 0),
            ];
            // Where that is not allowed, the moment until the listener is closed stays.
            drop(socket2::SockRef::from(listener).attach_filter(&only_syn));
        }
    }

    /// One that has connected already. Asks the system: of what came since the runtime last asked,
    /// [`Self::accept`] does not know yet, and it would be reset.
    fn waiting(&self) -> Option<(Socket, IpAddr)> {
        let accepted = match self {
            Self::Tcp(listener) => socket2::SockRef::from(listener).accept(),
            Self::Unix(listener) => socket2::SockRef::from(listener).accept(),
        };
        let (socket, address) = accepted.ok()?;
        socket.set_nonblocking(true).ok()?;
        Some(match self {
            Self::Tcp(_) => {
                socket.set_tcp_nodelay(true).ok()?;
                let peer = address.as_socket()?.ip();
                (TcpStream::from_std(socket.into()).ok()?.into(), peer)
            }
            Self::Unix(_) => (
                UnixStream::from_std(socket.into()).ok()?.into(),
                Ipv4Addr::LOCALHOST.into(),
            ),
        })
    }

    async fn accept(&self) -> io::Result<(Socket, IpAddr)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((stream.into(), peer.ip()))
            }
            // Whoever can reach the socket file is on this host.
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((stream.into(), Ipv4Addr::LOCALHOST.into()))
            }
        }
    }
}

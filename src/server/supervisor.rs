//! Start, signals, reload, drain.

use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use super::health::{self, Desk};
use super::listen::Listener;
use super::reload::{Origin, Watch, reload};
use super::{Reloaded, Shared, notify, worker};
use crate::budget::Budget;
use crate::config::{Config, Listen};
use crate::socket::Socket;
use crate::telemetry::{Level, Log, Telemetry, name};

/// Lines of requests wait so long at most before they are written.
const FLUSH: Duration = Duration::from_millis(100);

/// A core asks for so many ready sockets at a time. What is read from few of them is still in the
/// processor's cache when it is sent; those that are left out come first the next time.
const AT_ONCE: usize = 8;

/// So many connections each of the listeners beside the main one takes.
const PLACES: usize = 128;

/// How long a column of the small picture of a route is.
const SAMPLE: Duration = Duration::from_secs(10);

/// How whoever runs it in the same process sees and stops it.
#[derive(Debug, Default)]
pub struct Control {
    /// Another log than standard error.
    pub log: Option<Log>,
    /// Told the address of the main listener once it accepts.
    pub listening: Option<std::sync::mpsc::Sender<Listen>>,
    /// Stops when this is sent or dropped.
    pub stop: Option<oneshot::Receiver<()>>,
}

/// Serves until it is told to stop and everything accepted is finished, or `drain` is over.
///
/// # Errors
///
/// When an address cannot be listened on.
pub fn run(
    config: Config,
    watched: Vec<std::path::PathBuf>,
    origin: &Origin,
    control: Control,
) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // Before anybody can connect: a signal that comes earlier kills. And before there are workers: a
    // signal that one of their runtimes notices before somebody listens to it is lost.
    let signals = {
        let _entered = runtime.enter();
        Signals::new()?
    };
    let log = control
        .log
        .unwrap_or_else(|| Log::new(config.log.format, config.log.level));
    let telemetry = Arc::new(Telemetry::new(log));
    // As early as can be: what changes later is a change.
    let watch = Watch::new(watched);
    let (desks, polling) = (
        [
            (Desk::Health, config.health.clone()),
            (Desk::Admin, config.admin.clone()),
        ],
        config.reload,
    );
    let (reloads, asked) = mpsc::channel(1);
    let shared = Arc::new(Shared::new(config, telemetry.clone(), reloads));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let listen = shared.server.listen.clone();
    let (listeners, bound) =
        Listener::open(&listen, cores).map_err(|error| naming(&listen, &error))?;
    let mut side = Vec::new();
    for (desk, listen) in desks {
        let Some(listen) = listen else { continue };
        let (opened, bound) =
            Listener::open(&listen, 1).map_err(|error| naming(&listen, &error))?;
        side.extend(
            opened
                .into_iter()
                .map(|listener| (desk, listener, bound.clone())),
        );
    }
    let workers = listeners
        .into_iter()
        .map(|listener| spawn(shared.clone(), listener))
        .collect::<io::Result<Vec<_>>>()?;
    telemetry.log.write(Level::Info, "listening", |line| {
        line.field(name!("listen"), &bound.to_string());
        for (desk, _, bound) in &side {
            let name = match desk {
                Desk::Admin => name!("admin"),
                Desk::Health => name!("health"),
            };
            line.field(name, &bound.to_string());
        }
        let gate = shared.gate.load();
        line.field(name!("upstream"), &gate.upstream.url);
        line.number(name!("routes"), gate.routes.all().len());
        line.number(name!("cores"), cores);
    });
    shared.warn_of_open_routes();
    let outcome = runtime.block_on(async {
        for (desk, listener, _) in side {
            serve_desk(&shared, desk, listener)?;
        }
        if let Some(listening) = control.listening {
            // Whoever asked may be gone.
            drop(listening.send(bound));
        }
        notify::ready(&telemetry.log);
        supervise(
            &shared,
            origin,
            watch,
            polling,
            (control.stop, asked),
            signals,
            workers,
        )
        .await;
        Ok(())
    });
    telemetry.sums.write(&telemetry.log);
    telemetry.log.flush();
    outcome
}

fn naming(listen: &Listen, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot listen on {listen}: {error}"))
}

fn spawn(shared: Arc<Shared>, listener: Listener) -> io::Result<JoinHandle<io::Result<()>>> {
    std::thread::Builder::new()
        .name("worker".into())
        .spawn(move || {
            let runtime = runtime::Builder::new_current_thread()
                .enable_all()
                .max_io_events_per_tick(AT_ONCE)
                .build()?;
            runtime.block_on(worker::serve(shared, listener))
        })
}

fn serve_desk(shared: &Arc<Shared>, desk: Desk, listener: Listener) -> io::Result<()> {
    let listener = match listener {
        Listener::Tcp(listener) => Accept::Tcp(tokio::net::TcpListener::from_std(listener)?),
        Listener::Unix(listener) => Accept::Unix(tokio::net::UnixListener::from_std(listener)?),
    };
    let shared = shared.clone();
    let places = Budget::new(PLACES);
    drop(tokio::spawn(async move {
        loop {
            let accepted: io::Result<(Socket, Option<IpAddr>)> = match &listener {
                Accept::Tcp(listener) => {
                    let accepted = listener.accept().await;
                    accepted.map(|(stream, peer)| (stream.into(), Some(peer.ip())))
                }
                Accept::Unix(listener) => {
                    let accepted = listener.accept().await;
                    accepted.map(|(stream, _)| (stream.into(), None))
                }
            };
            match accepted {
                Ok((stream, peer)) => {
                    // Above the limit a connection is closed at once.
                    let Some(place) = places.reserve(1) else {
                        continue;
                    };
                    let shared = shared.clone();
                    drop(tokio::spawn(async move {
                        health::serve(shared, desk, peer, stream).await;
                        drop(place);
                    }));
                }
                Err(_) => tokio::time::sleep(FLUSH).await,
            }
        }
    }));
    Ok(())
}

enum Accept {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

/// The signals that mean something here.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

async fn supervise(
    shared: &Arc<Shared>,
    origin: &Origin,
    mut watch: Watch,
    polling: crate::config::Reload,
    (mut stop, mut reloads): (
        Option<oneshot::Receiver<()>>,
        mpsc::Receiver<oneshot::Sender<Reloaded>>,
    ),
    mut signals: Signals,
    workers: Vec<JoinHandle<io::Result<()>>>,
) {
    let mut flush = tokio::time::interval(FLUSH);
    let mut poll = tokio::time::interval(polling.poll);
    let mut sample = tokio::time::interval(SAMPLE);
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
            () = asked(&mut stop) => break,
            _ = signals.hangup.recv() => drop(reload(shared, origin, &mut watch)),
            Some(asker) = reloads.recv() => {
                // Who has gone does not wait for it.
                drop(asker.send(reload(shared, origin, &mut watch)));
            }
            _ = sample.tick() => {
                shared.sample();
                shared.telemetry.sums.write(&shared.telemetry.log);
            }
            _ = poll.tick(), if polling.watch => {
                if watch.changed() {
                    drop(reload(shared, origin, &mut watch));
                }
            }
            _ = flush.tick() => shared.telemetry.log.flush(),
        }
    }
    drain(shared, workers, &mut signals, flush).await;
}

async fn asked(stop: &mut Option<oneshot::Receiver<()>>) {
    match stop {
        // Sent or dropped: both mean stop.
        Some(receiver) => drop(receiver.await),
        None => std::future::pending().await,
    }
}

/// Readiness fails at once, nothing new is accepted, what was accepted is finished. A second signal
/// ends it now.
async fn drain(
    shared: &Arc<Shared>,
    workers: Vec<JoinHandle<io::Result<()>>>,
    signals: &mut Signals,
    mut flush: tokio::time::Interval,
) {
    let log = &shared.telemetry.log;
    log.write(Level::Info, "draining", |line| {
        line.number(name!("connections"), shared.connections.used());
    });
    notify::stopping(log);
    shared.drain();
    let mut finished = pin!(joined(workers));
    let mut limit = pin!(tokio::time::sleep(shared.server.drain));
    loop {
        tokio::select! {
            () = &mut finished => {
                log.write(Level::Info, "stopped", |_| {});
                return;
            }
            () = &mut limit => {
                log.write(Level::Warn, "stopped before every request was finished", |line| {
                    line.number(name!("connections"), shared.connections.used());
                });
                return;
            }
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
            _ = flush.tick() => log.flush(),
        }
    }
    log.write(Level::Warn, "stopped by a second signal", |_| {});
}

/// Ends when every worker has. On a thread of its own and not `spawn_blocking`: a runtime waits
/// for its blocking tasks when it is dropped, which would hold a stopped process as long as the
/// slowest request.
async fn joined(workers: Vec<JoinHandle<io::Result<()>>>) {
    let (done, finished) = oneshot::channel::<()>();
    let spawned = std::thread::Builder::new()
        .name("joiner".into())
        .spawn(move || {
            for worker in workers {
                // A worker that panicked has no connection left to finish.
                drop(worker.join());
            }
            drop(done);
        });
    if spawned.is_err() {
        // No thread to wait with: the limit ends it.
        std::future::pending::<()>().await;
    }
    // Nothing is sent: it ends with the thread.
    drop(finished.await);
}

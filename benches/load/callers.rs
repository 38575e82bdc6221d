use std::cell::RefCell;
use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::LocalSet;

use crate::message::{self, Times};
use crate::number;

/// Before anything is measured.
const WARM: Duration = Duration::from_millis(400);

/// Who calls what, how long, and whose processor time counts.
pub struct Plan {
    port: u16,
    request: Vec<u8>,
    connections: usize,
    seconds: f64,
    pids: Vec<u32>,
}

impl Plan {
    pub fn new(port: &str, file: &str, connections: &str, seconds: &str, pids: &[&str]) -> Self {
        Self {
            port: number(port),
            request: std::fs::read(file).expect("the request"),
            connections: number(connections),
            seconds: number(seconds),
            pids: pids.iter().map(|pid| number(pid)).collect(),
        }
    }

    /// Processor seconds that the processes have used, in all their threads.
    fn processor(&self) -> f64 {
        let of = |pid: &u32| {
            let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))
                .into_iter()
                .flatten();
            tasks
                .flatten()
                .filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok())
                .filter_map(|text| text.split_whitespace().next()?.parse::<f64>().ok())
                .sum::<f64>()
        };
        self.pids.iter().map(of).sum::<f64>() / 1e9
    }
}

/// Every connection sends its next request when it has its answer.
pub async fn closed(plan: Plan) {
    let plan = Rc::new(plan);
    let begin = Instant::now() + WARM;
    let end = begin + Duration::from_secs_f64(plan.seconds);
    let times = Rc::new(RefCell::new(Times::default()));
    let local = LocalSet::new();
    for _ in 0..plan.connections {
        let (plan, times) = (plan.clone(), times.clone());
        drop(local.spawn_local(async move {
            let mut stream = connect(plan.port).await;
            let mut buffer = Vec::with_capacity(16 * 1024);
            while Instant::now() < end {
                let sent = Instant::now();
                match exchange(&mut stream, &plan.request, &mut buffer).await {
                    Some(status) if sent >= begin => {
                        times.borrow_mut().add(sent.elapsed(), status);
                    }
                    Some(_) => {}
                    None => stream = connect(plan.port).await,
                }
            }
        }));
    }
    let before = local
        .run_until(async {
            tokio::time::sleep_until(begin.into()).await;
            plan.processor()
        })
        .await;
    local.run_until(tokio::time::sleep_until(end.into())).await;
    let used = plan.processor() - before;
    let times = std::mem::take(&mut *times.borrow_mut());
    times.print(plan.seconds, used);
}

async fn connect(port: u16) -> tokio::net::TcpStream {
    let stream = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .expect("the proxy listens");
    stream.set_nodelay(true).expect("no delay");
    stream
}

/// The status; `None` when the connection has ended.
async fn exchange(
    stream: &mut tokio::net::TcpStream,
    request: &[u8],
    buffer: &mut Vec<u8>,
) -> Option<u16> {
    stream.write_all(request).await.ok()?;
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
        if let Some((_, status)) = message::first(buffer) {
            return Some(status);
        }
    }
}

/// `rate` requests a second, whatever the answers take; the time runs from the moment when a
/// request was due, so that a slow proxy cannot hide behind the wait for it.
pub fn paced(plan: &Plan, rate: f64) {
    let start = Instant::now();
    let begin = start + WARM;
    let connections = u32::try_from(plan.connections).unwrap_or(u32::MAX);
    let step = Duration::from_secs_f64(f64::from(connections) / rate);
    let end = begin + Duration::from_secs_f64(plan.seconds);
    let mut all = Times::default();
    let mut before = 0.0;
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..connections)
            .map(|place| {
                let first = start + step * place / connections;
                scope.spawn(move || {
                    let mut times = Times::default();
                    let mut stream = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, plan.port))
                        .expect("the proxy listens");
                    stream.set_nodelay(true).expect("no delay");
                    let mut due = first;
                    while due < end {
                        std::thread::sleep(due.saturating_duration_since(Instant::now()));
                        let status = exchange_blocking(&mut stream, &plan.request);
                        if due >= begin {
                            times.add(due.elapsed(), status);
                        }
                        due += step;
                    }
                    times
                })
            })
            .collect();
        std::thread::sleep(begin.saturating_duration_since(Instant::now()));
        before = plan.processor();
        for caller in callers {
            all.join(caller.join().expect("a caller"));
        }
    });
    all.print(plan.seconds, plan.processor() - before);
}

fn exchange_blocking(stream: &mut std::net::TcpStream, request: &[u8]) -> u16 {
    stream.write_all(request).expect("it reads");
    let mut buffer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let read = stream.read(&mut piece).expect("it answers");
        assert!(read > 0, "it hung up");
        buffer.extend_from_slice(piece.get(..read).unwrap_or_default());
        if let Some((_, status)) = message::first(&buffer) {
            return status;
        }
    }
}

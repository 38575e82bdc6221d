//! SIGTERM: whatever was sent is answered, then the process ends.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::app::{App, slow};
use super::{alone, attempt, good, setup, until};
use crate::harness::{Answer, Client, Gatepost, Upstream};

/// What one client met until it was refused.
#[derive(Default)]
struct Met {
    answered: usize,
    lost: Vec<String>,
    last: Option<Instant>,
}

/// Sends one request after the other, on one connection as long as it may.
fn keep_sending(address: SocketAddr) -> Met {
    let mut met = Met::default();
    let bytes = good("x").to_bytes();
    // Refused: it is over.
    while let Ok(stream) = std::net::TcpStream::connect(address) {
        stream
            .set_read_timeout(Some(crate::harness::DEADLINE))
            .unwrap();
        stream.set_nodelay(true).unwrap();
        let mut client = Client::over(stream);
        for nth in 0.. {
            let Some(response) = client.send(&bytes).answer() else {
                met.lost.push(format!("request {nth} of a connection"));
                break;
            };
            met.last = Some(Instant::now());
            if response.status != 200 || !response.complete {
                met.lost.push(format!("{response:?}"));
            }
            met.answered += 1;
            if response.header("connection") == Some("close") {
                assert!(client.hangs_up(), "it said it would");
                break;
            }
        }
    }
    met
}

/// Tells it to stop; returns once it says that it is not ready any more.
fn terminate(gate: &Gatepost) -> Duration {
    gate.signal("-TERM");
    until("not ready", || gate.health("/readyz").status == 503)
}

#[test]
fn nothing_that_was_sent_is_lost() {
    let _alone = alone();
    let app = slow(Duration::from_millis(3));
    let (mut answered, mut lost) = (0, Vec::new());
    let (mut slowest_exit, mut slowest_readiness) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..10 {
        let mut gate = setup(&app, "").start();
        let address = gate.address;
        let clients: Vec<_> = (0..16)
            .map(|_| thread::spawn(move || keep_sending(address)))
            .collect();
        thread::sleep(Duration::from_millis(100));
        slowest_readiness = slowest_readiness.max(terminate(&gate));
        let status = gate.exited().expect("it ends");
        let ended = Instant::now();
        let met: Vec<Met> = clients.into_iter().map(|c| c.join().unwrap()).collect();
        let last = met.iter().filter_map(|met| met.last).max().unwrap();
        slowest_exit = slowest_exit.max(ended.saturating_duration_since(last));
        assert!(status.success(), "{status}");
        for met in met {
            assert!(met.answered > 0);
            answered += met.answered;
            lost.extend(met.lost);
        }
    }
    eprintln!(
        "drain: 10 x 16 clients, {answered} answered, {} lost; not ready after {slowest_readiness:?}, \
         ended {slowest_exit:?} after the last answer at the latest",
        lost.len()
    );
    assert!(lost.is_empty(), "{lost:#?}");
    assert!(slowest_exit < Duration::from_secs(1), "{slowest_exit:?}");
    assert!(
        slowest_readiness < Duration::from_millis(200),
        "{slowest_readiness:?}"
    );
}

#[test]
fn a_stopping_process_finishes_what_it_has_and_takes_what_is_on_its_way() {
    let _alone = alone();
    let app = slow(Duration::from_millis(600));
    let mut gate = setup(&app, "").start();
    let mut held: Vec<_> = (0..4).map(|_| gate.connect()).collect();
    for client in &mut held {
        client.send(&good("held").to_bytes());
    }
    app.received(4);
    // One that has been answered before, and one that has only connected.
    let mut silent = gate.connect();
    terminate(&gate);
    let mut late = gate.connect();
    for client in [&mut silent, &mut late] {
        client.send(&good("late").to_bytes());
    }
    for client in held.iter_mut().chain([&mut silent, &mut late]) {
        let response = client.answer().expect("an answer");
        assert_eq!(response.status, 200);
        assert_eq!(response.header("connection"), Some("close"));
        assert!(client.hangs_up());
    }
    let last = Instant::now();
    assert!(gate.exited().expect("it ends").success());
    assert!(
        last.elapsed() < Duration::from_secs(1),
        "{:?}",
        last.elapsed()
    );
    assert_eq!(app.requests().len(), 6);
}

#[test]
fn while_it_stops_health_answers_and_new_connections_end() {
    let app = Upstream::answering(|_| Answer::Hang);
    let mut gate = setup(&app, "").start();
    let mut held = gate.connect();
    held.send(&good("held").to_bytes());
    app.received(1);
    let mut idle = gate.connect();
    let started = Instant::now();
    terminate(&gate);
    // The time for late ones is over before `drain` is. One look only: who asks in the moment in
    // which the listeners close has to ask again, a second later.
    thread::sleep(Duration::from_millis(500));
    assert!(attempt(gate.address, b"").is_none());
    assert_eq!(gate.health("/readyz").status, 503);
    assert_eq!(
        gate.health("/livez").status,
        200,
        "nobody kills it meanwhile"
    );
    let status = gate.exited().expect("it ends at the limit");
    let took = started.elapsed();
    assert!(status.success(), "{status}");
    assert!(took >= Duration::from_millis(950), "held: {took:?}");
    assert!(took < Duration::from_millis(1900), "{took:?}");
    assert!(
        gate.log
            .text()
            .contains("before every request was finished")
    );
    assert!(held.answer().is_none());
    assert_eq!(idle.stream.read(&mut [0; 1]).unwrap_or(0), 0);
}

/// Whoever can connect is answered, however far the start is.
#[test]
fn a_stop_amid_the_start_is_a_stop() {
    let app = Upstream::recording();
    for _ in 0..20 {
        let setup = setup(&app, "");
        let path = setup.folder.path().join("in.sock");
        let setup = setup.listen(&format!("unix:{}", path.display()));
        let mut gate = setup
            .command(&["run"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // A process that only has to be told, as to start one takes longer than the start.
        let mut stop = Command::new("sh")
            .args(["-c", "read _; kill -TERM $0", &gate.id().to_string()])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let started = Instant::now();
        let stream = loop {
            if let Ok(stream) = UnixStream::connect(&path) {
                break stream;
            }
            assert!(started.elapsed() < crate::harness::DEADLINE);
        };
        let mut client = Client::over(stream);
        client.send(&good("early").to_bytes());
        stop.stdin.take().unwrap().write_all(b"\n").unwrap();
        stop.wait().unwrap();
        let response = client.answer();
        let status = loop {
            if let Some(status) = gate.try_wait().unwrap() {
                break status;
            }
            if started.elapsed() > crate::harness::DEADLINE {
                gate.kill().unwrap();
            }
        };
        assert!(status.success(), "{status}");
        assert_eq!(response.expect("an answer").status, 200);
    }
}

#[test]
fn a_second_signal_ends_it_now() {
    for second in ["-TERM", "-INT"] {
        let app = Upstream::answering(|_| Answer::Hang);
        let mut gate = setup(&app, "").start();
        let mut held = gate.connect();
        held.send(&good("held").to_bytes());
        app.received(1);
        terminate(&gate);
        let started = Instant::now();
        gate.signal(second);
        assert!(gate.exited().is_some());
        assert!(
            started.elapsed() < Duration::from_millis(400),
            "{:?}",
            started.elapsed()
        );
        assert!(gate.log.text().contains("second signal"));
    }
}

#[test]
fn late_requests_for_an_app_that_has_stopped_are_to_be_sent_again() {
    let mut app = App::start();
    let gate = setup(&app.upstream(), "").start();
    let mut used = gate.connect();
    assert_eq!(
        used.send(&good("1").to_bytes()).answer().unwrap().status,
        200
    );
    app.kill();
    assert_eq!(gate.send(&good("2")).status, 502, "it does not stop yet");
    terminate(&gate);
    let mut fresh = gate.connect();
    for client in [&mut fresh, &mut used] {
        let response = client
            .send(&good("3").to_bytes())
            .answer()
            .expect("an answer");
        assert_eq!(response.status, 503);
        assert!(response.header("retry-after").is_some());
        assert_eq!(response.header("connection"), Some("close"));
        gate.expect_problem("late", &response, "draining");
    }
}

/// A request whose first bytes came in time is on its way.
#[test]
fn a_request_that_is_being_sent_is_finished() {
    let app = Upstream::recording();
    let gate = setup(&app, "").start();
    let bytes = good("0123456789").to_bytes();
    let senders: Vec<_> = [20, bytes.len() - 5]
        .into_iter()
        .map(|cut| {
            let mut client = gate.connect();
            client.send(&bytes[..cut]);
            let rest = bytes[cut..].to_vec();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(150));
                let response = client.send(&rest).answer().expect("an answer");
                assert_eq!(response.status, 200);
            })
        })
        .collect();
    thread::sleep(Duration::from_millis(50));
    terminate(&gate);
    for sender in senders {
        sender.join().unwrap();
    }
}

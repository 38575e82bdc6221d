//! An app that dies and comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::app::App;
use super::{alone, good, setup, until};

#[test]
fn an_outage_is_told_at_once_and_over_at_once() {
    let _alone = alone();
    let mut app = App::start();
    let gate = setup(&app.upstream(), "").start();
    let over = Arc::new(AtomicBool::new(false));
    let next = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (over, next, mut client) = (over.clone(), next.clone(), gate.connect());
            thread::spawn(move || {
                let (mut slowest, mut answers) = (Duration::ZERO, Vec::new());
                while !over.load(Ordering::Relaxed) {
                    let body = format!("request {}", next.fetch_add(1, Ordering::Relaxed));
                    let started = Instant::now();
                    let answer = client
                        .send(&good(&body).to_bytes())
                        .answer()
                        .expect("an answer");
                    if answer.status != 200 {
                        slowest = slowest.max(started.elapsed());
                    }
                    answers.push((body, answer.status));
                    thread::sleep(Duration::from_millis(1));
                }
                (slowest, answers)
            })
        })
        .collect();
    let mut recovery = Duration::ZERO;
    let mut told = Duration::ZERO;
    for _ in 0..5 {
        thread::sleep(Duration::from_millis(100));
        app.kill();
        let started = Instant::now();
        assert_eq!(gate.send(&good("while it is down")).status, 502);
        told = told.max(started.elapsed());
        thread::sleep(Duration::from_millis(50));
        app.restart();
        recovery = recovery.max(until("it is back", || {
            gate.send(&good("probe")).status == 200
        }));
    }
    over.store(true, Ordering::Relaxed);
    let seen = app.seen.lock().unwrap().clone();
    let (mut slowest, mut failed, mut all) = (Duration::ZERO, 0, 0);
    for client in clients {
        let (took, answers) = client.join().unwrap();
        slowest = slowest.max(took);
        for (body, status) in answers {
            all += 1;
            let times = app
                .seen
                .lock()
                .unwrap()
                .get(body.as_bytes())
                .copied()
                .unwrap_or(0);
            match status {
                200 => assert_eq!(times, 1, "{body}"),
                502 => assert!(times <= 1, "{body} came {times} times"),
                other => panic!("{body}: {other}"),
            }
            failed += usize::from(status != 200);
        }
    }
    eprintln!(
        "outage: 5 times, {all} requests, {failed} were 502, the slowest after {slowest:?}, one alone \
         after {told:?}; 200 again {recovery:?} after it listens; {} bodies at the app, each once",
        seen.len()
    );
    assert!(slowest < Duration::from_millis(50), "{slowest:?}");
    assert!(told < Duration::from_millis(50), "{told:?}");
    assert!(recovery < Duration::from_millis(100), "{recovery:?}");
}

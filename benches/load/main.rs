//! What `benches/side_by_side` needs besides the proxies: an app that answers at once, callers that
//! wait for each answer or keep a pace, and a bare hyper proxy as the yardstick.
//!
//! ```text
//! load app PORT
//! load bare PORT APP_PORT SECRET
//! load closed PORT REQUEST_FILE CONNECTIONS SECONDS PID…
//! load paced PORT REQUEST_FILE CONNECTIONS SECONDS RATE PID…
//! ```
//!
//! The callers send the bytes of the file and print one JSON object: requests, how many were
//! answered 2xx, the processor time of the processes, and the times to the answer in microseconds.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a tool of the benchmark: it fails by panicking, and prints its result"
)]

/// The app.
mod app;
/// hyper, HMAC and a pool, and nothing else.
mod bare;
/// Callers.
mod callers;
/// Answers, and the time they took.
mod message;

fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["app", port] => on_one_core(app::serve(number(port))),
        ["bare", port, app, secret] => on_one_core(bare::serve(number(port), number(app), secret)),
        ["closed", port, file, connections, seconds, pids @ ..] => {
            let plan = callers::Plan::new(port, file, connections, seconds, pids);
            on_one_core(callers::closed(plan));
        }
        ["paced", port, file, connections, seconds, rate, pids @ ..] => {
            callers::paced(
                &callers::Plan::new(port, file, connections, seconds, pids),
                number(rate),
            );
        }
        // `cargo bench` runs every benchmark; alone this one measures nothing.
        [] => println!("run benches/side_by_side"),
        other => panic!("unknown: {other:?}"),
    }
}

fn number<T: std::str::FromStr>(word: &str) -> T {
    word.parse()
        .unwrap_or_else(|_| panic!("{word} is no number"))
}

fn on_one_core<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(work)
}

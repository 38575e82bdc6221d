//! Several processes that share one memory, and a store that fails in every way.

use std::time::{Duration, Instant};

use gatepost::duplicates::{Address, Place, RedisSettings, Settings, Standing, Store};
use gatepost::fingerprint::Fingerprinter;
use gatepost::secret::Secret;

use super::{event, moody, setup};
use crate::harness::upstream::reply;
use crate::harness::{Answer, DEADLINE, Gatepost, Redis, Setup, Upstream};

pub(super) fn with(app: &Upstream, url: &str, keys: &str, more: &str) -> Setup {
    setup(app, keys).env("REDIS_URL", url).toml(&format!(
        "[duplicates]\nstore = \"redis\"\nredis = {{ env = \"REDIS_URL\" }}\n{more}"
    ))
}

fn metric(gate: &Gatepost, name: &str) -> u64 {
    let text = gate.health("/metrics").text();
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.rsplit(' ').next());
    value
        .unwrap_or_else(|| panic!("{name} in {text}"))
        .parse()
        .unwrap()
}

/// Sends it until it is answered so.
pub(super) fn until(gate: &Gatepost, id: &str, status: u16) {
    let start = Instant::now();
    loop {
        let response = gate.send(&event(id));
        if response.status == status {
            return;
        }
        assert!(start.elapsed() < DEADLINE, "{response:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn replicas_share_what_the_app_has_taken() {
    let redis = Redis::start(&[]);
    let (app, mood) = moody();
    let start = || {
        with(
            &app,
            &redis.url(),
            "duplicates = \"reject\"",
            "remember = \"1h\"",
        )
        .start()
    };
    let (one, two) = (start(), start());
    one.passes("first", &event("1"));
    two.refuses("copy at the other", &event("1"), 409, "duplicate");
    one.refuses("copy at the same", &event("1"), 409, "duplicate");
    mood.tell(|| Answer::Keep(reply("500 Oh", "")));
    assert_eq!(one.send(&event("2")).status, 500);
    assert_eq!(redis.keys(), 1, "what failed is forgotten");
    mood.tell(|| Answer::Keep(reply("200 OK", "")));
    two.passes("after a failure", &event("2"));
    one.refuses("copy", &event("2"), 409, "duplicate");
    // Nothing stays for ever, and nothing tells an id.
    let key = redis.ask(&["RANDOMKEY"]);
    assert!(key.starts_with("gatepost:") && key.len() == 31, "{key}");
    let left = redis.ask(&["PTTL", &key]);
    let left: u64 = left.trim_start_matches(':').parse().unwrap();
    assert!((3_500_000..=3_600_000).contains(&left), "{left}");
    // It survives what a memory of one's own does not.
    drop(one);
    start().refuses("after a restart", &event("1"), 409, "duplicate");
    // Another app that shares the server.
    let other = with(
        &app,
        &redis.url(),
        "duplicates = \"reject\"",
        "prefix = \"other:\"",
    );
    other.start().passes("another app", &event("1"));
}

#[test]
fn a_process_that_dies_leaves_a_claim_that_expires() {
    let redis = Redis::start(&[]);
    let (app, mood) = moody();
    let setup =
        || with(&app, &redis.url(), "duplicates = \"reject\"", "").upstream("timeout = \"2s\"");
    let mut doomed = setup().start();
    mood.tell(|| Answer::Hang);
    let mut sender = doomed.connect();
    sender.send(&event("1").to_bytes());
    app.received(1);
    doomed.signal("-KILL");
    doomed.exited();
    mood.tell(|| Answer::Keep(reply("200 OK", "")));
    let key = redis.ask(&["RANDOMKEY"]);
    let left = redis.ask(&["PTTL", &key]);
    let left: u64 = left.trim_start_matches(':').parse().unwrap();
    assert!((8_000..=12_000).contains(&left), "{left}");
    let gate = setup().start();
    gate.refuses(
        "while it may still work",
        &event("1"),
        503,
        "event_in_flight",
    );
    assert_eq!(redis.ask(&["PEXPIRE", &key, "1"]), ":1");
    until(&gate, "1", 200);
    gate.refuses("copy", &event("1"), 409, "duplicate");
}

#[test]
fn without_the_store_events_wait_or_pass_and_it_comes_back_by_itself() {
    let mut redis = Redis::start(&[]);
    let app = Upstream::recording();
    let strict = with(&app, &redis.url(), "duplicates = \"reject\"", "").start();
    let open = with(
        &app,
        &redis.url(),
        "duplicates = \"reject\"",
        "on_store_error = \"forward\"",
    )
    .start();
    strict.passes("first", &event("1"));
    redis.kill();
    let response = strict.refuses("down", &event("2"), 503, "store_unavailable");
    assert_eq!(response.header("retry-after"), Some("5"));
    open.passes("down, and open", &event("2"));
    open.passes("down, and open", &event("2"));
    assert!(
        metric(
            &open,
            "gatepost_duplicates_store_errors_total{operation=\"claim\"}"
        ) >= 2
    );
    let told = strict
        .log
        .wait(|line| line["msg"] == "the store of events cannot be asked");
    assert!(told.is_some());
    redis.restart();
    until(&strict, "3", 200);
    let told = strict
        .log
        .wait(|line| line["msg"] == "the store of events answers again");
    assert!(told.is_some());
    until(&strict, "1", 409);
    // A connection that was closed while it was idle costs nothing, once every core is over the
    // failure before.
    std::thread::sleep(Duration::from_millis(400));
    redis.kill();
    redis.restart();
    strict.passes("a new connection at once", &event("4"));
}

#[test]
fn a_store_that_hangs_hangs_no_request() {
    let redis = Redis::start(&[]);
    let app = Upstream::recording();
    let gate = with(&app, &redis.url(), "duplicates = \"reject\"", "").start();
    gate.passes("first", &event("1"));
    redis.signal("-STOP");
    for id in ["2", "3", "4"] {
        let start = Instant::now();
        gate.refuses("hanging", &event(id), 503, "store_unavailable");
        assert!(
            start.elapsed() < Duration::from_secs(2),
            "{:?}",
            start.elapsed()
        );
    }
    // Many at once do not wait for each other.
    let start = Instant::now();
    std::thread::scope(|scope| {
        for id in 0..20 {
            let gate = gate.address;
            scope.spawn(move || {
                let bytes = event(&format!("many-{id}")).to_bytes();
                let answer = crate::harness::client::exchange(gate, &bytes);
                assert_eq!(answer.status, 503);
            });
        }
    });
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(app.requests().len(), 1);
    redis.signal("-CONT");
    for id in ["2", "3", "4"] {
        until(&gate, id, 200);
    }
    until(&gate, "1", 409);
}

/// Two round trips on loopback. Measured optimised and alone; here it only has to be sane.
#[test]
fn what_a_claim_and_its_settlement_cost() {
    const EVENTS: u32 = 2000;
    let redis = Redis::start(&["--appendonly", "no"]);
    let url = Secret::new(redis.url().into_bytes());
    let address = Address::parse(&redis.url()).unwrap();
    let minute = Duration::from_secs(60);
    let settings = RedisSettings::new(address, &url, None, "cost:", minute).unwrap();
    let settings = Settings {
        place: Place::Redis(Box::new(settings)),
        remember: minute,
        capacity: 1,
        forward_unasked: false,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut times: Vec<Duration> = runtime.block_on(async {
        let store = Store::new(&settings, Instant::now());
        let mut times = Vec::new();
        for number in 0..EVENTS {
            let event = Fingerprinter::new("cost")
                .with(&number.to_le_bytes())
                .finish();
            let start = Instant::now();
            match store.claim(event, "01M7Z6R006T5X68RNVZ92GNGS0").await {
                Ok(Standing::Claimed(claim)) => claim.settle(true).await.unwrap(),
                other => panic!("{other:?}"),
            }
            times.push(start.elapsed());
        }
        times
    });
    times.sort_unstable();
    let median = times[times.len() / 2];
    eprintln!("claim and settlement on loopback: {median:?} at the median");
    assert!(median < Duration::from_millis(20), "{median:?}");
}

#[test]
fn a_change_of_the_store_takes_effect_at_a_reload() {
    let redis = Redis::start(&[]);
    let app = Upstream::recording();
    let gate = setup(&app, "duplicates = \"reject\"")
        .env("REDIS_URL", &redis.url())
        .start();
    gate.passes("first", &event("1"));
    let path = gate.folder.path().join("sidecar.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let section = "[duplicates]\nstore = \"redis\"\nredis = { env = \"REDIS_URL\" }\n";
    std::fs::write(&path, format!("{text}\n{section}")).unwrap();
    assert!(
        gate.log
            .wait(|line| line["msg"] == "configuration reloaded")
            .is_some()
    );
    gate.passes("another memory", &event("1"));
    gate.refuses("copy", &event("1"), 409, "duplicate");
    assert_eq!(redis.keys(), 1);
}

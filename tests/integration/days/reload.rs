//! A new configuration while requests are served: live soon, and never at their cost.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::app::slow;
use super::{ROUTE, alone, good, metric, setup, until};
use crate::harness::{Client, Delivery, Gatepost, Setup, Upstream};
use crate::tls::{self, Authority};

const POLL: &str = "[reload]\npoll = \"200ms\"";
/// Polling, and as much again for a busy machine.
const SOON: Duration = Duration::from_secs(1);

const FROM_FILE: &str = "[[route]]\npath = \"/hook\"\nsecret = { file = \"secrets/key\" }\n\
                         verify = [{ scheme = \"api_key\", header = \"X-Key\" }]";

fn with_key(key: &str) -> Delivery {
    Delivery::post("/hook").header("X-Key", key).body("b")
}

/// As the kubelet does it: a new folder, then one symlink replaced.
fn swap(setup: &std::path::Path, version: usize, key: &str) {
    let secrets = setup.join("secrets");
    let folder = format!("..2026_{version}");
    fs::create_dir_all(secrets.join(&folder)).unwrap();
    fs::write(secrets.join(&folder).join("key"), key).unwrap();
    symlink(&folder, secrets.join("..data_tmp")).unwrap();
    fs::rename(secrets.join("..data_tmp"), secrets.join("..data")).unwrap();
    if version > 0 {
        fs::remove_dir_all(secrets.join(format!("..2026_{}", version - 1))).unwrap();
    }
}

fn edit(gate: &Gatepost, change: impl Fn(String) -> String) {
    let path = gate.folder.path().join("sidecar.toml");
    fs::write(&path, change(fs::read_to_string(&path).unwrap())).unwrap();
}

fn status(gate: &Gatepost, delivery: &Delivery) -> u16 {
    gate.send(delivery).status
}

fn successful(gate: &Gatepost) -> String {
    metric(gate, "gatepost_config_last_reload_successful")
}

#[test]
fn sighup_under_load_fails_no_request() {
    let _alone = alone();
    let app = Upstream::recording();
    let gate = setup(&app, "").toml("[reload]\nwatch = false").start();
    let (over, sent) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (over, sent, mut client) = (over.clone(), sent.clone(), gate.connect());
            thread::spawn(move || {
                let bytes = good("b").to_bytes();
                while !over.load(Ordering::Relaxed) {
                    let answer = client.send(&bytes).answer().expect("an answer");
                    assert_eq!(answer.status, 200);
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut slowest = Duration::ZERO;
    for round in 1..=10 {
        let [old, new] = [round - 1, round].map(|round| Delivery {
            target: format!("/hook/{round}"),
            ..good("b")
        });
        assert_eq!(status(&gate, &new), 404);
        edit(&gate, |text| {
            let extra = ROUTE.replace("/hook", &format!("/hook/{round}"));
            let text = text.split("# extra").next().unwrap();
            format!("{text}# extra\n{extra}\n")
        });
        let started = Instant::now();
        gate.signal("-HUP");
        until("live", || status(&gate, &new) == 200);
        slowest = slowest.max(started.elapsed());
        assert_eq!(status(&gate, &old), 404, "gone");
    }
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    let sent = sent.load(Ordering::Relaxed);
    eprintln!(
        "reload: live {slowest:?} after SIGHUP at the latest, {sent} requests meanwhile, 0 failed"
    );
    assert!(slowest < SOON, "{slowest:?}");
    assert!(sent > 100);
}

#[test]
fn secrets_that_kubernetes_swaps_are_live_soon_every_time() {
    let app = Upstream::recording();
    let setup = Setup::new(&app).toml(FROM_FILE).toml(POLL);
    swap(setup.folder.path(), 0, "key-number-0-0123456789");
    symlink("..data/key", setup.folder.path().join("secrets/key")).unwrap();
    let gate = setup.start();
    let mut slowest = Duration::ZERO;
    for version in 1..=4 {
        let old = with_key(&format!("key-number-{}-0123456789", version - 1));
        let new = with_key(&format!("key-number-{version}-0123456789"));
        assert_eq!((status(&gate, &old), status(&gate, &new)), (200, 401));
        let key = format!("key-number-{version}-0123456789");
        swap(gate.folder.path(), version, &key);
        slowest = slowest.max(until("live", || status(&gate, &new) == 200));
        assert_eq!(status(&gate, &old), 401, "the old one is gone");
    }
    eprintln!(
        "reload: four swaps of `..data`, live {slowest:?} after them at the latest (poll 200ms)"
    );
    assert!(slowest < SOON, "{slowest:?}");
}

#[test]
fn a_bad_configuration_changes_nothing_and_says_why() {
    let app = Upstream::recording();
    let gate = Setup::new(&app).toml(FROM_FILE).toml(POLL);
    fs::create_dir(gate.folder.path().join("secrets")).unwrap();
    let key = "a-good-key-0123456789";
    let gate = gate.file("secrets/key", key).start();
    let path = gate.folder.path().join("sidecar.toml");
    let good = fs::read_to_string(&path).unwrap();
    assert_eq!(successful(&gate), "1");
    for (case, text, why) in [
        ("syntax", good.replace("[[route]]", "[[route]"), "TOML"),
        (
            "an unknown key",
            good.replace("verify =", "verfy ="),
            "verfy",
        ),
        (
            "a missing secret",
            good.replace("secrets/key", "secrets/none"),
            "there is no such file",
        ),
        (
            "a weaker route",
            good.replace(
                "verify = [{ scheme = \"api_key\", header = \"X-Key\" }]",
                "",
            ),
            "verif",
        ),
        ("empty", String::new(), "route"),
    ] {
        fs::write(&path, text).unwrap();
        until(case, || successful(&gate) == "0");
        assert_eq!(status(&gate, &with_key(key)), 200, "{case}");
        assert_eq!(status(&gate, &with_key("x")), 401, "{case}");
        let line = gate.log.wait(|line| {
            let problems = line["problems"].as_str().unwrap_or_default();
            problems.to_lowercase().contains(&why.to_lowercase())
        });
        assert!(
            line.is_some_and(|line| line["level"] == "error"),
            "{case}: {}",
            gate.log.text()
        );
        assert!(!gate.log.text().contains(key), "{case}");
        fs::write(&path, &good).unwrap();
        until(case, || successful(&gate) == "1");
    }
    // Gone, and a folder in its place: what not even root can read.
    for folder in [false, true] {
        fs::remove_file(&path).unwrap();
        if folder {
            fs::create_dir(&path).unwrap();
        }
        until("unreadable", || successful(&gate) == "0");
        assert_eq!(status(&gate, &with_key(key)), 200);
        drop(fs::remove_dir(&path));
        fs::write(&path, &good).unwrap();
        until("back", || successful(&gate) == "1");
    }
    // A secret that becomes unreadable.
    let secret = gate.folder.path().join("secrets/key");
    fs::remove_file(&secret).unwrap();
    until("no secret", || successful(&gate) == "0");
    assert_eq!(status(&gate, &with_key(key)), 200);
    fs::write(&secret, "another-key-0123456789").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o400)).unwrap();
    until("a new secret", || {
        status(&gate, &with_key("another-key-0123456789")) == 200
    });
    assert_eq!(
        (successful(&gate).as_str(), status(&gate, &with_key(key))),
        ("1", 401)
    );
}

/// The configuration may arrive before the secret that it names.
#[test]
fn a_secret_that_arrives_after_the_configuration_is_found() {
    let app = Upstream::recording();
    let gate = Setup::new(&app).toml(FROM_FILE).toml(POLL);
    fs::create_dir(gate.folder.path().join("secrets")).unwrap();
    let gate = gate.file("secrets/key", "a-good-key-0123456789").start();
    edit(&gate, |text| text.replace("secrets/key", "secrets/late"));
    until("refused", || successful(&gate) == "0");
    let secret = gate.folder.path().join("secrets/late");
    fs::write(secret, "the-late-key-0123456789").unwrap();
    let took = until("live", || {
        status(&gate, &with_key("the-late-key-0123456789")) == 200
    });
    assert!(took < SOON, "{took:?}");
}

#[test]
fn a_request_in_flight_keeps_the_configuration_it_began_with() {
    let app = slow(Duration::from_millis(400));
    let gate = setup(&app, "").start();
    let mut client = gate.connect();
    client.send(&good("b").to_bytes());
    app.received(1);
    edit(&gate, |text| {
        text.replace("path = \"/hook\"", "path = \"/other\"")
    });
    gate.signal("-HUP");
    until("live", || status(&gate, &Delivery::post("/hook")) == 404);
    let response = client.answer().expect("an answer");
    assert_eq!(response.status, 200);
    assert_eq!(app.requests()[0].header("x-gatepost-route"), Some("/hook"));
    let again = client
        .send(&good("b").to_bytes())
        .answer()
        .expect("an answer");
    assert_eq!(again.status, 404, "the next one on the same connection");
}

#[test]
fn a_new_certificate_is_served_to_new_connections() {
    let app = Upstream::recording();
    let (old, new) = (Authority::new(), Authority::new());
    let gate = tls::setup(&app, &old, "").toml(POLL).start();
    let ask = |authority: &Authority| {
        let mut client = tls::connect(&gate, tls::config(authority, &[], None));
        let answer = client.send(&tls::good().to_bytes()).answer();
        (answer.map(|response| response.status), client)
    };
    let (first, mut open) = ask(&old);
    assert_eq!((first, ask(&new).0), (Some(200), None));
    let (certificate, key) = new.issue(crate::harness::HOST);
    // One file after the other: between them they do not fit, and the old pair stays.
    fs::write(gate.folder.path().join("tls.pem"), certificate.pem()).unwrap();
    until("refused", || successful(&gate) == "0");
    assert_eq!(ask(&old).0, Some(200));
    fs::write(gate.folder.path().join("tls.key"), key.serialize_pem()).unwrap();
    let took = until("the new one", || ask(&new).0 == Some(200));
    eprintln!("reload: a new certificate is served after {took:?} (poll 200ms)");
    assert!(took < SOON, "{took:?}");
    assert_eq!(ask(&old).0, None);
    let again: &mut Client<_> = &mut open;
    let answer = again.send(&tls::good().to_bytes()).answer();
    assert_eq!(
        answer.map(|response| response.status),
        Some(200),
        "one that was open"
    );
}

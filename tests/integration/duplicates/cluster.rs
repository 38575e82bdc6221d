//! Passwords, TLS, and a cluster of three nodes.

use super::event;
use super::shared::{until, with};
use crate::harness::redis::{cluster, wait_for_cluster};
use crate::harness::{Redis, Upstream};

const PASSWORD: &str = "p@ss/w0rd?#%";

#[test]
fn the_password_comes_from_its_own_source_or_from_the_url() {
    let redis = Redis::start(&["--requirepass", PASSWORD]);
    let app = Upstream::recording();
    let own = "password = { file = \"redis-password\" }";
    let start = |password: &str| {
        with(&app, &redis.url(), "duplicates = \"reject\"", own)
            .file("redis-password", format!("{password}\n"))
            .start()
    };
    let gate = start(PASSWORD);
    gate.passes("first", &event("1"));
    gate.refuses("copy", &event("1"), 409, "duplicate");
    let url = format!("redis://:p%40ss%2Fw0rd%3F%23%25@127.0.0.1:{}/0", redis.port);
    let gate = with(&app, &url, "duplicates = \"reject\"", "").start();
    gate.refuses("copy", &event("1"), 409, "duplicate");
    let gate = start("wrong-password");
    gate.refuses("a wrong password", &event("2"), 503, "store_unavailable");
    let gate = with(&app, &redis.url(), "duplicates = \"reject\"", "").start();
    gate.refuses("no password", &event("2"), 503, "store_unavailable");
    assert!(!gate.log.text().contains("p@ss"), "{}", gate.log.text());
}

#[test]
fn tls_is_verified() {
    let folder = tempfile::TempDir::new().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    std::fs::write(folder.path().join("redis.crt"), made.cert.pem()).unwrap();
    std::fs::write(
        folder.path().join("redis.key"),
        made.signing_key.serialize_pem(),
    )
    .unwrap();
    let redis = Redis::tls(folder.path());
    let app = Upstream::recording();
    let start = |host: &str, ca: &str| {
        let url = format!("rediss://{host}:{}", redis.port);
        with(
            &app,
            &url,
            "duplicates = \"reject\"",
            "ca = { file = \"ca.pem\" }",
        )
        .file("ca.pem", ca)
        .start()
    };
    let gate = start("localhost", &made.cert.pem());
    gate.passes("first", &event("1"));
    gate.refuses("copy", &event("1"), 409, "duplicate");
    start("localhost", &other.cert.pem()).refuses(
        "another authority",
        &event("2"),
        503,
        "store_unavailable",
    );
    start("127.0.0.1", &made.cert.pem()).refuses(
        "another name",
        &event("2"),
        503,
        "store_unavailable",
    );
}

#[test]
fn a_cluster_is_one_memory_and_survives_the_loss_of_a_node() {
    let mut nodes = cluster();
    let app = Upstream::recording();
    let url = format!(
        "redis-cluster://127.0.0.1:{},127.0.0.1:{}",
        nodes[0].port, nodes[1].port
    );
    let start = || with(&app, &url, "duplicates = \"reject\"", "").start();
    let (one, two) = (start(), start());
    for number in 0..30 {
        one.passes("first", &event(&number.to_string()));
    }
    for number in 0..30 {
        two.refuses("copy", &event(&number.to_string()), 409, "duplicate");
    }
    for node in &nodes {
        assert!(node.keys() > 0, "the keys are spread over all nodes");
    }
    // The slots of a node are gone with it, and come back with it.
    nodes[2].kill();
    let mut refused = 0;
    for number in 30..60 {
        let status = one.send(&event(&number.to_string())).status;
        assert!([200, 503].contains(&status), "{status}");
        refused += usize::from(status == 503);
    }
    assert!(
        refused > 0,
        "some of the keys belong to the node that is gone"
    );
    nodes[2].restart();
    wait_for_cluster(&nodes);
    for number in 60..90 {
        until(&one, &number.to_string(), 200);
    }
    for number in 0..30 {
        until(&two, &number.to_string(), 409);
    }
    // Said where somebody will look.
    let single = with(&app, &nodes[0].url(), "duplicates = \"reject\"", "").start();
    for number in 100..110 {
        drop(single.send(&event(&number.to_string())));
    }
    let told = single.log.wait(|line| {
        let reason = line["reason"].as_str().unwrap_or_default();
        reason.contains("redis-cluster://")
    });
    assert!(told.is_some());
}

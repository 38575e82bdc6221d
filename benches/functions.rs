//! How long each part of a request takes: `cargo bench --bench functions`.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark fails by panicking"
)]

/// A real server.
mod redis;
mod work;

use gatepost::duplicates::Standing;
use gatepost::fingerprint::Fingerprinter;

fn main() {
    divan::main();
}

const PUBLIC_KEYS: [&str; 2] = ["verify_rsa_pss_1k", "verify_ed25519_1k"];

/// In a table of a million entries: its instructions hang on where they lie.
const MEMORY: [&str; 2] = ["duplicates_new_1m", "duplicates_copy_1m"];

#[divan::bench(args = work::STEADY.iter().chain(&PUBLIC_KEYS).chain(&MEMORY))]
fn part(bencher: divan::Bencher<'_, '_>, name: &str) {
    bencher.bench_local(work::work(name));
}

/// What the first delivery of an event costs more with a Redis on the same host: a claim and its
/// settlement, two round trips over loopback. Needs `redis-server`.
#[divan::bench(sample_count = 2000, sample_size = 1)]
fn duplicates_redis(bencher: divan::Bencher<'_, '_>) {
    let server = redis::Server::start();
    let store = server.store();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut number = 0_u64;
    bencher.bench_local(|| {
        number += 1;
        let event = Fingerprinter::new("bench").with(&number.to_le_bytes());
        runtime.block_on(async {
            match store
                .claim(event.finish(), "01M7Z6R006T5X68RNVZ92GNGS0")
                .await
            {
                Ok(Standing::Claimed(claim)) => claim.settle(true).await.expect("an answer"),
                other => panic!("{other:?}"),
            }
        });
    });
}

/// All providers at once. Bar: 5 ms.
#[divan::bench(sample_count = 50, sample_size = 1)]
fn read_catalogue(bencher: divan::Bencher<'_, '_>) {
    bencher.bench_local(work::work("read_catalogue"));
}

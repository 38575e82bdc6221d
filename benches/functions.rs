//! How long each part of a request takes: `cargo bench --bench functions`.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::panic,
    reason = "a benchmark fails by panicking"
)]

mod work;

fn main() {
    divan::main();
}

const PUBLIC_KEYS: [&str; 2] = ["verify_rsa_pss_1k", "verify_ed25519_1k"];

#[divan::bench(args = work::STEADY.iter().chain(&PUBLIC_KEYS))]
fn part(bencher: divan::Bencher<'_, '_>, name: &str) {
    bencher.bench_local(work::work(name));
}

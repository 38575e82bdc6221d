//! How long each part of a request takes: `cargo bench --bench functions`.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark fails by panicking"
)]

mod work;

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

/// All providers at once. Bar: 5 ms.
#[divan::bench(sample_count = 50, sample_size = 1)]
fn read_catalogue(bencher: divan::Bencher<'_, '_>) {
    bencher.bench_local(work::work("read_catalogue"));
}

//! The fuzz targets on the stable toolchain: their seeds, and a bounded number of random changes to
//! them. `cargo +nightly fuzz run TARGET` goes on from there.

#[allow(unreachable_pub, reason = "public in the crate it is shared with")]
#[path = "../../fuzz/src/targets.rs"]
mod targets;

use std::path::PathBuf;

/// Changed inputs per target: a few seconds in all.
const CHANGES: usize = 20_000;

/// xorshift64*: the same inputs in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap() % limit.max(1)
    }
}

#[test]
fn every_target_survives_its_seeds_and_changes_of_them() {
    for (name, target) in targets::ALL {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no corpus");
        for seed in &seeds {
            target(seed);
        }
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        for _ in 0..CHANGES / share(name) {
            target(&changed(&seeds, &mut random));
        }
    }
}

/// What a whole configuration or examination takes is worth many of the others.
fn share(name: &str) -> usize {
    match name {
        "toml" => 20,
        "examine" => 40,
        _ => 1,
    }
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(name);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect()
}

/// A seed with a few bytes changed, removed, doubled, or a piece of another seed put in.
fn changed(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        match random.below(5) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => bytes.insert(at, u8::try_from(random.below(256)).unwrap()),
            3 => bytes.truncate(at),
            _ => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len() + 1);
                let piece = other[from..].iter().take(random.below(16)).copied();
                drop(bytes.splice(at..at, piece));
            }
        }
    }
    bytes
}

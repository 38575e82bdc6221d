//! Floods that HTTP/2 makes possible: they end, or cost nothing, and nobody else waits for them.

use std::iter::repeat;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, End, HEADERS, PING, RST_STREAM, Raw, SETTINGS,
    WINDOW_UPDATE, frame, length, post,
};
use super::{MEBIBYTE, SECRET, alone, busy, mib, resident, setup, valid_request_takes};
use crate::harness::{Gatepost, Upstream};

/// Attackers at once, each on connections of its own.
const ATTACKERS: usize = 4;
const LAST: Duration = Duration::from_millis(700);

fn start(app: &Upstream) -> Gatepost {
    setup(app, "header_timeout = \"2s\"")
        .server("protocols = [\"http/1.1\", \"h2c\"]")
        .start()
}

/// Stream numbers of a client.
fn streams() -> impl Iterator<Item = u32> {
    (0..).map(|n| n * 2 + 1)
}

/// What a connection is flooded with, made before it begins: an attacker that is busy with its frames
/// takes the processor from whoever is measured. More streams than any connection is left.
fn pieces(mut of: impl FnMut(u32) -> Vec<u8>) -> Vec<Vec<u8>> {
    let mut streams = streams();
    (0..64)
        .map(|_| batch(|| of(streams.next().unwrap())))
        .collect()
}

/// Floods from several sides with what `pieces` makes, again on a new connection when one is
/// closed, while valid requests are timed.
fn flood(name: &str, bound: usize, attack: impl Fn(SocketAddr, &AtomicBool) + Sync) {
    let _alone = alone();
    let app = Upstream::recording();
    let gate = start(&app);
    let quiet = valid_request_takes(&gate);
    let (before, reached) = (resident(&gate), app.requests().len());
    let over = AtomicBool::new(false);
    let (meanwhile, peak) = thread::scope(|scope| {
        for _ in 0..ATTACKERS {
            let (over, attack, address) = (&over, &attack, gate.address);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    attack(address, over);
                }
            });
        }
        let started = std::time::Instant::now();
        let (mut meanwhile, mut peak) = (Duration::ZERO, 0);
        while started.elapsed() < LAST {
            meanwhile = meanwhile.max(valid_request_takes(&gate));
            peak = peak.max(resident(&gate));
        }
        over.store(true, Ordering::Relaxed);
        (meanwhile, peak)
    });
    eprintln!(
        "flood: {name}: a valid request takes {quiet:?} alone, {meanwhile:?} meanwhile; memory {} \
         before, {} at most",
        mib(before),
        mib(peak)
    );
    let allowed = Duration::from_millis(100) * busy();
    assert!(meanwhile < allowed, "{name}: {meanwhile:?}");
    assert!(peak < before + bound, "{name}: {}", mib(peak - before));
    let strangers = app.requests();
    let strangers = strangers[reached..].iter().filter(|r| r.body != b"valid");
    assert_eq!(strangers.count(), 0, "{name}: reached the app");
    assert_eq!(gate.health("/livez").status, 200);
}

/// Until it is closed, or all is over.
fn pour<'a>(raw: &mut Raw, over: &AtomicBool, pieces: impl IntoIterator<Item = &'a Vec<u8>>) {
    for piece in pieces {
        if over.load(Ordering::Relaxed) || !raw.write(piece) {
            return;
        }
    }
    while !over.load(Ordering::Relaxed) && raw.read_for(Duration::from_millis(10)).1 == End::Open {}
}

/// Keeps the connection as it is.
fn hold(over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(10));
    }
}

/// Many frames in one write.
fn batch(mut piece: impl FnMut() -> Vec<u8>) -> Vec<u8> {
    (0..64).flat_map(|_| piece()).collect()
}

#[test]
fn a_header_block_without_end() {
    // Small ones, and large ones that would be the largest list allowed many times over.
    let small = batch(|| frame(CONTINUATION, 0, 1, &[]));
    let long = post("wrong", &[("x-long", &"x".repeat(9000))]);
    let piece = [small, frame(CONTINUATION, 0, 1, &long[2..])].concat();
    flood("CONTINUATION", 16 * MEBIBYTE, |address, over| {
        let mut raw = Raw::connect(address);
        raw.write(&frame(HEADERS, END_STREAM, 1, &post("wrong", &[])));
        pour(&mut raw, over, repeat(&piece));
    });
}

/// Requests that are taken back as soon as they were made.
fn resets() -> Vec<Vec<u8>> {
    let block = post("wrong", &[]);
    pieces(|id| {
        let head = frame(HEADERS, END_HEADERS, id, &block);
        [head, frame(RST_STREAM, 0, id, &[0, 0, 0, 8])].concat()
    })
}

#[test]
fn streams_that_are_reset_at_once() {
    let pieces = resets();
    flood("rapid reset", 16 * MEBIBYTE, |address, over| {
        pour(&mut Raw::connect(address), over, &pieces);
    });
}

#[test]
fn streams_that_gatepost_is_made_to_reset() {
    let breaches: [fn(u32) -> Vec<u8>; 3] = [
        // An increment of nothing; a window over the limit; a body after its end.
        |id| frame(WINDOW_UPDATE, 0, id, &[0; 4]),
        |id| frame(WINDOW_UPDATE, 0, id, &[0x7f, 0xff, 0xff, 0xff]),
        |id| frame(DATA, END_STREAM, id, b"more than was announced"),
    ];
    for breach in breaches {
        let block = post(SECRET, &[("content-length", "5")]);
        let pieces = pieces(|id| [frame(HEADERS, END_HEADERS, id, &block), breach(id)].concat());
        flood("MadeYouReset", 16 * MEBIBYTE, |address, over| {
            pour(&mut Raw::connect(address), over, &pieces);
        });
    }
}

#[test]
fn small_header_blocks_that_unpack_to_large_lists() {
    // A literal with indexing, then references to it: 16 KiB are 60 MiB unpacked.
    let mut block = post("wrong", &[]);
    block.push(0x40);
    length(&mut block, 6, 0x7f, 0);
    block.extend_from_slice(b"x-bomb");
    length(&mut block, 4000, 0x7f, 0);
    block.extend_from_slice(&[b'x'; 4000]);
    block.resize(16_000, 0xbe);
    let ended = END_HEADERS | END_STREAM;
    let bombs: Vec<_> = streams()
        .take(1000)
        .map(|id| frame(HEADERS, ended, id, &block))
        .collect();
    flood("HPACK bomb", 16 * MEBIBYTE, |address, over| {
        pour(&mut Raw::connect(address), over, &bombs);
    });
}

#[test]
fn frames_that_want_an_answer_each() {
    let pings = batch(|| frame(PING, 0, 0, b"floods!!"));
    flood("PING", 16 * MEBIBYTE, |address, over| {
        pour(&mut Raw::connect(address), over, repeat(&pings));
    });
    let settings = batch(|| frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]));
    flood("SETTINGS", 16 * MEBIBYTE, |address, over| {
        pour(&mut Raw::connect(address), over, repeat(&settings));
    });
}

#[test]
fn empty_pieces_of_a_body() {
    let data = batch(|| frame(DATA, 0, 1, &[]));
    flood("empty DATA", 16 * MEBIBYTE, |address, over| {
        let mut raw = Raw::connect(address);
        raw.write(&frame(HEADERS, END_HEADERS, 1, &post(SECRET, &[])));
        pour(&mut raw, over, repeat(&data));
    });
}

#[test]
fn answers_that_are_never_read() {
    flood("window 0", 32 * MEBIBYTE, |address, over| {
        // SETTINGS_INITIAL_WINDOW_SIZE: not a byte of any body may be sent.
        let mut raw = Raw::with_settings(address, &[(4, 0)]);
        let (block, mut streams) = (post("wrong", &[]), streams());
        for _ in 0..100 {
            let id = streams.next().unwrap();
            raw.write(&frame(HEADERS, END_HEADERS | END_STREAM, id, &block));
        }
        hold(over);
    });
}

#[test]
fn more_streams_than_are_allowed() {
    let block = post(SECRET, &[]);
    let pieces = pieces(|id| frame(HEADERS, END_HEADERS, id, &block));
    flood("streams", 32 * MEBIBYTE, |address, over| {
        pour(&mut Raw::connect(address), over, &pieces);
    });
}

/// A flood is answered with the end of its connection; what is no flood is not.
#[test]
fn a_flood_ends_its_connection_and_a_request_does_not() {
    let app = Upstream::recording();
    let gate = start(&app);
    let mut raw = Raw::connect(gate.address);
    raw.write(&frame(HEADERS, END_HEADERS, 1, &post(SECRET, &[])));
    raw.write(&frame(DATA, END_STREAM, 1, b"valid"));
    let (kinds, end) = raw.read_for(Duration::from_millis(300));
    assert!(
        kinds.contains(&HEADERS) && end == End::Open,
        "{kinds:?} {end:?}"
    );
    assert_eq!(app.received(1).body, b"valid");
    let mut raw = Raw::connect(gate.address);
    let pieces = resets();
    let taken = 64 * pieces.iter().take_while(|piece| raw.write(piece)).count();
    let (_, end) = raw.read_for(Duration::from_millis(500));
    eprintln!("flood: rapid reset is ended after at most {taken} streams: {end:?}");
    assert!(matches!(end, End::Closed(_)), "{end:?}");
}

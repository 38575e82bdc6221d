//! `[[test]]`: what `gatepost test` sends, and what must come of it.

use super::{Choice, Kind, Section, key, section};
use crate::rejection::Rejection;

/// `[[test]]`.
pub static TEST: Section = section(
    "[[test]]",
    "A request that `gatepost test` sends on throw-away secrets, and what must come of it.",
    &[
        key("name", Kind::Text, "", "What it is called."),
        key(
            "route",
            Kind::Text,
            "",
            "The path of the route, or its provider.",
        ),
        key(
            "request",
            Kind::Table(&REQUEST),
            "",
            "What is sent: without it the provider's first sample, signed.",
        ),
        key(
            "expect",
            Kind::Either(&[
                Kind::OneOf(OUTCOMES),
                Kind::Integer { min: 200, max: 599 },
                Kind::Table(&EXPECT),
            ]),
            "verified",
            "What must come of it: verified, the reason of a refusal, a status, or a table.",
        ),
    ],
);

/// `request` of a test.
pub static REQUEST: Section = Section {
    name: "request of a test",
    doc: "What a test sends. It is signed as the provider would.",
    keys: &[
        key(
            "event",
            Kind::Text,
            "",
            "A sample of the provider, by its event type.",
        ),
        key("body", Kind::Text, "", "This very body."),
        key("file", Kind::Text, "", "The body is in this file."),
        key(
            "headers",
            Kind::TextTable,
            "",
            "Headers beside those that prove something.",
        ),
        key(
            "tamper",
            Kind::OneOf(&["body", "key", "missing", "signature", "time"]),
            "",
            "What is got wrong after or while signing.",
        ),
        key(
            "clock",
            Kind::Text,
            "",
            "How far the sender's clock is off: -10m is behind, +10m ahead.",
        ),
        key(
            "from",
            Kind::Text,
            "",
            "The address of the client; else one that is allowed.",
        ),
    ],
    choice: Choice::AtMostOne(&["event", "body", "file"]),
};

/// `expect` of a test.
pub static EXPECT: Section = section(
    "expect of a test",
    "What must come of a test.",
    &[
        key(
            "outcome",
            Kind::OneOf(OUTCOMES),
            "",
            "verified, or the reason of the refusal.",
        ),
        key(
            "status",
            Kind::Integer { min: 200, max: 599 },
            "",
            "The status of the answer.",
        ),
        key(
            "headers",
            Kind::TextTable,
            "",
            "Headers that the app receives; an empty text is one that it must not receive.",
        ),
    ],
);

/// `verified`, then every reason for which a request is refused.
pub static OUTCOMES: &[&str] = &CODES;

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which would say so"
)]
const CODES: [&str; Rejection::ALL.len() + 1] = {
    let mut codes = ["verified"; Rejection::ALL.len() + 1];
    let mut at = 0;
    while at < Rejection::ALL.len() {
        codes[at + 1] = Rejection::ALL[at].code();
        at += 1;
    }
    codes
};

//! Handshakes: what a provider asks before it sends events, and what it is answered.

use super::steps::{ENCODING, HASH, SECRET, SECRET_ENCODING};
use super::{Choice, Key, Kind, Section, key, section};

/// One question and its answer.
pub static HANDSHAKE: Section = section(
    "handshake",
    "A question of the provider that gatepost answers itself.",
    &[
        key(
            "method",
            Kind::OneOf(&["POST", "GET", "HEAD", "OPTIONS"]),
            "POST",
            "The method it comes with.",
        ),
        key(
            "signed",
            Kind::Flag,
            "false",
            "Answered only once everything in `verify` and `allow_ips` has passed.",
        ),
        key(
            "when",
            Kind::List(&Kind::Table(&CONDITION)),
            "",
            "What must stand in the request: every one of these.",
        ),
        key(
            "members",
            Kind::List(&Kind::Text),
            "",
            "The members of the JSON body: these and no other.",
        ),
        key(
            "body",
            Kind::OneOf(&["empty", "any"]),
            "empty",
            "Whether a body matters from which nothing is read.",
        ),
        key(
            "challenge",
            Kind::Table(&CHALLENGE),
            "",
            "The text that comes back, or is signed.",
        ),
        key(
            "proof",
            Kind::Table(&PROOF),
            "",
            "What {proof} of the reply is. Needs `alphabet` and `max` of the challenge.",
        ),
        key("reply", Kind::Table(&REPLY), "", "The answer."),
        key(
            "hint",
            Kind::Text,
            "",
            "What the log says beside it, for the operator.",
        ),
    ],
);

/// `when` of a handshake.
static CONDITION: Section = Section {
    name: "a condition of a handshake",
    doc: "Something that stands in the request: anything, a text, or the route's token.",
    keys: &[
        HEADER,
        QUERY,
        JSON,
        FORM,
        key("equals", Kind::Text, "", "This very text."),
        key(
            "is",
            Kind::OneOf(&["verify_token"]),
            "",
            "The route's `verify_token`.",
        ),
    ],
    choice: Choice::ExactlyOne(&["header", "query", "json", "form"]),
};

const LENGTH: Kind = Kind::Integer { min: 1, max: 1024 };

/// `challenge` of a handshake.
pub static CHALLENGE: Section = Section {
    name: "a challenge",
    doc: "Where the challenge stands, and which texts it may be.",
    keys: &[
        HEADER,
        QUERY,
        JSON,
        FORM,
        key(
            "alphabet",
            Kind::Text,
            "",
            "Its characters, as in \"A-Za-z0-9._-\"; else any visible ASCII but those of HTML.",
        ),
        key("min", LENGTH, "1", "Its least bytes."),
        key("max", LENGTH, "512", "Its most bytes."),
    ],
    choice: Choice::ExactlyOne(&["header", "query", "json", "form"]),
};

/// `proof` of a handshake.
pub static PROOF: Section = section(
    "proof",
    "What is computed from the challenge.",
    &[
        key(
            "scheme",
            Kind::OneOf(&["hmac", "digest"]),
            "",
            "hmac: the challenge under the secret. digest: the hash of `message`.",
        ),
        HASH,
        ENCODING,
        key(
            "message",
            Kind::Text,
            "",
            "What a digest is made over: {challenge} {verify_token} {url} {username}.",
        ),
        SECRET_ENCODING,
        SECRET,
    ],
);

/// `reply` of a handshake.
static REPLY: Section = Section {
    name: "reply",
    doc: "What is answered. Texts may hold {challenge} {proof} {username} {url}.",
    keys: &[
        key(
            "status",
            Kind::Integer { min: 200, max: 299 },
            "200",
            "The status.",
        ),
        key("text", Kind::Text, "", "The body, as text/plain."),
        key("json", Kind::Text, "", "The body, as application/json."),
        key("headers", Kind::TextTable, "", "Headers of the answer."),
    ],
    choice: Choice::AtMostOne(&["text", "json"]),
};

const HEADER: Key = key("header", Kind::Text, "", "In this header.");
const QUERY: Key = key("query", Kind::Text, "", "In this query parameter.");
const JSON: Key = key("json", Kind::Text, "", "At this JSON Pointer of the body.");
const FORM: Key = key("form", Kind::Text, "", "In this form field.");

//! Provider keys, route keys, and the sources they name.

use super::handshake::HANDSHAKE;
use super::{COUNT, Choice, Kind, Section, TEXTS, key, section};

macro_rules! provider_keys {
    ($($more:expr),* $(,)?) => {
        &[
            key("title", Kind::Text, "", "The provider's name, for people."),
            key("docs", Kind::Text, "", "Where its documentation is."),
            key("notes", Kind::Either(&[Kind::Text, TEXTS]), "", "What to know about it."),
            key(
                "confidence",
                Kind::OneOf(&["documented", "secondary", "inferred"]),
                "",
                "How well the facts are founded.",
            ),
            key("verify", Kind::Steps, "", "Every step must pass."),
            key(
                "allow_ips",
                Kind::Either(&[Kind::OneOf(&["any"]), TEXTS]),
                "",
                "The addresses and CIDRs that may call; any switches a provider's list off.",
            ),
            key("secret", Kind::Secret, "", "The shared secret of steps that name none."),
            key("public_key", Kind::Secret, "", "The public key of steps that name none."),
            key("username", Kind::Text, "", "The user name of basic steps that name none."),
            key(
                "config",
                Kind::TextTable,
                "",
                "Constants of this route for {config:name}: an id that the provider gave you.",
            ),
            key("event", Kind::Table(&EVENT), "", "Where the event is described."),
            key(
                "duplicate_key",
                FOUND,
                "",
                "What tells an event from its copies, all of it together, instead of type and id.",
            ),
            key(
                "handshake",
                Kind::OpenList(&Kind::Table(&HANDSHAKE)),
                "",
                "Questions of the provider that gatepost answers itself; [] switches a provider's off.",
            ),
            key(
                "verify_token",
                Kind::Secret,
                "",
                "What the provider repeats in a handshake that has one.",
            ),
            key("samples", Kind::TextTable, "", "Sample bodies for send, by event type."),
            key(
                "success_status",
                Kind::Integer { min: 200, max: 299 },
                "",
                "The status sent when the app answers another 2xx.",
            ),
            key(
                "reject_body",
                Kind::Flag,
                "true",
                "Whether a refusal has a body; its reason is in the log either way.",
            ),
            $($more,)*
        ]
    };
}

/// A provider: `[provider.NAME]`, or a file of the catalogue.
pub static PROVIDER: Section = section(
    "[provider.NAME]",
    "What a provider sends and how it is verified.",
    provider_keys!(),
);

/// A route: the provider's keys and its own.
pub static ROUTE: Section = section(
    "[[route]]",
    "What is accepted, and how it is verified. Any provider key here wins over the provider's.",
    provider_keys![
        key("path", Kind::Text, "", "The path, exact or ending in /*."),
        key("host", Kind::Text, "", "Only requests to this host."),
        key("methods", TEXTS, r#"["POST"]"#, "The methods."),
        key("provider", Kind::Text, "", "The provider's name."),
        key(
            "mode",
            Kind::OneOf(&["enforce", "observe", "passthrough"]),
            "enforce",
            "observe forwards what fails too; passthrough verifies nothing.",
        ),
        key(
            "limits",
            Kind::Table(&ROUTE_LIMITS),
            "",
            "Limits of this route."
        ),
        key("rate", Kind::Rate, "", "How often one client may call."),
        key(
            "upstream_path",
            Kind::Text,
            "",
            "The path the app receives."
        ),
        key(
            "public_url",
            Kind::Text,
            "",
            "Scheme and host as the provider knows them, for {url}."
        ),
        key(
            "duplicates",
            Kind::OneOf(&["forward", "acknowledge", "reject", "off"]),
            "forward",
            "A copy of an event the app has taken: forward marks it, acknowledge answers 200, reject 409; off remembers nothing.",
        ),
        key(
            "reject_status",
            Kind::Integer { min: 400, max: 599 },
            "",
            "Instead of 401 and 403; never 410."
        ),
        key(
            "accept_weak",
            Kind::Flag,
            "false",
            "Accept steps that prove little."
        ),
        key(
            "schema",
            Kind::Either(&[Kind::Flag, Kind::Text]),
            "false",
            "The JSON Schema file that verified bodies must satisfy; true is the provider's own."
        ),
    ],
);

static ROUTE_LIMITS: Section = section(
    "limits of a route",
    "Limits of this route.",
    &[
        key("body", Kind::Size, "", "The largest body."),
        key("in_flight", COUNT, "", "The most requests at once."),
    ],
);

/// `event`.
pub static EVENT: Section = section(
    "event",
    "Where the event is described.",
    &[
        key("type", FOUND, "", "What happened."),
        key("id", FOUND, "", "Which event it is."),
        key("time", FOUND, "", "When it happened."),
        key(
            "known",
            Kind::OpenList(&Kind::Text),
            "",
            "The documented event types.",
        ),
        key(
            "required",
            Kind::Flag,
            "false",
            "Refuse a request whose type cannot be read.",
        ),
    ],
);

const FOUND: Kind = Kind::OneOrMany(&Kind::Table(&EVENT_SOURCE));

/// Where a part of the event is found.
pub static EVENT_SOURCE: Section = Section {
    name: "an event source",
    doc: "Where a part of the event is found.",
    keys: &[
        key(
            "json",
            Kind::OneOrMany(&Kind::Text),
            "",
            "A JSON Pointer into the body; * is every element. Of several the values are joined.",
        ),
        key(
            "separator",
            Kind::Text,
            ".",
            "What is put between the values of several pointers.",
        ),
        key("header", Kind::Text, "", "A header."),
        key("claim", Kind::Text, "", "A claim of the verified JWT."),
        key("form", Kind::Text, "", "A field of the form body."),
        key("query", Kind::Text, "", "A query parameter."),
        key("value", Kind::Text, "", "This very text."),
    ],
    choice: Choice::ExactlyOne(&["json", "header", "claim", "form", "query", "value"]),
};

/// Where a secret or key is kept.
pub static SECRET_SOURCE: Section = Section {
    name: "a secret source",
    doc: "Where a secret or key is kept.",
    keys: &[
        key("env", Kind::Text, "", "An environment variable."),
        key(
            "file",
            Kind::Text,
            "",
            "A file; a relative path starts at the file that names it.",
        ),
        key(
            "inline",
            Kind::Text,
            "",
            "The secret itself: only for trying things out.",
        ),
        key(
            "name",
            Kind::Text,
            "",
            "What the log and the app see of it.",
        ),
        key("until", Kind::Time, "", "When it stops being accepted."),
        key(
            "not_before",
            Kind::Time,
            "",
            "When it begins to be accepted.",
        ),
    ],
    choice: Choice::ExactlyOne(&["env", "file", "inline"]),
};

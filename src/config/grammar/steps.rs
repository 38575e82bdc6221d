//! Verify steps: one section per scheme.

use super::{Choice, Key, Kind, Section, key, section};

/// Every scheme; a section's name is the scheme's.
pub static SCHEMES: &[&Section] = &[
    &API_KEY,
    &BASIC,
    &BEARER,
    &DIGEST,
    &HMAC,
    &HTTP_SIGNATURE,
    &JWT,
    &MTLS,
    &SIGNATURE,
];

/// `{ any = [ … ] }` in place of a step.
pub static STEP_ANY: Section = section(
    "any",
    "Passes when one of its steps does.",
    &[key(
        "any",
        Kind::Steps,
        "",
        "The steps of which one must pass.",
    )],
);

/// When the sender signed.
pub static TIMESTAMP: Section = Section {
    name: "timestamp",
    doc: "Where the time of signing is found, if not in `format`.",
    keys: &[
        key("header", Kind::Text, "", "A header."),
        JSON,
        FORM,
        QUERY,
        key(
            "unit",
            Kind::OneOf(&["s", "ms", "float", "rfc3339", "rfc2822"]),
            "s",
            "How the time is written.",
        ),
    ],
    choice: Choice::AtMostOne(&["header", "json", "form", "query"]),
};

/// Where the name of a key stands.
static KEY_PLACE: Section = Section {
    name: "key_id",
    doc: "Where the name of the key stands.",
    keys: &[HEADER, QUERY, JSON, FORM],
    choice: Choice::ExactlyOne(&["header", "query", "json", "form"]),
};

/// `format` of a value that is a JSON document.
static FORMAT_JSON: Section = section(
    "format",
    "JSON Pointers into the value, which is a JSON document.",
    &[
        key(
            "encoding",
            Kind::OneOf(&["none", "base64", "base64url", "hex"]),
            "none",
            "How the document is written.",
        ),
        key("signature", Kind::Text, "", "The pointer to the signature."),
        key(
            "timestamp",
            Kind::Text,
            "",
            "The pointer to the time of signing.",
        ),
        key(
            "id",
            Kind::Text,
            "",
            "The pointer to the id of the message.",
        ),
        key(
            "key_id",
            Kind::Text,
            "",
            "The pointer to the name of the key.",
        ),
    ],
);

static API_KEY: Section = Section {
    name: "api_key",
    doc: "A fixed key that every request carries.",
    keys: &[
        SCHEME,
        HEADER,
        QUERY,
        JSON,
        FOR_EACH,
        key("prefix", Kind::Text, "", "What stands before the key."),
        key(
            "encoding",
            Kind::OneOf(&["text", "base64", "hex"]),
            "text",
            "How a request writes the secret.",
        ),
        SECRET,
    ],
    choice: Choice::AtMostOne(&["header", "query", "json"]),
};

static BASIC: Section = section(
    "basic",
    "HTTP basic authentication (RFC 7617).",
    &[
        SCHEME,
        key("username", Kind::Text, "", "The user name."),
        SECRET,
    ],
);

static BEARER: Section = section(
    "bearer",
    "A fixed bearer token (RFC 6750).",
    &[
        SCHEME,
        key(
            "header",
            Kind::Text,
            "Authorization",
            "The header that carries it.",
        ),
        SECRET,
    ],
);

static DIGEST: Section = Section {
    name: "digest",
    doc: "A hash of the message. Without {secret} in `message` anyone can compute it.",
    keys: &[
        SCHEME, MAC_HASH, HEADERS, QUERY, JSON, FORM, FOR_EACH, FORMAT, GROUPS, REPEATED, ENCODING,
        KEY_ID, MESSAGE, TIME, TOLERANCE, SECRET,
    ],
    choice: PLACE,
};

static HMAC: Section = Section {
    name: "hmac",
    doc: "A keyed hash of the message (RFC 2104).",
    keys: &[
        SCHEME,
        MAC_HASH,
        HEADERS,
        QUERY,
        JSON,
        FORM,
        FOR_EACH,
        FORMAT,
        GROUPS,
        REPEATED,
        ENCODING,
        KEY_ID,
        MESSAGE,
        SECRET_PREFIX,
        SECRET_ENCODING,
        TIME,
        TOLERANCE,
        SECRET,
    ],
    choice: PLACE,
};

static JWT: Section = Section {
    name: "jwt",
    doc: "A signed JSON Web Token (RFC 7519).",
    keys: &[
        SCHEME,
        key(
            "header",
            Kind::Text,
            "Authorization",
            "The header that carries the token.",
        ),
        QUERY,
        JSON,
        FORM,
        key("body", Kind::Flag, "false", "The whole body is the token."),
        key(
            "prefix",
            Kind::Text,
            "Bearer ",
            "What stands before the token; in another place than a header nothing does.",
        ),
        key(
            "detached",
            Kind::Flag,
            "false",
            "The payload is the body (RFC 7515 F, RFC 7797): there are no claims.",
        ),
        key(
            "algorithms",
            Kind::List(&Kind::OneOf(&[
                "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
                "ES256", "ES384", "EdDSA",
            ])),
            "",
            "The algorithms accepted. The token's own word is not believed.",
        ),
        key(
            "issuer",
            TEXT_OR_TEXTS,
            "",
            "The issuer the token must name; may hold variables as a message does.",
        ),
        key(
            "audience",
            TEXT_OR_TEXTS,
            "",
            "The audience the token must name; may hold variables, as in {url}.",
        ),
        key(
            "required_claims",
            Kind::OpenList(&Kind::Text),
            r#"["exp"]"#,
            "Claims that must be there. An expiry is checked wherever there is one.",
        ),
        key(
            "leeway",
            Kind::Duration,
            "60s",
            "How far the clocks may differ.",
        ),
        key("max_age", Kind::Duration, "", "How old a token may be."),
        key(
            "issued_at",
            Kind::Text,
            "iat",
            "The claim that tells when it was signed; where detached, the header's parameter.",
        ),
        key(
            "body_hash",
            Kind::OneOrMany(&Kind::Table(&BODY_HASH)),
            "",
            "The claim that covers the body, or another part of the request.",
        ),
        SECRET_PREFIX,
        SECRET_ENCODING,
        key("jwks", Kind::Secret, "", "A key set (RFC 7517)."),
        SECRET,
        PUBLIC_KEY,
    ],
    choice: Choice::AtMostOne(&["header", "query", "json", "form", "body"]),
};

static HTTP_SIGNATURE: Section = section(
    "http_signature",
    "An HTTP message signature (RFC 9421), with a Content-Digest (RFC 9530) where that is covered.",
    &[
        SCHEME,
        key(
            "label",
            Kind::Text,
            "",
            "The signature's label; without it a request has exactly one.",
        ),
        key(
            "components",
            Kind::List(&Kind::Text),
            "",
            "What the sender must have signed at least.",
        ),
        key(
            "algorithm",
            Kind::OneOf(&[
                "rsa-pss-sha512",
                "rsa-v1_5-sha256",
                "hmac-sha256",
                "ecdsa-p256-sha256",
                "ecdsa-p384-sha384",
                "ed25519",
            ]),
            "",
            "The algorithm. The request's own word is only compared.",
        ),
        key("tag", Kind::Text, "", "The tag the signature must have."),
        TOLERANCE,
        SECRET_PREFIX,
        SECRET_ENCODING,
        SECRET,
        PUBLIC_KEY,
    ],
);

static MTLS: Section = section(
    "mtls",
    "The client certificate of the connection, which `client_ca` of `[server.tls]` has verified.",
    &[
        SCHEME,
        key(
            "san_dns",
            TEXT_OR_TEXTS,
            "",
            "DNS names, of which the certificate must have one.",
        ),
        key(
            "san_uri",
            TEXT_OR_TEXTS,
            "",
            "URIs, of which the certificate must have one.",
        ),
        key(
            "fingerprint",
            TEXT_OR_TEXTS,
            "",
            "SHA-256 of the certificates that may call, in hex.",
        ),
    ],
);

static SIGNATURE: Section = Section {
    name: "signature",
    doc: "A public-key signature of the message.",
    keys: &[
        SCHEME,
        key(
            "algorithm",
            Kind::OneOf(&[
                "rsa-pss-sha256",
                "rsa-pss-sha384",
                "rsa-pss-sha512",
                "rsa-pkcs1-sha1",
                "rsa-pkcs1-sha256",
                "rsa-pkcs1-sha384",
                "rsa-pkcs1-sha512",
                "ecdsa-p256-sha1",
                "ecdsa-p256-sha256",
                "ecdsa-p384-sha384",
                "ed25519",
            ]),
            "",
            "The algorithm.",
        ),
        HEADERS,
        QUERY,
        JSON,
        FORM,
        FOR_EACH,
        FORMAT,
        GROUPS,
        REPEATED,
        ENCODING,
        KEY_ID,
        MESSAGE,
        key(
            "salt",
            Kind::Either(&[
                Kind::OneOf(&["auto", "digest", "max"]),
                Kind::Integer { min: 0, max: 1024 },
            ]),
            "auto",
            "The length of the salt of RSA-PSS; auto tries digest, then max.",
        ),
        key(
            "signature_format",
            Kind::OneOf(&["der", "p1363"]),
            "der",
            "How ECDSA writes it.",
        ),
        TIME,
        TOLERANCE,
        PUBLIC_KEY,
    ],
    choice: PLACE,
};

/// `body_hash` of a `jwt` step.
pub static BODY_HASH: Section = section(
    "body_hash",
    "The claim that covers the body.",
    &[
        key("claim", Kind::Text, "", "The claim."),
        HASH,
        ENCODING,
        key("message", Kind::Text, "{body}", "What is hashed."),
    ],
);

const PLACE: Choice = Choice::AtMostOne(&["header", "query", "json", "form"]);
const TEXT_OR_TEXTS: Kind = Kind::OneOrMany(&Kind::Text);

const SCHEME: Key = key(
    "scheme",
    Kind::OneOf(&[
        "api_key",
        "basic",
        "bearer",
        "digest",
        "hmac",
        "http_signature",
        "jwt",
        "mtls",
        "signature",
    ]),
    "",
    "What kind of proof this step checks.",
);
const HEADER: Key = key(
    "header",
    Kind::Text,
    "",
    "The header that carries the proof.",
);
const QUERY: Key = key(
    "query",
    Kind::Text,
    "",
    "The query parameter that carries it.",
);
const JSON: Key = key(
    "json",
    Kind::Text,
    "",
    "The JSON Pointer into the body to it.",
);
const FORM: Key = key("form", Kind::Text, "", "The form field that carries it.");
const HEADERS: Key = key(
    "header",
    Kind::OneOrMany(&Kind::Text),
    "",
    "The header that carries the proof, or several; {n} counts from 1, as in X-Signature-{n}.",
);
const FOR_EACH: Key = key(
    "for_each",
    Kind::Text,
    "",
    "The JSON Pointer to an array: each of its elements must pass, and pointers start there.",
);
const GROUPS: Key = key(
    "groups",
    Kind::Text,
    "",
    "The character between several values in one place, each written as `format` says.",
);
const REPEATED: Key = key(
    "repeated",
    Kind::Flag,
    "false",
    "Whether the header may come several times: any of the signatures may match.",
);
const KEY_ID: Key = key(
    "key_id",
    Kind::Table(&KEY_PLACE),
    "",
    "Where the name of the key stands, if not in `format`.",
);
const SECRET_PREFIX: Key = key(
    "secret_prefix",
    Kind::Text,
    "",
    "Taken off the secret, where it stands, before it is decoded.",
);
const MAC_HASH: Key = key(
    "hash",
    Kind::OneOf(&["sha256", "sha1", "sha384", "sha512", "md5"]),
    "sha256",
    "The hash; md5 only with a secret, and only where the provider offers nothing else.",
);
pub(super) const HASH: Key = key(
    "hash",
    Kind::OneOf(&["sha256", "sha1", "sha384", "sha512"]),
    "sha256",
    "The hash.",
);
const FORMATS: Kind = Kind::Either(&[Kind::OneOrMany(&Kind::Text), Kind::Table(&FORMAT_JSON)]);
const FORMAT: Key = key(
    "format",
    FORMATS,
    "{signature}",
    "How it is written, with {signature}, {timestamp}, {id}, {key_id}, {any}; of a list the first that fits.",
);
pub(super) const ENCODING: Key = key(
    "encoding",
    Kind::OneOf(&["hex", "base64", "base64url"]),
    "hex",
    "How the bytes of the proof are written.",
);
const MESSAGE: Key = key("message", Kind::Text, "{body}", "What was signed.");
pub(super) const SECRET_ENCODING: Key = key(
    "secret_encoding",
    Kind::OneOf(&["text", "hex", "base64", "whsec", "sha1"]),
    "text",
    "How the bytes of the secret are written.",
);
const TIME: Key = key(
    "timestamp",
    Kind::Table(&TIMESTAMP),
    "",
    "When the sender signed.",
);
const TOLERANCE: Key = key(
    "tolerance",
    Kind::Duration,
    "",
    "How far that may be from now, both ways.",
);
pub(super) const SECRET: Key = key("secret", Kind::Secret, "", "This step's own secret.");
const PUBLIC_KEY: Key = key(
    "public_key",
    Kind::Secret,
    "",
    "This step's own public key.",
);

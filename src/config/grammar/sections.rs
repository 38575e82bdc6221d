//! The sections of the file other than providers and routes.

use super::{COUNT, Kind, PROVIDER, ROUTE, Section, TEST, key, section};

/// The whole file.
pub static ROOT: Section = section(
    "this file",
    "The sections of sidecar.toml.",
    &[
        key("server", Kind::Table(&SERVER), "", "Where callers connect."),
        key(
            "client_address",
            Kind::Table(&CLIENT_ADDRESS),
            "",
            "How the client's address is found.",
        ),
        key(
            "upstream",
            Kind::Table(&UPSTREAM),
            "",
            "The app behind gatepost.",
        ),
        key(
            "headers",
            Kind::Table(&HEADERS),
            "",
            "The headers the app receives.",
        ),
        key(
            "limits",
            Kind::Table(&LIMITS),
            "",
            "What one caller or all together may use.",
        ),
        key(
            "duplicates",
            Kind::Table(&DUPLICATES),
            "",
            "Where the events that the app has taken are remembered.",
        ),
        key("health", Kind::Table(&HEALTH), "", "Probes and metrics."),
        key(
            "admin",
            Kind::Table(&ADMIN),
            "",
            "The page and its read-only API.",
        ),
        key("log", Kind::Table(&LOG), "", "The log."),
        key(
            "reload",
            Kind::Table(&RELOAD),
            "",
            "When the configuration is read again.",
        ),
        key(
            "provider",
            Kind::NamedTables(&PROVIDER),
            "",
            "Your own providers, by name.",
        ),
        key(
            "route",
            Kind::Tables(&ROUTE),
            "",
            "What is accepted, and how it is verified.",
        ),
        key(
            "test",
            Kind::Tables(&TEST),
            "",
            "What `gatepost test` sends, and what must come of it.",
        ),
    ],
);

static SERVER: Section = section(
    "[server]",
    "Where callers connect.",
    &[
        key(
            "listen",
            Kind::Address,
            "0.0.0.0:8080",
            "The address callers connect to.",
        ),
        key(
            "drain",
            Kind::Duration,
            "20s",
            "How long a stopping process finishes accepted requests.",
        ),
        key(
            "protocols",
            Kind::List(&Kind::OneOf(&["http/1.1", "h2", "h2c"])),
            r#"["http/1.1", "h2"]"#,
            "h2 is chosen by ALPN over TLS; h2c adds prior knowledge in plain.",
        ),
        key(
            "proxy_protocol",
            Kind::Flag,
            "false",
            "Connections begin with a PROXY header.",
        ),
        key("tls", Kind::Table(&TLS), "", "Serve TLS."),
    ],
);

/// `[server.tls]`.
pub static TLS: Section = section(
    "[server.tls]",
    "TLS of the main listener.",
    &[
        key(
            "certificate",
            Kind::Secret,
            "",
            "The certificate chain, PEM. Re-read when it changes.",
        ),
        key(
            "private_key",
            Kind::Secret,
            "",
            "Its private key, PEM. Re-read when it changes.",
        ),
        key(
            "client_ca",
            Kind::Secret,
            "",
            "Callers need a certificate of this authority, PEM.",
        ),
        key(
            "client_certificate",
            Kind::OneOf(&["required", "optional"]),
            "required",
            "optional: callers of routes without mtls need none.",
        ),
        key(
            "min_version",
            Kind::OneOf(&["1.2", "1.3"]),
            "1.2",
            "The oldest version of TLS.",
        ),
    ],
);

static CLIENT_ADDRESS: Section = section(
    "[client_address]",
    "How the client's address is found. Without trusted proxies it is the TCP peer.",
    &[
        key(
            "trusted_proxies",
            Kind::OpenList(&Kind::Text),
            "[]",
            "Addresses and CIDRs of the proxies in front. No other header is believed.",
        ),
        key(
            "from",
            Kind::Text,
            "x-forwarded-for",
            "x-forwarded-for, forwarded, a header name, or proxy-protocol.",
        ),
    ],
);

/// `[upstream]`.
pub static UPSTREAM: Section = section(
    "[upstream]",
    "The app behind gatepost.",
    &[
        key(
            "url",
            Kind::Text,
            "",
            "http://host:port, unix:/path, or echo: for the built-in app.",
        ),
        key(
            "connect_timeout",
            Kind::Duration,
            "2s",
            "How long a connection may take.",
        ),
        key(
            "timeout",
            Kind::Duration,
            "30s",
            "How long the app may take to answer.",
        ),
        key(
            "pool_idle",
            Kind::Duration,
            "30s",
            "How long an unused connection is kept.",
        ),
        key(
            "ca",
            Kind::Secret,
            "",
            "The authority of the app's certificate, PEM.",
        ),
        key(
            "host",
            Kind::Text,
            "preserve",
            "The Host sent: preserve, upstream, or a name.",
        ),
        key(
            "assertion",
            Kind::Secret,
            "",
            "Signs a statement with every event: an Ed25519 private key, PEM, or a secret.",
        ),
    ],
);

static HEADERS: Section = section(
    "[headers]",
    "The headers the app receives.",
    &[
        key(
            "prefix",
            Kind::Text,
            "X-Gatepost-",
            "How the names of our headers begin.",
        ),
        key(
            "strip_credentials",
            Kind::Flag,
            "true",
            "Static credentials do not reach the app.",
        ),
        key(
            "cloudevents",
            Kind::Flag,
            "false",
            "Adds CloudEvents ce-* headers.",
        ),
    ],
);

static LIMITS: Section = section(
    "[limits]",
    "What one caller or all together may use.",
    &[
        key("body", Kind::Size, "1MiB", "The largest body."),
        key(
            "header_bytes",
            Kind::Size,
            "16KiB",
            "The largest request head.",
        ),
        key(
            "header_count",
            // A header map holds no more than 24576.
            Kind::Integer {
                min: 1,
                max: 10_000,
            },
            "100",
            "The most headers.",
        ),
        key(
            "header_timeout",
            Kind::Duration,
            "5s",
            "How long a request head may take.",
        ),
        key(
            "body_timeout",
            Kind::Duration,
            "10s",
            "How long a body may take.",
        ),
        key(
            "send_timeout",
            Kind::Duration,
            "30s",
            "How long a caller may take nothing of its answer.",
        ),
        key(
            "idle_timeout",
            Kind::Duration,
            "75s",
            "How long a connection may wait for its next request.",
        ),
        key("connections", COUNT, "10000", "The most connections."),
        key(
            "in_flight",
            COUNT,
            "1024",
            "The most requests at once. HTTP/2 connections may have one stream each, and four times \
             this number more together.",
        ),
        key(
            "buffered",
            Kind::Size,
            "256MiB",
            "The most bytes of all bodies together.",
        ),
    ],
);

/// `[duplicates]`.
pub static DUPLICATES: Section = section(
    "[duplicates]",
    "Where the events that the app has taken are remembered.",
    &[
        key(
            "store",
            Kind::OneOf(&["memory", "redis"]),
            "memory",
            "redis is one memory for all replicas.",
        ),
        key(
            "redis",
            Kind::Secret,
            "",
            "The URL: redis://, rediss:// for TLS, redis-cluster://, rediss-cluster:// or unix://.",
        ),
        key(
            "password",
            Kind::Secret,
            "",
            "The password of Redis, where it is not in the URL.",
        ),
        key(
            "ca",
            Kind::Secret,
            "",
            "The authority of the certificate of Redis, PEM.",
        ),
        key(
            "prefix",
            Kind::Text,
            "gatepost:",
            "How the keys in Redis begin: apps that share one need one each.",
        ),
        key(
            "remember",
            Kind::Duration,
            "15d",
            "How long an event is remembered.",
        ),
        key(
            "capacity",
            // A part of the memory counts in 32 bits.
            Kind::Integer {
                min: 1,
                max: 100_000_000,
            },
            "1000000",
            "The most events remembered in memory; the oldest go first.",
        ),
        key(
            "on_store_error",
            Kind::OneOf(&["reject", "forward"]),
            "reject",
            "When Redis cannot be asked: reject answers 503, forward lets copies pass.",
        ),
    ],
);

static HEALTH: Section = section(
    "[health]",
    "Probes and metrics.",
    &[key(
        "listen",
        Kind::Either(&[Kind::OneOf(&["off"]), Kind::Address]),
        "0.0.0.0:9901",
        "The address of /startupz, /livez, /readyz and /metrics, or off.",
    )],
);

static ADMIN: Section = section(
    "[admin]",
    "The page and its read-only API.",
    &[key(
        "listen",
        Kind::Either(&[Kind::OneOf(&["off"]), Kind::Address]),
        "127.0.0.1:9902",
        "The address of the page, or off.",
    )],
);

static LOG: Section = section(
    "[log]",
    "The log.",
    &[
        key(
            "format",
            Kind::OneOf(&["auto", "text", "json"]),
            "auto",
            "auto is text on a terminal.",
        ),
        key(
            "level",
            Kind::OneOf(&["error", "warn", "info", "debug", "trace"]),
            "info",
            "The least important lines that are written.",
        ),
    ],
);

static RELOAD: Section = section(
    "[reload]",
    "When the configuration is read again.",
    &[
        key(
            "watch",
            Kind::Flag,
            "true",
            "Watch the file and every secret file, by content.",
        ),
        key(
            "poll",
            Kind::Duration,
            "2s",
            "How often they are looked at.",
        ),
    ],
);

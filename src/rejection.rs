//! Every reason why a request is not forwarded, in one exhaustive enum.
//!
//! The caller learns the status only; the code goes to the log, the metrics and `explain`.

use std::fmt;

use http::StatusCode;

/// Who has to act on a refusal: decides the level of its log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The caller sent something that cannot be accepted.
    Client,
    /// gatepost cannot decide or cannot take more work now.
    Gatepost,
    /// The app behind gatepost failed.
    Upstream,
}

macro_rules! rejections {
    ($($(#[$doc:meta])* $variant:ident, $code:literal, $status:ident, $fault:ident, $message:literal, $fix:literal;)*) => {
        /// Why a request was refused. One variant per row of the reasons table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rejection {
            $(#[doc = $message] $(#[$doc])* $variant,)*
        }

        impl Rejection {
            /// All of them, in the order of the reasons table.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable name: log field, metric label, argument of `explain`.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The status the caller receives, unless the route sets `reject_status`.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// What happened, for the operator.
            pub const fn message(self) -> &'static str {
                match self { $(Self::$variant => $message,)* }
            }

            /// What the operator can do about it.
            pub const fn fix(self) -> &'static str {
                match self { $(Self::$variant => $fix,)* }
            }

            /// Who has to act.
            pub const fn fault(self) -> Fault {
                match self { $(Self::$variant => Fault::$fault,)* }
            }
        }
    };
}

rejections! {
    RequestMalformed, "request_malformed", BAD_REQUEST, Client,
        "the request is not unambiguous HTTP (framing, Host or a header name)",
        "look at what sends it: providers send one Host, one length, and plain header names";
    PathInvalid, "path_invalid", BAD_REQUEST, Client,
        "the path could be read in two ways (encoded slash, backslash, NUL, `//` or a dot segment)",
        "register the provider's URL with the plain path of the route";
    NoRoute, "no_route", NOT_FOUND, Client,
        "no route matches the host and path",
        "compare the path in the log with `path` of the routes; paths match exactly unless they end in `/*`";
    MethodNotAllowed, "method_not_allowed", METHOD_NOT_ALLOWED, Client,
        "the route does not take this method",
        "add the method to `methods` of the route if the provider really sends it";
    ClientAddressUnknown, "client_address_unknown", BAD_REQUEST, Client,
        "a trusted proxy sent no readable client address",
        "let the proxy set the header named by `client_address.from`, or correct that key";
    IpNotAllowed, "ip_not_allowed", FORBIDDEN, Client,
        "the client address is not in the route's `allow_ips`",
        "if the address is your own ingress, add it to `client_address.trusted_proxies`; if it is the provider's, add it to `allow_ips`";
    RateLimited, "rate_limited", TOO_MANY_REQUESTS, Client,
        "the client sends more than the route's `rate`",
        "raise `rate` of the route if the provider's bursts are larger";
    CertificateMissing, "certificate_missing", UNAUTHORIZED, Client,
        "the connection has no client certificate",
        "let the provider present its certificate to gatepost itself: TLS must not end before it";
    CertificateWrong, "certificate_wrong", UNAUTHORIZED, Client,
        "the client certificate has none of the names or fingerprints of the route",
        "compare `san_dns`, `san_uri` or `fingerprint` of the step with the provider's certificate (openssl x509 -noout -ext subjectAltName -fingerprint -sha256)";
    CredentialMissing, "credential_missing", UNAUTHORIZED, Client,
        "the credential is not in the request",
        "set the credential in the provider's dashboard, and check that no proxy in front removes the header";
    CredentialRepeated, "credential_repeated", BAD_REQUEST, Client,
        "the credential, or a value that is signed, is in the request more than once, or in two spellings",
        "look at what sends it: a provider sends it once. Where it signs in several lines of a header while keys change, set `repeated`";
    CredentialMalformed, "credential_malformed", UNAUTHORIZED, Client,
        "the credential does not have the form its scheme prescribes",
        "compare the scheme of the route with what the provider's dashboard says it sends";
    CredentialWrong, "credential_wrong", UNAUTHORIZED, Client,
        "the credential matches none of the secrets in force",
        "compare the secret with the provider's dashboard; look for a trailing newline, another environment's secret, or one past `until`";
    SignatureMissing, "signature_missing", UNAUTHORIZED, Client,
        "the signature is not in the request",
        "turn signing on in the provider's dashboard, and check that no proxy in front removes the header";
    SignatureMalformed, "signature_malformed", UNAUTHORIZED, Client,
        "the signature does not have the form of `format` and `encoding`",
        "compare `format` and `encoding` of the route with one captured header of the provider; a value of `message` that its filter refuses is malformed, too";
    SignatureMismatch, "signature_mismatch", UNAUTHORIZED, Client,
        "the signature matches none of the secrets or keys in force",
        "compare the secret or key with the provider's dashboard; then check that nothing in front rewrites the body";
    DigestMismatch, "digest_mismatch", UNAUTHORIZED, Client,
        "the digest is not that of the body",
        "check that nothing in front rewrites the body, and whether the provider keys its digest";
    TimestampMissing, "timestamp_missing", UNAUTHORIZED, Client,
        "the signed timestamp is not in the request",
        "compare `timestamp` and `format` of the route with one captured request of the provider";
    TimestampMalformed, "timestamp_malformed", UNAUTHORIZED, Client,
        "the signed timestamp cannot be read",
        "compare `timestamp.unit` of the route with one captured request of the provider";
    TimestampTooOld, "timestamp_too_old", UNAUTHORIZED, Client,
        "the signed timestamp is older than `tolerance`",
        "if all requests are refused so, this host's clock is ahead; if single ones are, they were delayed or replayed";
    TimestampInFuture, "timestamp_in_future", UNAUTHORIZED, Client,
        "the signed timestamp is further ahead than `tolerance`",
        "this host's clock is probably behind: check NTP";
    JwtMalformed, "jwt_malformed", UNAUTHORIZED, Client,
        "the token is not a compact JWS, or its header asks for something not supported",
        "compare `header` and `prefix` of the route with one captured request of the provider";
    JwtAlgorithmNotAllowed, "jwt_algorithm_not_allowed", UNAUTHORIZED, Client,
        "the token's `alg` is not one of the route's `algorithms`",
        "the provider's documentation names the algorithm; a token never chooses it";
    JwtSignature, "jwt_signature", UNAUTHORIZED, Client,
        "the token's signature matches none of the secrets or keys in force",
        "compare the secret with the provider's dashboard, and `secret_encoding` (a `whsec_` secret as text or as base64)";
    JwtExpired, "jwt_expired", UNAUTHORIZED, Client,
        "the token is past `exp` plus `leeway`, or older than `max_age`",
        "if all tokens are refused so, this host's clock is ahead; if single ones are, they were delayed or replayed";
    JwtNotYetValid, "jwt_not_yet_valid", UNAUTHORIZED, Client,
        "the token's `nbf` or `iat` is further ahead than `leeway`",
        "this host's clock is probably behind: check NTP";
    JwtClaim, "jwt_claim", UNAUTHORIZED, Client,
        "a claim is absent, of the wrong type, or not the configured value",
        "compare `issuer`, `audience` and `required_claims` of the route with one captured token";
    JwtBodyHash, "jwt_body_hash", UNAUTHORIZED, Client,
        "the token's body hash is not that of the body",
        "check that nothing in front rewrites the body, and `body_hash` of the route";
    ChallengeAsEvent, "challenge_as_event", UNAUTHORIZED, Client,
        "the signed message has the shape of a handshake's challenge, which gatepost signs for anybody",
        "nothing: no event of the provider looks like this; narrow `alphabet` or `max` of the handshake if one does";
    HandshakeMalformed, "handshake_malformed", BAD_REQUEST, Client,
        "the provider's handshake has a challenge of another shape than the configuration takes",
        "compare `alphabet`, `min` and `max` of the handshake with one captured request of the provider";
    HandshakeToken, "handshake_token_wrong", FORBIDDEN, Client,
        "the handshake repeats another token than the route's `verify_token`",
        "compare `verify_token` with the one that was given to the provider";
    BodyTooLarge, "body_too_large", PAYLOAD_TOO_LARGE, Client,
        "the body is larger than `limits.body`",
        "raise `limits.body` of the route if the provider's events are larger";
    BodyTimeout, "body_timeout", REQUEST_TIMEOUT, Client,
        "the body did not arrive within `limits.body_timeout`",
        "raise `limits.body_timeout` if the provider is on a slow line";
    BodyIncomplete, "body_incomplete", BAD_REQUEST, Client,
        "the body broke off before its end",
        "the caller hung up or a proxy in front cut the body; the provider should retry";
    ExpectationUnknown, "expectation_unknown", EXPECTATION_FAILED, Client,
        "the request expects something other than `100-continue`",
        "look at what sends it: providers expect nothing else";
    BodyEncoded, "body_encoded", UNSUPPORTED_MEDIA_TYPE, Client,
        "the body has a Content-Encoding, and what is signed is the plain body",
        "turn compression off in the provider's dashboard or in the proxy in front";
    EventMissing, "event_missing", BAD_REQUEST, Client,
        "the route requires an event type and the request has none that can be read",
        "compare `event.type` of the route with one captured body";
    EventAmbiguous, "event_ambiguous", BAD_REQUEST, Client,
        "a key on the way to the event type is repeated, so two readers would read two types",
        "the provider sends a repeated JSON key: ask it to stop, or set `event.required = false`";
    Duplicate, "duplicate", CONFLICT, Client,
        "a copy of an event that the app has taken, on a route that rejects copies",
        "nothing: the app has it; `duplicates = \"acknowledge\"` answers 200 instead";
    EventInFlight, "event_in_flight", SERVICE_UNAVAILABLE, Client,
        "a copy of an event that the app is working on; it may still fail",
        "nothing: the sender tries again; if it happens often, look why the app is slow, or whether `event.id` differs in every event";
    StoreUnavailable, "store_unavailable", SERVICE_UNAVAILABLE, Gatepost,
        "whether the event is a copy cannot be told: Redis cannot be asked",
        "look at `[duplicates]` and at Redis; `on_store_error = \"forward\"` lets copies pass meanwhile";
    SchemaMismatch, "schema_mismatch", BAD_REQUEST, Client,
        "the verified body does not satisfy the route's `schema`",
        "the log says where (`schema_at`) and by which keyword; correct the schema, or ask the provider what changed";
    Overloaded, "overloaded", SERVICE_UNAVAILABLE, Gatepost,
        "a limit on connections, requests in flight or buffered bytes is reached",
        "raise `limits.in_flight` or `limits.buffered`, or look why the app is slow";
    Draining, "draining", SERVICE_UNAVAILABLE, Gatepost,
        "the process is stopping",
        "nothing: the provider retries and another replica answers";
    Internal, "internal", INTERNAL_SERVER_ERROR, Gatepost,
        "a fault in gatepost ended this request",
        "report it with the log lines around it; the request was not forwarded";
    UpstreamUnreachable, "upstream_unreachable", BAD_GATEWAY, Upstream,
        "no connection to the app",
        "is the app listening on `upstream.url`?";
    UpstreamTimeout, "upstream_timeout", GATEWAY_TIMEOUT, Upstream,
        "the app did not answer within `upstream.timeout`",
        "raise `upstream.timeout`, or look why the app is slow";
    UpstreamFailed, "upstream_failed", BAD_GATEWAY, Upstream,
        "the app broke the connection or answered something that is not HTTP",
        "look into the app's log at this time; the request may have reached it";
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Rejection {}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_snake_case() {
        let mut seen = HashSet::new();
        for rejection in Rejection::ALL {
            let code = rejection.code();
            assert!(seen.insert(code), "{code} twice");
            assert!(
                code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{code}"
            );
        }
    }

    /// Pins design.md §6: never a redirect and never 410, which makes senders give up.
    #[test]
    fn statuses_are_errors_that_no_sender_takes_as_final() {
        for rejection in Rejection::ALL {
            let status = rejection.status();
            assert!(
                status.is_client_error() || status.is_server_error(),
                "{status}"
            );
            assert_ne!(status, StatusCode::GONE);
        }
    }
}

//! What is signed: variables and filters of `message`.

use super::{PATH, SECRET, delivery, routed, setup};
use crate::harness::{Delivery, Upstream};
use crate::signing::{base64, base64url, digest, hex, hmac, now};

const BODY: &str = r#"{"a":{"b":"Value"},"n":12.50}"#;

#[test]
fn a_message_is_made_of_any_part_of_the_request() {
    let app = Upstream::recording();
    let target = format!("{PATH}?x=a%20b&y=2");
    let time = now().to_string();
    let hash = digest("sha256", BODY.as_bytes());
    let url = format!("https://hooks.acme.example{target}");
    for (message, signed) in [
        ("{body}", BODY.to_owned()),
        ("{body}{body}", format!("{BODY}{BODY}")),
        ("before{body}after", format!("before{BODY}after")),
        ("{method}", "POST".into()),
        (
            "{method}\\n{path}\\n{query:x}\\n",
            format!("POST\n{PATH}\na b\n"),
        ),
        ("{url}", url.clone()),
        ("{url}{body}", format!("{url}{BODY}")),
        ("{host}", "hooks.acme.example".into()),
        ("{header:X-Extra}", "Extra Value".into()),
        ("{header:x-extra|lower}", "extra value".into()),
        (
            "{header:X-Extra|upper}.{body}",
            format!("EXTRA VALUE.{BODY}"),
        ),
        ("{query:x}{query:y}", "a b2".into()),
        ("{query:absent}.{body}", format!(".{BODY}")),
        ("{json:/a/b}|{json:/n}", "Value|12.50".into()),
        ("{body|sha256|hex}", hex(&hash)),
        ("{body|sha256|hex|upper}", hex(&hash).to_uppercase()),
        ("{body|sha256|base64}", base64(&hash)),
        (
            "{body|sha512|base64url}",
            base64url(&digest("sha512", BODY.as_bytes())),
        ),
        (
            "{timestamp}.{id}.{body|sha1|hex}",
            format!("{time}.id-7.{}", hex(&digest("sha1", BODY.as_bytes()))),
        ),
        ("{secret}{body}", format!("{SECRET}{BODY}")),
    ] {
        let time_rule = if message.contains("{timestamp}") {
            ", timestamp = { header = \"X-Time\" }"
        } else {
            ""
        };
        let step = format!(
            "[{{ scheme = \"hmac\", header = \"X-Sig\", message = \"{message}\"{time_rule} }}]"
        );
        let keys =
            "secret = { env = \"ACME_SECRET\" }\npublic_url = \"https://hooks.acme.example\"";
        let gate = routed(&app, &step, keys).env("ACME_SECRET", SECRET).start();
        let good = Delivery {
            target: target.clone(),
            ..delivery(BODY)
        }
        .header("X-Extra", "Extra Value")
        .header("X-Time", &time)
        .header("X-Id", "id-7")
        .header(
            "X-Sig",
            hex(&hmac("sha256", SECRET.as_bytes(), signed.as_bytes())),
        );
        gate.passes(message, &good);
        let covers = |variable: &str| message.contains(variable);
        let changed: [(bool, Delivery); 6] = [
            (
                covers("{body") || covers("{json"),
                Delivery {
                    body: BODY.replace("Value", "Other").into(),
                    ..good.clone()
                },
            ),
            (
                covers("{method"),
                Delivery {
                    method: "PUT".into(),
                    ..good.clone()
                },
            ),
            (
                covers("{query:x") || covers("{url"),
                Delivery {
                    target: target.replace("a%20b", "a%20c"),
                    ..good.clone()
                },
            ),
            (
                covers("{header"),
                good.clone().with("X-Extra", "extra  value"),
            ),
            (covers("{id"), good.clone().with("X-Id", "id-8")),
            (
                covers("{url") || covers("{host"),
                good.clone().header("Host", "evil.example"),
            ),
        ];
        for (at, (covered, delivery)) in changed.into_iter().enumerate() {
            let case = format!("{message}: change {at}");
            // The provider's own idea of its URL counts, not a header.
            if covered && at != 5 {
                gate.refuses(&case, &delivery, 401, "signature_mismatch");
            } else {
                gate.passes(&case, &delivery);
            }
        }
    }
}

#[test]
fn a_signed_header_must_be_there_once() {
    let app = Upstream::recording();
    let gate = setup(
        &app,
        "scheme = \"hmac\", header = \"X-Sig\", message = \"{header:X-Extra}.{body}\"",
    )
    .start();
    let sig = |extra: &str| {
        hex(&hmac(
            "sha256",
            SECRET.as_bytes(),
            format!("{extra}.{BODY}").as_bytes(),
        ))
    };
    let good = delivery(BODY)
        .header("X-Sig", sig("a"))
        .header("X-Extra", "a");
    gate.passes("once", &good);
    gate.refuses(
        "missing",
        &good.clone().without("X-Extra"),
        401,
        "signature_missing",
    );
    gate.refuses(
        "missing, signed as empty",
        &delivery(BODY).header("X-Sig", sig("")),
        401,
        "signature_missing",
    );
    gate.refuses(
        "twice",
        &good.clone().header("X-Extra", "b"),
        400,
        "credential_repeated",
    );
    gate.refuses(
        "in an alias",
        &good.without("X-Extra").header("X_Extra", "a"),
        401,
        "signature_missing",
    );
}

#[test]
fn a_message_that_cannot_be_built_does_not_start() {
    let app = Upstream::recording();
    for message in [
        "",
        "{body",
        "body}",
        "{bodi}",
        "{body|rot13}",
        "{form|mixed}",
        "{config:account}",
        "[{query:a}",
        "[{path}]",
        "{header:}",
        "{header:X Y}",
        "{json:a}",
        "{url}",
        "{host}",
        "{timestamp}.{body}",
    ] {
        let step = format!("scheme = \"hmac\", header = \"X-Sig\", message = \"{message}\"");
        let output = setup(&app, &step).run(&["check"]);
        assert_eq!(output.status.code(), Some(78), "{message}");
    }
}

//! Which route takes a request, and the paths that two readers would read differently.

use crate::harness::{Delivery, Gatepost, Setup, Upstream};

const SECRET: &str = "paths-secret-0123456";

fn start(app: &Upstream, routes: &[&str]) -> Gatepost {
    let mut setup = Setup::new(app).env("SECRET", SECRET);
    for route in routes {
        setup = setup.toml(&format!(
            "[[route]]\n{route}\nsecret = {{ env = \"SECRET\" }}\nverify = [{{ scheme = \"api_key\", header = \"X-Key\" }}]"
        ));
    }
    setup.start()
}

fn to(target: &str) -> Delivery {
    Delivery::post(target).header("X-Key", SECRET).body("{}")
}

#[test]
fn paths_that_could_be_read_in_two_ways_are_refused() {
    let app = Upstream::recording();
    let gate = start(&app, &["path = \"/hooks/acme\"", "path = \"/open/*\""]);
    for target in [
        "//hooks/acme",
        "/hooks//acme",
        "/hooks/acme//",
        "/./hooks/acme",
        "/hooks/./acme",
        "/hooks/acme/.",
        "/x/../hooks/acme",
        "/hooks/acme/..",
        "/%2e/hooks/acme",
        "/x/%2e%2e/hooks/acme",
        "/x/%2E./hooks/acme",
        "/x/.%2e/hooks/acme",
        "/hooks%2facme",
        "/hooks%2Facme",
        "/hooks%5cacme",
        "/hooks/acme%00",
        "/hooks/acme%00.json",
        "/open/../hooks/acme",
        "/open/..%2fhooks",
        "/open/%2e%2e",
        "/open/..;/hooks/acme",
        "/open/.;x/a",
        "/open/a%5C..%5Cb",
        "/open//a",
        "/hooks/acme%c0%af",
        "/open/%C0%AE%c0%ae/a",
        "/open/a%c1%9cb",
    ] {
        gate.refuses(target, &to(target), 400, "path_invalid");
    }
    let backslash = gate.send(&to("/hooks\\acme"));
    assert_eq!(backslash.status, 400);
    assert!(app.requests().is_empty());
}

#[test]
fn an_exact_path_is_exact() {
    let app = Upstream::recording();
    let gate = start(&app, &["path = \"/hooks/acme\""]);
    for target in [
        "/",
        "/hooks",
        "/hooks/",
        "/hooks/acme/",
        "/hooks/acme/x",
        "/hooks/acm",
        "/hooks/acmee",
        "/Hooks/acme",
        "/HOOKS/ACME",
        "/hooks/%61cme",
        "/hooks/acme;x=1",
        "/hooks/acme%20",
        "/hooks/acme.",
        "/hooks/acme.json",
        "/hooks/acme%3f",
        "/hooks/acme&a=b",
    ] {
        gate.refuses(target, &to(target), 404, "no_route");
    }
    for target in [
        "/hooks/acme",
        "/hooks/acme?",
        "/hooks/acme?a=//../%2f",
        "/hooks/acme?a=b?c",
    ] {
        let Some(received) = gate.passes(target, &to(target)) else {
            continue;
        };
        assert_eq!(received.line, format!("POST {target} HTTP/1.1"));
    }
}

#[test]
fn a_path_decides_before_a_host_and_a_host_before_a_method() {
    let app = Upstream::recording();
    let gate = start(
        &app,
        &[
            "path = \"/*\"",
            "path = \"/a/*\"\nmethods = [\"POST\", \"GET\"]",
            "path = \"/a/exact\"\nmethods = [\"PUT\", \"POST\"]",
            "path = \"/h\"\nhost = \"one.example\"",
            "path = \"/h\"\nhost = \"two.example\"\nmethods = [\"PUT\"]",
            "path = \"/h\"\nmethods = [\"GET\"]",
        ],
    );
    for (method, target, host, route) in [
        ("POST", "/", "x", "/*"),
        ("POST", "/other/deep", "x", "/*"),
        ("POST", "/a", "x", "/*"),
        ("POST", "/a/", "x", "/a/*"),
        ("GET", "/a/b/c", "x", "/a/*"),
        ("PUT", "/a/exact", "x", "/a/exact"),
        ("POST", "/h", "one.example", "/h"),
        ("POST", "/h", "ONE.example:8080", "/h"),
        ("PUT", "/h", "two.example", "/h"),
        ("GET", "/h", "three.example", "/h"),
    ] {
        let delivery = Delivery {
            method: method.into(),
            ..to(target).header("Host", host)
        };
        let case = format!("{method} {host}{target}");
        let Some(received) = gate.passes(&case, &delivery) else {
            continue;
        };
        assert_eq!(received.header("x-gatepost-route"), Some(route), "{case}");
        assert!(
            received.line.starts_with(&format!("{method} {target} ")),
            "{case}: {}",
            received.line
        );
    }
    for (method, target, host, allow) in [
        ("GET", "/", "x", "POST"),
        ("DELETE", "/a/b", "x", "POST, GET"),
        ("GET", "/a/exact", "x", "PUT, POST"),
        ("PATCH", "/h", "one.example", "POST"),
        ("PATCH", "/h", "x", "GET"),
        ("OPTIONS", "/", "x", "POST"),
        ("TRACE", "/", "x", "POST"),
        ("post", "/", "x", "POST"),
        ("PROPFIND", "/", "x", "POST"),
    ] {
        let delivery = Delivery {
            method: method.into(),
            ..to(target).header("Host", host)
        };
        let case = format!("{method} {host}{target}");
        let response = gate.refuses(&case, &delivery, 405, "method_not_allowed");
        assert_eq!(response.header("allow"), Some(allow), "{case}");
    }
    let head = Delivery {
        method: "HEAD".into(),
        ..to("/")
    };
    let mut client = gate.connect();
    assert_eq!(client.send(&head.to_bytes()).head().unwrap().status, 405);
}

/// What the open route of a mixed app takes must not reach the handler of a verified one.
#[test]
fn a_verified_path_does_not_slip_through_an_open_route() {
    let app = Upstream::recording();
    let verified = |path: &str| {
        format!(
            "[[route]]\npath = \"{path}\"\nsecret = {{ env = \"SECRET\" }}\nverify = [{{ scheme = \"api_key\", header = \"X-Key\" }}]\n"
        )
    };
    let gate = Setup::new(&app)
        .env("SECRET", SECRET)
        .toml(&(verified("/hooks/acme") + &verified("/v/*") + &verified("/hook.php")))
        .toml("[[route]]\npath = \"/*\"\nmode = \"passthrough\"\nmethods = [\"POST\", \"GET\"]")
        .start();
    for target in [
        "/hooks/acme/",
        "/Hooks/acme",
        "/HOOKS/ACME",
        "/hooks/%61cme",
        "/hooks/%2561cme",
        "/hooks/acme;x=1",
        "/hooks;x/acme",
        "/hooks/acme.json",
        "/hooks/acme.",
        "/hooks/acme%20",
        "/hooks/acme%0a",
        "/hooks/acme%3fx",
        "/hooks/acme%23x",
        "/hooks/acme%3bx",
        "/V/x",
        "/%76/x",
        "/v;x/y",
        "/hook.php/x",
        "/HOOK.PHP",
        "/hook.php/",
        "/hooks/acme/?x",
    ] {
        gate.refuses(target, &Delivery::post(target), 400, "path_invalid");
        let read = Delivery::new("GET", target);
        gate.refuses(target, &read, 400, "path_invalid");
    }
    for target in [
        "/hooks/acme2",
        "/hooks",
        "/hooks/acme/below",
        "/",
        "/index.html",
        "/hooks/acme-old",
        "/vv/x",
        "/login;x=1",
    ] {
        let Some(received) = gate.passes(target, &Delivery::post(target)) else {
            continue;
        };
        gate.tells(
            target,
            &received,
            &[("client-ip", "127.0.0.1"), ("route", "/*")],
        );
    }
    gate.refuses(
        "verified",
        &Delivery::post("/hooks/acme"),
        401,
        "credential_missing",
    );
    gate.refuses("below", &Delivery::post("/v/x"), 401, "credential_missing");
}

/// To an app that does not mind the last slash, `/v` is the `/v/` that `/v/*` verifies.
#[test]
fn a_verified_prefix_is_not_open_without_its_slash() {
    let app = Upstream::recording();
    let gate = Setup::new(&app)
        .env("SECRET", SECRET)
        .toml("[[route]]\npath = \"/v/*\"\nsecret = { env = \"SECRET\" }\nverify = [{ scheme = \"api_key\", header = \"X-Key\" }]")
        .toml("[[route]]\npath = \"/*\"\nmode = \"passthrough\"\nmethods = [\"POST\", \"GET\"]")
        .start();
    for target in ["/v", "/V", "/%76", "/v;x"] {
        gate.refuses(target, &Delivery::post(target), 400, "path_invalid");
    }
}

#[test]
fn the_app_may_know_another_path() {
    let app = Upstream::recording();
    let gate = start(
        &app,
        &["path = \"/hooks/acme\"\nupstream_path = \"/internal/hook\""],
    );
    let received = gate.accepts("rewritten", &to("/hooks/acme?a=%2f&b"));
    assert_eq!(received.line, "POST /internal/hook?a=%2f&b HTTP/1.1");
    assert_eq!(received.header("x-gatepost-route"), Some("/hooks/acme"));
    gate.refuses(
        "not by its own name",
        &to("/internal/hook"),
        404,
        "no_route",
    );
}

#[test]
fn routes_that_clash_or_cannot_match_do_not_start() {
    let app = Upstream::recording();
    let route = |keys: &str| {
        format!(
            "[[route]]\n{keys}\nsecret = {{ env = \"SECRET\" }}\nverify = [{{ scheme = \"api_key\", header = \"X-Key\" }}]\n"
        )
    };
    for (case, toml) in [
        (
            "the same twice",
            route("path = \"/a\"") + &route("path = \"/a\""),
        ),
        (
            "prefixes",
            route("path = \"/a/*\"") + &route("path = \"/a/*\"\nmethods = [\"POST\", \"PUT\"]"),
        ),
        (
            "the same host",
            route("path = \"/a\"\nhost = \"h\"") + &route("path = \"/a\"\nhost = \"H\""),
        ),
        ("no slash", route("path = \"a\"")),
        ("a star inside", route("path = \"/a/*/b\"")),
        ("a dot segment", route("path = \"/a/../b\"")),
        ("two slashes", route("path = \"/a//b\"")),
        ("an encoded slash", route("path = \"/a%2fb\"")),
        ("a query", route("path = \"/a?b\"")),
        ("no path", route("")),
    ] {
        let output = Setup::new(&app)
            .env("SECRET", SECRET)
            .toml(&toml)
            .run(&["check"]);
        assert_eq!(output.status.code(), Some(78), "{case}: {output:?}");
    }
}

/// Nothing is checked later than start-up (design.md §3).
#[test]
fn the_path_of_the_app_is_checked_at_start() {
    let app = Upstream::recording();
    for path in [
        "/a/../b",
        "a",
        "",
        "/a b",
        "/a?x=1",
        "/a#b",
        "/a//b",
        "/a%2fb",
        "/\u{e9}",
        "http://other/a",
    ] {
        let toml = format!(
            "[[route]]\npath = \"/a\"\nupstream_path = \"{path}\"\nsecret = {{ env = \"SECRET\" }}\n\
             verify = [{{ scheme = \"api_key\", header = \"X-Key\" }}]"
        );
        let output = Setup::new(&app)
            .env("SECRET", SECRET)
            .toml(&toml)
            .run(&["check"]);
        assert_eq!(output.status.code(), Some(78), "{path:?}: {output:?}");
    }
}

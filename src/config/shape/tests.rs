use super::super::grammar::{PROVIDER, ROOT};
use super::super::source::Files;
use super::super::tree;
use super::*;

/// `line:column message; fix` of every problem.
fn problems(text: &str, section: &'static Section) -> Vec<String> {
    let mut files = Files::new();
    let file = files.add("a.toml", text);
    let (table, syntax) = tree::parse(&files, file);
    let mut problems = Problems::new();
    problems.extend(syntax);
    check(&table, section, &mut problems);
    let told = |problem: &super::super::problem::Problem| {
        let at = files.position(problem.span.unwrap());
        format!(
            "{}:{} {}; {}",
            at.line, at.column, problem.message, problem.fix
        )
    };
    problems.sorted().into_iter().map(told).collect()
}

fn assert_problem(text: &str, section: &'static Section, expected: &str) {
    assert_eq!(problems(text, section), [expected], "{text}");
}

#[test]
fn accepts_every_section_of_the_contract() {
    let text = include_str!("contract.toml");
    assert_eq!(problems(text, &ROOT), Vec::<String>::new());
}

#[test]
fn says_what_was_meant_by_an_unknown_key_or_where_it_belongs() {
    for (text, expected) in [
        (
            "[server]\nlisen = 'a:1'",
            "2:1 unknown key `lisen` in `[server]`; did you mean `listen`?",
        ),
        (
            "[server]\nurl = 'a'",
            "2:1 unknown key `url` in `[server]`; `url` belongs to `[upstream]`",
        ),
        (
            "[health]\nx = 1",
            "2:1 unknown key `x` in `[health]`; the keys here are `listen`",
        ),
        (
            "[health]\nport = 1",
            "2:1 unknown key `port` in `[health]`; here it is called `listen`",
        ),
        (
            "[[route]]\nsalt = 1",
            "2:1 unknown key `salt` in `[[route]]`; `salt` belongs to scheme `signature`",
        ),
        (
            "[[route]]\nrepeats = 1",
            "2:1 unknown key `repeats` in `[[route]]`; ",
        ),
        (
            "[repeats]\nstore = 1",
            "1:2 unknown key `repeats` in this file; ",
        ),
        (
            "[provider.x]\npath = '/'",
            "2:1 unknown key `path` in `[provider.NAME]`; `path` belongs to `[[route]]`",
        ),
    ] {
        let found = problems(text, &ROOT);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(expected), "{found:?}");
    }
}

#[test]
fn a_key_that_the_scheme_does_not_know_is_an_error_naming_the_scheme() {
    for (step, expected) in [
        (
            "scheme = 'hmac', salt = 'max'",
            "1:29 scheme `hmac` has no key `salt`; `salt` belongs to scheme `signature`",
        ),
        (
            "scheme = 'hmac', heder = 'X'",
            "1:29 scheme `hmac` has no key `heder`; did you mean `header`?",
        ),
        (
            "scheme = 'hmac', username = 'x'",
            "1:29 scheme `hmac` has no key `username`; `username` belongs to scheme `basic`",
        ),
        (
            "scheme = 'digest', secret_encoding = 'hex'",
            "1:31 scheme `digest` has no key `secret_encoding`; `secret_encoding` belongs to the schemes `hmac`, `http_signature`, `jwt`",
        ),
        (
            "scheme = 'basic', path = 'x'",
            "1:30 scheme `basic` has no key `path`; `path` belongs to `[[route]]`",
        ),
        (
            "scheme = 'hmca'",
            "1:21 unknown scheme; did you mean `hmac`?",
        ),
        (
            "scheme = 'hmac-sha256'",
            "1:21 unknown scheme; did you mean `hmac`? Its `hash` says which",
        ),
        (
            "scheme = 'kerb'",
            "1:21 unknown scheme; the schemes are `api_key`, `basic`, `bearer`, `digest`, `hmac`, `http_signature`, `jwt`, `mtls`, `signature`",
        ),
        (
            "scheme = 3",
            "1:21 `scheme` must be a text, not an integer; the schemes are `api_key`, `basic`, `bearer`, `digest`, `hmac`, `http_signature`, `jwt`, `mtls`, `signature`",
        ),
        (
            "shceme = 'hmac'",
            "1:12 no scheme has a key `shceme`; did you mean `scheme`?",
        ),
        (
            "any = [{ scheme = 'bearer', hash = 'sha1' }]",
            "1:40 scheme `bearer` has no key `hash`; `hash` belongs to the schemes `digest`, `hmac`",
        ),
        (
            "any = [{ scheme = 'bearer' }], hash = 'sha1'",
            "1:43 unknown key `hash` in `any`; beside `any` stands nothing: put it into a step of its list",
        ),
        (
            "scheme = 'hmac', header = 'X', query = 'x'",
            "1:43 `header` and `query` exclude each other; keep one of the two",
        ),
    ] {
        assert_problem(&format!("verify = [{{{step}}}]"), &PROVIDER, expected);
    }
    let found = problems("verify = [{ hash = 'sha1' }]", &PROVIDER);
    assert!(
        found[0].starts_with("1:11 this step has no `scheme`; add scheme"),
        "{found:?}"
    );
}

#[test]
fn refuses_a_value_of_another_type_without_repeating_it() {
    for (text, expected) in [
        (
            "[server]\nlisten = 77",
            "2:10 `listen` must be a text, not an integer; write listen = \"0.0.0.0:8080\"",
        ),
        (
            "[server]\nproxy_protocol = 'true'",
            "2:18 `proxy_protocol` must be true or false, not a text; write true or false, without quotes",
        ),
        (
            "[server]\ndrain = 20",
            "2:9 `drain` must be a text, not an integer; write a number and a unit in quotes: drain = \"10s\"",
        ),
        (
            "[server]\nprotocols = 'h2'",
            "2:13 `protocols` must be a list, not a text; put it in brackets: protocols = [ … ]",
        ),
        (
            "[limits]\nbody = -1",
            "2:8 `body` must be a size, not an integer; write body = \"1MiB\"",
        ),
        (
            "[limits]\nconnections = '5'",
            "2:15 `connections` must be an integer, not a text; write the number without quotes",
        ),
        (
            "[limits]\nconnections = 0",
            "2:15 `connections` is out of range; write a number from 1 to 4294967295",
        ),
        (
            "[route]\npath = '/'",
            "1:1 `route` must be a list of tables, not a table; write [[route]] with two brackets, once for each",
        ),
        (
            "[[server]]\nlisten = 'a:1'",
            "1:1 `server` must be a table, not a list; write its keys under [server], with single brackets",
        ),
        (
            "server = 1",
            "1:10 `server` must be a table, not an integer; write its keys under [server], with single brackets",
        ),
        (
            "[[route]]\nhost = 1",
            "2:8 `host` must be a text, not an integer; put it in quotes: host = \"…\"",
        ),
        (
            "[[route]]\nallow_ips = 1",
            "2:13 `allow_ips` must be a text or a list, not an integer; write allow_ips = \"any\"; or put it in brackets: allow_ips = [ … ]",
        ),
        (
            "[[route]]\nallow_ips = ['a', 1]",
            "2:19 `allow_ips` must be a text, not an integer; put it in quotes: allow_ips = \"…\"",
        ),
    ] {
        assert_problem(text, &ROOT, expected);
    }
}

#[test]
fn refuses_a_choice_or_quantity_that_cannot_be() {
    for (text, expected) in [
        (
            "[log]\nlevel = 'inof'",
            "2:9 `level` has no such choice; did you mean \"info\"?",
        ),
        (
            "[log]\nformat = 'xml'",
            "2:10 `format` has no such choice; write one of \"auto\", \"text\", \"json\"",
        ),
        (
            "[server]\nprotocols = ['h3']",
            "2:14 `protocols` has no such choice; did you mean \"h2\"?",
        ),
        (
            "[server]\ndrain = '20'",
            "2:9 `drain` is not a duration; the unit is missing (ms, s, m, h, d, w), as in \"10s\"",
        ),
        (
            "[limits]\nbody = '1MB'",
            "2:8 `body` is not a size; a size counts in 1024s: write MiB, as in \"1MiB\"",
        ),
        (
            "[[route]]\nrate = '0/s'",
            "2:8 `rate` is not a rate; a rate of zero lets nobody in; write at least one, as in \"1/s\"",
        ),
        (
            "[[route]]\nreject_status = 99",
            "2:17 `reject_status` is out of range; write a number from 400 to 599",
        ),
        (
            "[[route]]\nallow_ips = []",
            "2:13 `allow_ips` is empty; leave `allow_ips` out, or list at least one",
        ),
        (
            "[[route]]\nallow_ips = 'all'",
            "2:13 `allow_ips` has no such choice; write \"any\"",
        ),
        (
            "[[route]]\nmethods = []",
            "2:11 `methods` is empty; leave `methods` out, or list at least one",
        ),
        (
            "[[route]]\nverify = []",
            "2:10 `verify` has no step; leave `verify` out, or add a step",
        ),
        (
            "[admin]\nlisten = 'of'",
            "2:10 `listen` has no such choice; did you mean \"off\"?",
        ),
        (
            "[admin]\nlisten = 'nine'",
            "2:10 `listen` is not an address; write host:port, as in \"0.0.0.0:8080\", or \"unix:/path\"",
        ),
        (
            "[health]\nlisten = ':80'",
            "2:10 `listen` is not an address; write the host too: \"0.0.0.0:8080\" is every address of this machine",
        ),
        (
            "[health]\nlisten = 'a:65536'",
            "2:10 `listen` is not an address; write a port from 0 to 65535, as in \"0.0.0.0:8080\"",
        ),
        (
            "[health]\nlisten = '::1:80'",
            "2:10 `listen` is not an address; put an IPv6 address in brackets, as in \"[::1]:8080\"",
        ),
        (
            "[health]\nlisten = 'unix:'",
            "2:10 `listen` is not an address; name the socket, as in \"unix:/run/gatepost/in.sock\"",
        ),
        (
            "[health]\nlisten = 'http://a:1'",
            "2:10 `listen` is not an address; leave out what stands before host:port, as in \"0.0.0.0:8080\"",
        ),
    ] {
        assert_problem(text, &ROOT, expected);
    }
}

#[test]
fn a_secret_is_named_by_exactly_one_source() {
    for (text, expected) in [
        (
            "secret = 'x'",
            "1:10 `secret` must say where it is kept, not what it is; write secret = { env = \"NAME\" } or secret = { file = \"/path\" }",
        ),
        (
            "secret = [{ env = 'A' }, 'x']",
            "1:26 `secret` must say where it is kept, not what it is; write secret = { env = \"NAME\" } or secret = { file = \"/path\" }",
        ),
        (
            "secret = []",
            "1:10 `secret` is empty; leave `secret` out, or list at least one",
        ),
        (
            "secret = { env = 'A', file = 'b' }",
            "1:23 `env` and `file` exclude each other; keep one of the two",
        ),
        (
            "secret = { name = 'A' }",
            "1:10 a secret source needs one of `env`, `file`, `inline`; add one, as in { env = \"…\" }",
        ),
        (
            "secret = { fil = 'A' }",
            "1:12 unknown key `fil` in a secret source; did you mean `file`?",
        ),
        (
            "secret = { path = 'A' }",
            "1:12 unknown key `path` in a secret source; here it is called `file`",
        ),
        (
            "secret = { hunter2 = 'A' }",
            "1:12 unknown key in a secret source; the keys here are `env`, `file`, `inline`, `name`, `until`, `not_before`",
        ),
        (
            "secret = { env = 'A', until = '2026-12-15' }",
            "1:31 `until` must be a date and time, not a text; write the date without quotes",
        ),
        (
            "secret = { env = 'A', until = 2026-12-15 }",
            "1:31 `until` names no instant; add the offset, as in 2026-12-15T00:00:00Z",
        ),
        (
            "event.id = { json = '/a', header = 'X' }",
            "1:27 `json` and `header` exclude each other; keep one of the two",
        ),
        (
            "event.id = '/a'",
            "1:12 `id` must be a table, not a text; write it as a table: id = { … }",
        ),
    ] {
        assert_problem(text, &PROVIDER, expected);
    }
}

#[test]
fn ten_mistakes_are_ten_problems() {
    let text = "[server]\nlisten = 80\ndrain = '20 s'\nlimit = 1\n[limits]\nbody = '1MB'\n\
        [log]\nlevel = 'loud'\n[[route]]\npth = '/'\nmethods = []\nsecret = 'x'\n\
        verify = [{ scheme = 'hmac', salt = 1 }, { scheme = 'hmca' }]\n";
    let found = problems(text, &ROOT);
    assert_eq!(found.len(), 10, "{found:#?}");
}

#[test]
fn of_a_broken_file_reports_what_is_certain() {
    let text = "[server]\nlisten = 'a\nHUNTER2==\nlisen = 'a:1'\nhunter2 = 'x'\ndrain = 20\n\
        [[route]]\nverify = [{ scheme = 'hmac', salt = 1, hunter2 = 1 }]\n";
    let found = problems(text, &ROOT);
    assert_eq!(found.len(), 5, "{found:#?}");
    assert!(found[4].contains("no key `salt`"), "{found:#?}");
    assert!(
        found[2].contains("did you mean `listen`") && found[3].contains("`drain`"),
        "{found:#?}"
    );
}

//! No secret that someone puts in the wrong place of a configuration is ever printed.

use super::environment::Environment;
use super::grammar::{PROVIDER, ROOT, Section};
use super::load::parse;
use super::problem::Problems;
use super::render::render;
use super::shape;
use super::source::{Files, Span};
use super::tree;

fn rendered(text: &str, section: &'static Section, color: bool) -> (String, Problems) {
    let mut files = Files::new();
    let file = files.add("sidecar.toml", text);
    let (table, syntax) = tree::parse(&files, file);
    let mut problems = Problems::new();
    problems.extend(syntax);
    shape::check(&table, section, &mut problems);
    (render(&problems, &files, color), problems)
}

/// Each is wrong in its own way and holds a secret.
const MISPLACED: &[&str] = &[
    // Well-formed.
    "secret = 'MARK'",
    "secret = ['MARK']",
    "secret = [['MARK']]",
    "secret = [{ env = 'A' }, 'MARK', { file = 1 }]",
    "secret = { inline = ['MARK'] }",
    "secret = { inlin = 'MARK' }",
    "secret = { env = 'A', inline = 'MARK' }",
    "secret = { file = 1, inline = 'MARK' }",
    "secret = { MARK = 1 }",
    "secret = { 'MARK' = 1 }",
    "secret = { MARK.x = 1 }",
    "secret = { token = 'MARK' }",
    "secret = { name = 'x', value = 'MARK' }",
    "secret.env = 'A'\nsecret.key = 'MARK'",
    "public_key = 'MARK'",
    "public_key = '''\n-----BEGIN PUBLIC KEY-----\nMARK\n-----END PUBLIC KEY-----\n'''",
    "public_key = { file = '''MARK\nMARK''', pem = '''x\nMARK''' }",
    "sceret = 'MARK'",
    "sceret = { inline = 'MARK' }",
    "sceret = ['MARK', { a = 'MARK' }]",
    "password = 'MARK'",
    "redis = { url = 'MARK' }",
    "unheard_of = 'MARK'",
    "unheard_of = { header = 'MARK' }",
    "secret = { env = 'MARK', until = '2026' }",
    "username = 1 # secret = 'MARK'",
    "[verify]\nsecret = 'MARK'",
    "[secret]\nvalue = 'MARK'\n",
    "[[secret]]\nMARK = 'MARK'\n[[secret]]\nMARK = 'MARK'\n",
    "verify = [{ scheme = 'hmac', key = 'MARK' }]",
    "verify = [{ scheme = 'hmac', secret = 'MARK' }]",
    "verify = [{ scheme = 'hmac', secrt = 'MARK' }]",
    "verify = [{ scheme = 'hmac', salt = 'MARK', secret = { inline = 'MARK' } }]",
    "verify = [{ scheme = 'hmca', secret = 'MARK', token = 'MARK' }]",
    "verify = [{ secret = 'MARK' }]",
    "verify = [{ any = [{ scheme = 'basic', password = 'MARK' }] }]",
    "verify = [{ scheme = 'basic', username = 5, secret = { inline = 'MARK' } }]",
    "verify = 5\nsecret = { inline = 'MARK' }",
    "verify = [{ scheme = 'jwt', header = ['MARK'], jwks = 'MARK' }]",
    "event = { type = 5, secret = 'MARK' }",
    "event = { typ = { value = 'MARK' } }",
    "username = ['MARK']",
    "success_status = { inline = 'MARK' }",
    "docs = { MARK.secret = 'MARK' }\nsecret = 'MARK'",
    // Not TOML.
    "secret = MARK",
    "secret = \"MARK",
    "secret = 'MARK",
    "secret = \"x\nMARK\"",
    "secret = \"x\nMARK==\nMARK = MARK\nMARK.MARK = 1\n[MARK]\n",
    "secret = '''x\nMARK\n",
    "secret = \"\"\"x\nMARK\" = 'MARK'\n",
    "secret = x'MARK'",
    "secret = \"\\MARK\"",
    "secret = \"x\" MARK",
    "secret = \"x\"MARK\"",
    "secret 'MARK'",
    "secret: 'MARK'",
    "secret: MARK",
    "secret = = 'MARK'",
    "secret = { 'MARK' }",
    "secret = { MARK }",
    "secret = { inline = 'MARK }",
    "secret = { inline = 'MARK'",
    "secret = { inline = 'MARK', inline = 'MARK' }",
    "secret = { inline = MARK, env = 5 }",
    "secret = ['MARK', 'MARK",
    "secret = [MARK, MARK]",
    "secret = [{ inline = 'MARK' } { inline = 'MARK' }]",
    "secret = (MARK)",
    "secret = $MARK",
    "secret = ${MARK}",
    "secret = #MARK\nx = \"y\n",
    "secret = 'A'\nsecret = 'MARK'",
    "secret = { inline = 'MARK' }\nsecret = { inline = 'MARK' }",
    "secret.inline = 'MARK'\nsecret = 'MARK'",
    "[secret\ninline = 'MARK'\n",
    "[secret MARK]\ninline = 'MARK'\n",
    "secret = 'x'\nMARK\n",
    "secret = 'x'\n  MARK==\n",
    "MARK",
    "MARK = ",
    "'MARK' = ",
    "verify = [{ scheme = 'hmac', secret = 'MARK }]",
    "verify = [{ scheme = 'hmac', secret: 'MARK' }]",
    "verify = [\n{ scheme = 'hmac', secret = 'MARK'\n{ scheme = 'hmac', secret = \"MARK\n]",
    "secret = 'x\u{7}MARK'",
    "secret = 5MARK",
    "secret = 0xMARK",
    "secret = 2026-13-MARK",
    "lisen = 'MARK\nsceret = 'MARK'\nsceret = MARK",
];

#[test]
fn a_misplaced_secret_is_never_printed() {
    for text in MISPLACED {
        for place in ["", "[provider.acme]\n", "[[route]]\n"] {
            let text = text.replace("MARK", "whsec_MARKmark4711");
            let (text, section) = match place {
                "" => (text, &PROVIDER),
                place => (format!("{place}{text}"), &ROOT),
            };
            let (shown, problems) = rendered(&text, section, false);
            assert!(problems.errors() > 0, "no problem in {text}");
            let shown = shown.to_lowercase();
            for piece in ["mark", "4711", "whsec_m"] {
                assert!(!shown.contains(piece), "{text}\n----\n{shown}");
            }
            let debug = format!("{problems:?}").to_lowercase();
            assert!(!debug.contains("mark"), "{text}\n----\n{debug}");
        }
    }
}

#[test]
fn a_misplaced_secret_is_never_printed_by_loading() {
    let environment = Environment {
        inline: false,
        variables: Some(std::collections::BTreeMap::new()),
        ..Environment::default()
    };
    let more = [
        "secret = { env = 'MARK' }",
        "secret = { file = 'MARK' }",
        "secret = { file = '/run/not-there', name = 'MARK' }",
        "secret = { inline = 'MARK' }",
        "public_key = { inline = 'MARK' }",
        "public_url = 'https://user:MARK@hooks.example'",
        "verify = [{ scheme = 'hmac', header = 'X', secret = { env = 'MARK' } }]",
        "verify = [{ scheme = 'signature', algorithm = 'ed25519', header = 'X', public_key = { file = 'MARK' } }]",
        "verify = [{ scheme = 'jwt', algorithms = ['RS256'], jwks = { env = 'MARK' } }]",
    ];
    let upstreams = [
        "url = 'echo:'",
        "url = 'http://user:MARK@app'",
        "url = 'user:MARK@app'",
        "url = 'https://app'\nca = { file = 'MARK' }",
    ];
    let routes = MISPLACED
        .iter()
        .chain(&more)
        .map(|text| (upstreams[0], *text));
    let both = routes.chain(upstreams.iter().map(|upstream| (*upstream, "")));
    for (upstream, route) in both {
        let text = format!(
            "[upstream]\n{upstream}\n[[route]]\npath = '/x'\nprovider = 'prove'\n{route}\n"
        )
        .replace("MARK", "whsec_MARKmark4711");
        let loaded = parse(
            "sidecar.toml",
            &text,
            std::path::PathBuf::new(),
            &environment,
        );
        let said = format!("{}{:?}", loaded.report(false), loaded.missing).to_lowercase();
        for piece in ["mark", "4711", "whsec_m"] {
            assert!(!said.contains(piece), "{text}\n----\n{said}");
        }
    }
}

#[test]
fn a_secret_stays_hidden_wherever_a_problem_points() {
    let text = "secret = [{ inline = 'MARK' }, { inline = '''é\nMARK''' }] # MARK\n\
        verify = [{ scheme = 'hmac', secret = { inline = 'MARK', x = 'MARK' }, nonsense = 'MARK' }]\n\
        redis = { inline = 4711 }\nsecret_encoding = 'MARK'\n";
    let mut files = Files::new();
    let file = files.add("a.toml", text);
    let encoding = text.find("secret_encoding").unwrap();
    for start in 0..encoding {
        for end in [start, start + 1, start + 4, start + 30, text.len()] {
            let mut problems = Problems::new();
            problems.error(Span { file, start, end }, "m", "l", "f");
            let shown = render(&problems, &files, false);
            assert!(
                !shown.contains("MARK") && !shown.contains("4711"),
                "{start}..{end}\n{shown}"
            );
        }
    }
}

/// Pieces of text in which no key is ever the secret: an unknown key is named.
const PIECES: &str = r#"( 'MARK'| MARK| "MARK|MARK'|'''|"|\n| \}|,| \]| secret = | sceret = \[ | \{ inline = | inline = | secret = \{ MARK | #|\n\[\[route\]\]\n|\n verify = \[\{ scheme = 'hmac', secret = ){0,30}"#;

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(1000))]

    #[test]
    fn no_jumble_of_a_secret_and_syntax_prints_it(text in PIECES) {
        for section in [&PROVIDER, &ROOT] {
            let (shown, _) = rendered(&text, section, true);
            proptest::prop_assert!(!shown.contains("MARK"), "{text}\n----\n{shown}");
        }
    }

    #[test]
    fn any_text_is_checked_and_printed(
        text in "(\\PC|\n|\r|[\\[\\]{}=,.'\"#]|\n(secret|route|verify) = |\n\\[\\[route\\]\\]\n)*",
    ) {
        let (shown, problems) = rendered(&text, &ROOT, false);
        proptest::prop_assert_eq!(shown.is_empty(), problems.is_empty());
    }
}

//! `gatepost init`: a commented sidecar.toml for the providers that are named.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::providers::{Entry, ready};
use super::{IO, NO, Outcome, say, tell};
use crate::config::{catalogue, nearest};

/// Where comments are wrapped.
const WIDTH: usize = 100;

const HEAD: &str = r#"#:schema ./sidecar.schema.json
# What gatepost accepts, and how it is verified. `gatepost check` tells every mistake with its place.
# For an editor that completes and checks this file: gatepost schema > sidecar.schema.json

[server]
listen = "0.0.0.0:8080"

[client_address]
trusted_proxies = []               # addresses of your ingress; from others no forwarding header is believed

[upstream]
url = "#;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A provider of the catalogue; once for each
    #[arg(short, long, value_name = "NAME", required = true)]
    provider: Vec<String>,
    /// The app
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3000")]
    upstream: String,
    /// Where it is written, if not to the file of --config; - is standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Overwrite the file
    #[arg(long)]
    force: bool,
}

pub(super) fn run(config: &Path, arguments: &Arguments) -> Outcome {
    let mut entries: Vec<Entry> = Vec::new();
    let mut unknown = false;
    for name in &arguments.provider {
        match Entry::named(name) {
            Some(entry) if entries.iter().any(|known| known.name == entry.name) => {}
            Some(entry) => entries.push(entry),
            None => {
                let hint = nearest::nearest(name, catalogue::names()).map_or_else(
                    || {
                        "`gatepost providers` lists them; your own is a [provider.NAME] table"
                            .into()
                    },
                    |near| format!("did you mean `{near}`?"),
                );
                tell(&format!(
                    "error: there is no provider `{name}`\nhelp: {hint}"
                ));
                unknown = true;
            }
        }
    }
    if unknown {
        return Err(NO);
    }
    let text = text(&arguments.upstream, &entries);
    let file = arguments.output.as_deref().unwrap_or(config);
    if file == Path::new("-") {
        say(&text);
        return Ok(());
    }
    write(file, &text, arguments.force)?;
    tell(&next(file, &entries));
    Ok(())
}

fn write(file: &Path, text: &str, force: bool) -> Outcome {
    let mut options = std::fs::OpenOptions::new();
    if force {
        options.write(true).create(true).truncate(true);
    } else {
        options.write(true).create_new(true);
    }
    let written = options
        .open(file)
        .and_then(|mut out| out.write_all(text.as_bytes()));
    written.map_err(|error| {
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            tell(&format!(
                "error: {} is there already\nhelp: --force overwrites it, -o FILE writes another, -o - prints",
                file.display()
            ));
            return NO;
        }
        tell(&format!("error: {} cannot be written: {error}", file.display()));
        IO
    })
}

fn text(upstream: &str, entries: &[Entry]) -> String {
    let upstream = serde_json::Value::from(upstream);
    let mut text =
        format!("{HEAD}{upstream}   # the app; \"echo:\" is a built-in one, to try it without\n");
    for entry in entries {
        section(&mut text, entry);
    }
    text
}

fn section(text: &mut String, entry: &Entry) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "\n# === {} ===", entry.text("title"));
    let _ = writeln!(text, "# {}", entry.text("docs"));
    comment(text, &format!("Proves: {}.", entry.proves()));
    for note in entry.notes() {
        comment(text, note);
    }
    let _ = writeln!(text, "\n{}", ready(entry).trim_end());
    text.push_str(
        "# A secret may be in a file too: { file = \"/run/secrets/…\" }, and a list is a rotation.\n",
    );
    if entry.steps().is_empty() && !entry.is_open() {
        // An address list: nothing to sign, nothing to forge.
        return;
    }
    let name = entry.name;
    let _ = write!(
        text,
        "\n[[test]]\nname = \"{name}: a sample, signed\"\nroute = \"/webhooks/{name}\"\n\n\
         [[test]]\nname = \"{name}: the same without its proof\"\nroute = \"/webhooks/{name}\"\n\
         request = {{ tamper = \"missing\" }}\nexpect = 401\n"
    );
}

/// Writes a comment in lines of at most [`WIDTH`].
fn comment(text: &mut String, words: &str) {
    let mut line = String::from("# *");
    for word in words.split_whitespace() {
        let length = line.chars().count().saturating_add(word.chars().count());
        if length >= WIDTH {
            text.push_str(&line);
            text.push('\n');
            line = String::from("#  ");
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}

/// What to do next.
fn next(file: &Path, entries: &[Entry]) -> String {
    let mut variables = Vec::new();
    for entry in entries {
        let route = ready(entry);
        for (kind, what) in [
            ("_SECRET", "the secret that the provider shows"),
            ("_PUBLIC_KEY", "the public key that the provider shows"),
            ("_VERIFY_TOKEN", "the token that you gave the provider"),
        ] {
            let name = format!("{}{kind}", entry.name.to_ascii_uppercase());
            if route.contains(&format!("\"{name}\"")) {
                variables.push(format!("       export {name}=…   {what}\n"));
            }
        }
    }
    let default = Path::new("sidecar.toml");
    let option = if file == default {
        String::new()
    } else {
        format!(" -c {}", file.display())
    };
    format!(
        "{} is written. Next:\n  1. gatepost test{option}    needs no secret: what passes, what is refused\n  \
         2. set the secrets, or name files instead:\n{}  3. gatepost check{option}\n  4. gatepost run{option}",
        file.display(),
        variables.concat()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::certificates::Certificates;
    use crate::command::delivery::{self, Wanted};
    use crate::command::test;
    use crate::config::{self, Loaded};
    use crate::route::{Mode, Route};
    use crate::sign::{KeyPairs, Tamper, sign};
    use crate::verify::{Head, Moment};

    /// Whether the plan of a route lets a request through that was signed for it.
    fn passes(
        loaded: &Loaded,
        route: &Route,
        pairs: &KeyPairs,
        tamper: Option<Tamper>,
    ) -> Result<bool, String> {
        let (Mode::Enforce(plan) | Mode::Observe(plan)) = &route.mode else {
            return Err("it verifies nothing".into());
        };
        let now = Moment::now();
        let wanted = Wanted::Sample(None);
        let mut request = delivery::unsigned(Path::new(""), loaded, route, wanted)?;
        sign(plan, &mut request, pairs.fitting(plan), now, tamper)
            .map_err(|error| error.to_string())?;
        let head = Head {
            method: &request.method,
            path: &request.path,
            query: request.query.as_deref(),
            headers: (&request.headers).into(),
        };
        let client = plan.addresses.as_ref().and_then(|list| list.iter().next());
        let client = client.map_or("198.51.100.1".to_owned(), ToString::to_string);
        let client: std::net::IpAddr = client.split('/').next().unwrap().parse().unwrap();
        let Ok(mut pending) = plan.admit(client, &head, now) else {
            return Ok(false);
        };
        pending.update(&request.body);
        let body = crate::verify::Body::from(bytes::Bytes::from(request.body.clone()));
        Ok(pending.finish(&head, body).is_ok())
    }

    /// Round trip for the whole catalogue: what is written passes `check`, a sample that is signed is
    /// let through, and every way of getting it wrong is refused.
    #[test]
    fn what_is_written_for_any_provider_is_right_and_what_is_signed_for_it_passes() {
        let pairs = KeyPairs::generate().unwrap();
        let environment = test::environment(&pairs, &Certificates::generate().unwrap()).unwrap();
        let (mut signed, mut refused, mut wrong) = (0, 0, Vec::new());
        for name in catalogue::names() {
            let entries = [Entry::named(name).unwrap()];
            let text = text("echo:", &entries);
            assert!(
                text.lines()
                    .all(|line| !line.starts_with('#') || line.chars().count() <= WIDTH + 60),
                "{name}"
            );
            let mut loaded = config::parse(name, &text, PathBuf::new(), &environment);
            let Some(config) = loaded.config.take() else {
                panic!("{name}:\n{text}\n{}", loaded.report(false));
            };
            let route = &config.routes.all()[0];
            if config.cases.is_empty() {
                continue;
            }
            match passes(&loaded, route, &pairs, None) {
                Ok(true) => signed += 1,
                Ok(false) => wrong.push(format!("{name}: a signed sample is refused")),
                Err(error) => wrong.push(format!("{name}: {error}")),
            }
            for tamper in [
                Tamper::Body,
                Tamper::Key,
                Tamper::Missing,
                Tamper::Signature,
                Tamper::Time,
            ] {
                match passes(&loaded, route, &pairs, Some(tamper)) {
                    Ok(true) => wrong.push(format!("{name}: {tamper:?} passes")),
                    Ok(false) => refused += 1,
                    // Not every scheme covers a body or tells a time.
                    Err(_) if matches!(tamper, Tamper::Body | Tamper::Time) => {}
                    Err(error) => wrong.push(format!("{name}: {tamper:?}: {error}")),
                }
            }
        }
        assert!(
            wrong.is_empty(),
            "{} wrong:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
        assert!(
            signed >= 190 && refused >= 700,
            "{signed} signed, {refused} refused"
        );
    }

    #[test]
    fn comments_are_wrapped_and_lose_no_word() {
        let words = "word ".repeat(60);
        let mut text = String::new();
        comment(&mut text, &words);
        assert!(text.lines().count() > 1);
        assert!(
            text.lines()
                .all(|line| line.starts_with('#') && line.chars().count() <= WIDTH)
        );
        assert_eq!(text.matches("word").count(), 60);
    }
}

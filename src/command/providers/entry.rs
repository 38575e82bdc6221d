//! One provider of the catalogue as its file describes it, for people.

use crate::config::grammar::PROVIDER;
use crate::config::problem::Problems;
use crate::config::source::Files;
use crate::config::tree::{self, Node, Table};
use crate::config::{catalogue, shape};

/// A provider and its keys.
pub(in crate::command) struct Entry {
    /// Its name in a configuration.
    pub(in crate::command) name: &'static str,
    keys: Table,
}

/// What a request that passes has proved. The order is that of a reader's questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Proved {
    /// Who sent it, by a signature.
    Sender,
    /// Who sent it, by a secret that every request carries.
    Token,
    /// The body.
    Body,
    /// Some fields of the body.
    Fields,
    /// The URL, or its path.
    Url,
    /// When it was sent.
    Time,
    /// From where.
    Address,
}

impl Entry {
    /// Every provider, by name.
    pub(super) fn all() -> Vec<Self> {
        catalogue::names()
            .into_iter()
            .filter_map(Self::named)
            .collect()
    }

    /// The provider of this name; `None` when there is none, or its file is broken, which a test
    /// prevents.
    pub(in crate::command) fn named(name: &str) -> Option<Self> {
        let (name, text) = catalogue::file(name)?;
        let mut files = Files::new();
        let id = files.add(name, text);
        let (keys, syntax) = tree::parse(&files, id);
        let mut problems = Problems::new();
        problems.extend(syntax);
        shape::check(&keys, &PROVIDER, &mut problems);
        (problems.errors() == 0).then_some(Self { name, keys })
    }

    /// A key that holds a text.
    pub(in crate::command) fn text(&self, key: &str) -> &str {
        self.keys.text(key).unwrap_or_default()
    }

    pub(in crate::command) fn keys(&self) -> &Table {
        &self.keys
    }

    pub(in crate::command) fn notes(&self) -> Vec<&str> {
        self.keys
            .one_or_many("notes")
            .iter()
            .filter_map(Node::text)
            .collect()
    }

    /// Every step, also those of which one must pass.
    pub(in crate::command) fn steps(&self) -> Vec<&Table> {
        self.groups().into_iter().flatten().collect()
    }

    /// Whether the file leaves open how the sender proves itself.
    pub(in crate::command) fn is_open(&self) -> bool {
        self.groups().is_empty() && !self.has_addresses()
    }

    pub(super) fn has_addresses(&self) -> bool {
        self.keys.get("allow_ips").is_some()
    }

    /// The schemes in the words of `X-Gatepost-Verified-By`.
    pub(super) fn schemes(&self) -> String {
        let mut groups: Vec<String> = self
            .groups()
            .iter()
            .map(|group| {
                let mut labels: Vec<String> = group.iter().map(|step| label(step)).collect();
                labels.dedup();
                labels.join(" or ")
            })
            .collect();
        if self.has_addresses() {
            groups.push("ip".into());
        }
        if groups.is_empty() {
            return "chosen by the customer".into();
        }
        groups.join(", ")
    }

    /// What a request that passes has proved.
    pub(in crate::command) fn proves(&self) -> String {
        if self.is_open() {
            return "what you choose".into();
        }
        let mut proved: Vec<Proved> = self
            .groups()
            .iter()
            .flat_map(|group| common(group))
            .collect();
        if self.has_addresses() {
            proved.push(Proved::Address);
        }
        proved.sort_unstable();
        proved.dedup();
        if proved.contains(&Proved::Body) {
            proved.retain(|one| *one != Proved::Fields);
        }
        let words: Vec<&str> = proved.into_iter().map(Proved::word).collect();
        words.join(", ")
    }

    /// The steps, by what must pass: of each group one.
    fn groups(&self) -> Vec<Vec<&Table>> {
        self.keys
            .list("verify")
            .unwrap_or_default()
            .iter()
            .filter_map(Node::table)
            .map(|step| match step.list("any") {
                Some(any) => any.iter().filter_map(Node::table).collect(),
                None => vec![step],
            })
            .collect()
    }
}

impl Proved {
    const fn word(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Token => "token",
            Self::Body => "body",
            Self::Fields => "fields of the body",
            Self::Url => "URL",
            Self::Time => "time",
            Self::Address => "address",
        }
    }
}

/// What every step of a group proves: who sends chooses among them.
fn common(group: &[&Table]) -> Vec<Proved> {
    let mut each = group.iter().map(|step| proved(step));
    let first = each.next().unwrap_or_default();
    each.fold(first, |common, other| {
        common
            .into_iter()
            .filter(|one| other.contains(one))
            .collect()
    })
}

fn proved(step: &Table) -> Vec<Proved> {
    match step.text("scheme").unwrap_or_default() {
        "api_key" | "basic" | "bearer" => vec![Proved::Token],
        "jwt" => {
            let mut proved = vec![Proved::Sender];
            for node in step.one_or_many("body_hash") {
                let message = node.table().and_then(|hash| hash.text("message"));
                covered(message.unwrap_or("{body}"), &mut proved);
            }
            if let Some(audience) = step.text("audience") {
                covered(audience, &mut proved);
            }
            // The whole body is the token, or what the token is about.
            if step.flag("body") == Some(true) || step.flag("detached") == Some(true) {
                proved.push(Proved::Body);
            }
            if step.get("max_age").is_some() {
                proved.push(Proved::Time);
            }
            proved
        }
        scheme => {
            let message = step.text("message").unwrap_or("{body}");
            let mut proved = Vec::new();
            if scheme != "digest" || message.contains("{secret") {
                proved.push(Proved::Sender);
            }
            covered(message, &mut proved);
            let time = step.table("timestamp");
            let inside = time.is_some_and(|time| time.get("json").or(time.get("form")).is_some());
            if inside && proved.contains(&Proved::Body) {
                proved.push(Proved::Time);
            }
            proved
        }
    }
}

/// What a text that is signed covers.
fn covered(message: &str, proved: &mut Vec<Proved>) {
    for (variables, what) in [
        (&["{body", "{form}", "{form|"][..], Proved::Body),
        (&["{json:", "{form:"], Proved::Fields),
        (&["{url", "{path", "{query"], Proved::Url),
        (&["{timestamp"], Proved::Time),
    ] {
        if variables.iter().any(|variable| message.contains(variable)) {
            proved.push(what);
        }
    }
}

/// `hmac-sha256`, `rsa-pss-sha256`, `jwt`, `api_key`.
fn label(step: &Table) -> String {
    let scheme = step.text("scheme").unwrap_or_default();
    match (step.text("algorithm"), scheme) {
        (Some(algorithm), "signature") => algorithm.to_owned(),
        (_, "hmac" | "digest") => format!("{scheme}-{}", step.text("hash").unwrap_or("sha256")),
        _ => scheme.to_owned(),
    }
}

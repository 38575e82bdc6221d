//! Keys that do not belong where they stand.

use super::super::grammar::{self, PROVIDER, ROUTE, SCHEMES, SECRET_SOURCE, STEP_ANY, Section};
use super::super::nearest::nearest;
use super::super::problem::Problems;
use super::super::tree::Entry;
use super::list;

/// What people write from habit, and what it is called here.
pub(super) const HABITS: &[(&str, &str)] = &[
    ("type", "scheme"),
    ("kind", "scheme"),
    ("algorithm", "hash"),
    ("password", "secret"),
    ("token", "secret"),
    ("key", "secret"),
    ("key", "public_key"),
    ("user", "username"),
    ("payload", "message"),
    ("preset", "provider"),
    ("allow", "allow_ips"),
    ("allowlist", "allow_ips"),
    ("ips", "allow_ips"),
    ("address", "listen"),
    ("port", "listen"),
    ("bind", "listen"),
    ("target", "url"),
    ("backend", "url"),
    ("path", "file"),
    ("variable", "env"),
];

/// Reports the key and says what was meant or where it belongs.
///
/// `broken`: the key may be the debris of a broken value, so only one that is clearly a slip of the
/// keyboard is reported.
pub(super) fn report(entry: &Entry, section: &Section, broken: bool, problems: &mut Problems) {
    let name = entry.name.as_str();
    let near = nearest(name, section.keys.iter().map(|key| key.name));
    let known = grammar::key_names().contains(name);
    // A header that is broken moves keys to another section, but never into a step.
    let certain = near.is_some() || (known && is_scheme(section));
    if broken && !certain {
        return;
    }
    // Among the sources of a secret a strange key may be the secret.
    let quiet = std::ptr::eq(section, &raw const SECRET_SOURCE) && near.is_none() && !known;
    let message = match (quiet, is_scheme(section)) {
        (true, _) => format!("unknown key in {}", place(section)),
        (false, true) => format!("scheme `{}` has no key `{name}`", section.name),
        (false, false) => format!("unknown key `{name}` in {}", place(section)),
    };
    problems.error(
        entry.name_span,
        message,
        "not known here",
        fix(name, near, section),
    );
}

/// Reports a key of a step whose scheme is not known, if no scheme has it.
pub(super) fn report_in_any_scheme(entry: &Entry, broken: bool, problems: &mut Problems) {
    let name = entry.name.as_str();
    if SCHEMES.iter().any(|scheme| scheme.key(name).is_some()) {
        return;
    }
    let keys = SCHEMES
        .iter()
        .flat_map(|scheme| scheme.keys)
        .map(|key| key.name);
    let near = nearest(name, keys);
    if broken && near.is_none() {
        return;
    }
    let habit = HABITS.iter().find(|(habit, meant)| {
        *habit == name && SCHEMES.iter().any(|scheme| scheme.key(meant).is_some())
    });
    let fix = match (near, habit) {
        (Some(meant), _) => format!("did you mean `{meant}`?"),
        (None, Some((_, meant))) => format!("here it is called `{meant}`"),
        (None, None) => "remove it; the scheme decides which keys a step has".to_owned(),
    };
    problems.error(
        entry.name_span,
        format!("no scheme has a key `{name}`"),
        "not known here",
        fix,
    );
}

fn fix(name: &str, near: Option<&str>, section: &Section) -> String {
    if let Some(meant) = near {
        return format!("did you mean `{meant}`?");
    }
    let habit = HABITS
        .iter()
        .find(|(habit, meant)| *habit == name && section.key(meant).is_some());
    if let Some((_, meant)) = habit {
        return format!("here it is called `{meant}`");
    }
    if std::ptr::eq(section, &raw const STEP_ANY) {
        return "beside `any` stands nothing: put it into a step of its list".to_owned();
    }
    if let Some(home) = home(name, section) {
        return format!("`{name}` belongs to {home}");
    }
    let keys: Vec<&str> = section.keys.iter().map(|key| key.name).collect();
    format!("the keys here are {}", list(&keys))
}

/// Where else there is a key of this name: of a step's key first among the schemes.
fn home(name: &str, section: &Section) -> Option<String> {
    let schemes: Vec<&str> = SCHEMES
        .iter()
        .filter(|scheme| scheme.key(name).is_some())
        .map(|scheme| scheme.name)
        .collect();
    let place = grammar::sections()
        .into_iter()
        .find(|other| !is_scheme(other) && other.key(name).is_some())
        .map(place);
    let of_schemes = match schemes.as_slice() {
        [] => None,
        [one] => Some(format!("scheme `{one}`")),
        many => Some(format!("the schemes {}", list(many))),
    };
    let holds_steps = [&raw const PROVIDER, &raw const ROUTE].contains(&(&raw const *section));
    if holds_steps && let Some(schemes) = &of_schemes {
        return Some(format!("{schemes}: write it into a step of `verify`"));
    }
    if is_scheme(section) {
        of_schemes.or(place)
    } else {
        place.or(of_schemes)
    }
}

fn is_scheme(section: &Section) -> bool {
    SCHEMES.iter().any(|scheme| std::ptr::eq(*scheme, section))
}

fn place(section: &Section) -> String {
    if section.name.starts_with('[') || !section.name.contains(' ') {
        format!("`{}`", section.name)
    } else {
        section.name.to_owned()
    }
}

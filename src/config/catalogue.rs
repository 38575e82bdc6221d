//! The providers that come with gatepost: one TOML file each, compiled in.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use include_dir::{Dir, include_dir};

static PROVIDERS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/src/providers");

/// The texts by name: to look for a file in the folder is to look at all of them.
static TEXTS: LazyLock<BTreeMap<&str, &str>> = LazyLock::new(|| {
    PROVIDERS
        .files()
        .filter_map(|file| {
            let name = file.path().to_str()?.strip_suffix(".toml")?;
            Some((name, file.contents_utf8()?))
        })
        .collect()
});

/// A provider's name and the text of its file.
pub fn file(name: &str) -> Option<(&'static str, &'static str)> {
    TEXTS.get_key_value(name).map(|(name, text)| (*name, *text))
}

/// The text of a provider's file.
pub fn text(name: &str) -> Option<&'static str> {
    file(name).map(|(_, text)| text)
}

/// The names of all providers, sorted.
pub fn names() -> Vec<&'static str> {
    TEXTS.keys().copied().collect()
}

/// The JSON Schema that a provider's bodies satisfy, where one comes with it.
pub fn schema(name: &str) -> Option<&'static [u8]> {
    let file = PROVIDERS.get_file(format!("schemas/{name}.json"))?;
    Some(file.contents())
}

/// A sample body of a provider: `samples` of its file, relative to the folder.
pub fn sample(path: &str) -> Option<&'static [u8]> {
    Some(PROVIDERS.get_file(path)?.contents())
}

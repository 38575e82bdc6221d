//! The providers that come with gatepost: one TOML file each, compiled in.

use include_dir::{Dir, include_dir};

static PROVIDERS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/src/providers");

/// The text of a provider's file.
pub fn text(name: &str) -> Option<&'static str> {
    PROVIDERS.get_file(format!("{name}.toml"))?.contents_utf8()
}

/// The names of all providers, sorted.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = PROVIDERS
        .files()
        .filter_map(|file| file.path().to_str()?.strip_suffix(".toml"))
        .collect();
    names.sort_unstable();
    names
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

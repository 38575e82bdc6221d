//! The providers that come with gatepost: one TOML file each, compiled in.

use include_dir::{Dir, File, include_dir};

static PROVIDERS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/src/providers");

/// How the files of providers end.
const ENDING: &str = ".toml";

/// A provider's name and the text of its file. Of all others nothing is looked at but the length of
/// their names: what is never read of the program's file takes no memory.
pub fn file(name: &str) -> Option<(&'static str, &'static str)> {
    let file = PROVIDERS.files().find(|file| {
        let path = file.path().as_os_str().as_encoded_bytes();
        path.len().checked_sub(ENDING.len()) == Some(name.len())
            && path.strip_prefix(name.as_bytes()) == Some(ENDING.as_bytes())
    })?;
    Some((name_of(file)?, file.contents_utf8()?))
}

/// The text of a provider's file.
pub fn text(name: &str) -> Option<&'static str> {
    file(name).map(|(_, text)| text)
}

/// The names of all providers, sorted.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = PROVIDERS.files().filter_map(name_of).collect();
    names.sort_unstable();
    names
}

fn name_of(file: &File<'static>) -> Option<&'static str> {
    file.path().to_str()?.strip_suffix(ENDING)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_found_by_its_whole_name_only() {
        let names = names();
        assert!(names.is_sorted() && names.len() > 200);
        for name in names {
            let (found, text) = file(name).unwrap();
            assert_eq!(found, name);
            assert!(!text.is_empty());
        }
        for wrong in [
            "",
            "prove.",
            "prov",
            "prove.toml",
            "proven.toml",
            "Prove",
            "../prove",
            "no",
        ] {
            assert!(file(wrong).is_none(), "{wrong}");
        }
    }
}

//! Files that are made from the code, kept true by tests.

/// Fails unless the file of this repository has this text; with `GATEPOST_BLESS=1` writes it.
pub(crate) fn agrees(path: &str, text: &str) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("GATEPOST_BLESS").is_some() {
        std::fs::write(&file, text).unwrap();
        return;
    }
    let there = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        there == text,
        "{path} is not what the code says: GATEPOST_BLESS=1 cargo test makes it again"
    );
}

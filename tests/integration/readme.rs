//! README.md: every console block is run, and says what the page says it does.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The lines of one block: commands and what they print.
fn blocks(text: &str) -> Vec<Vec<&str>> {
    let parts = text.split("```console\n").skip(1);
    parts
        .map(|part| part.split("```").next().unwrap().lines().collect())
        .collect()
}

/// What a shell does for a block: the ports of the page may be taken here, so the file that `init`
/// writes gets others.
fn script(block: &[&str]) -> String {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut text = format!(
        "exec 2>&1\nset -e\ntrap 'trap - EXIT TERM; kill 0' EXIT\n\
         gatepost() {{\n  command gatepost \"$@\" || code=$?\n  if [ \"$1\" = init ]; then\n    \
         sed -i 's/^listen = .*/listen = \"127.0.0.1:{port}\"/' sidecar.toml\n    \
         printf '[health]\\nlisten = \"off\"\\n[admin]\\nlisten = \"off\"\\n' >> sidecar.toml\n  fi\n}}\n"
    );
    for line in block {
        if let Some(command) = line.strip_prefix("$ ") {
            let _ = writeln!(text, "echo '== {}'", command.replace('\'', ""));
            let _ = writeln!(text, "{command}");
            if command.ends_with('&') {
                // Until it listens.
                let _ = writeln!(
                    text,
                    "for _ in $(seq 200); do (: < /dev/tcp/127.0.0.1/{port}) 2>/dev/null && break; sleep 0.05; done"
                );
            }
        }
    }
    text
}

/// What is printed holds the lines of the block, in their order; `…` stands for any.
fn missing<'b>(block: &[&'b str], printed: &str) -> Option<&'b str> {
    let mut rest = printed;
    for line in block {
        let wanted = match line.strip_prefix("$ ") {
            Some(command) => format!("== {}", command.replace('\'', "")),
            None if line.trim() == "…" => continue,
            None => line.trim().to_owned(),
        };
        match rest.find(&wanted) {
            Some(at) => rest = &rest[at + wanted.len()..],
            None => return Some(line),
        }
    }
    None
}

#[test]
fn every_console_block_does_what_it_says() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"));
    let page = page.unwrap();
    let blocks = blocks(&page);
    assert!(blocks.len() >= 2, "{} blocks", blocks.len());
    let binary = Path::new(env!("CARGO_BIN_EXE_gatepost"));
    let path = format!(
        "{}:{}",
        binary.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    for block in blocks {
        let folder = TempDir::new().unwrap();
        let output = Command::new("bash")
            .args(["-c", &script(&block)])
            .current_dir(folder.path())
            .env("PATH", &path)
            .stdin(Stdio::null())
            // What runs in the background ends with the block.
            .process_group(0)
            .output()
            .unwrap();
        let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let missing = missing(&block, &printed);
        assert!(missing.is_none(), "not printed: {missing:?}\n{printed}");
    }
}

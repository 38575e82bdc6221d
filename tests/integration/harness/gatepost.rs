//! The process under test: its files, its log, its end.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

use super::upstream::{Journal, Upstream};
use super::verdict::Expected;
use super::{DEADLINE, client};

/// What a gatepost is started with.
pub struct Setup {
    url: String,
    journal: Arc<Journal>,
    server: String,
    upstream: String,
    rest: String,
    env: Vec<(String, String)>,
    admin: String,
    pub folder: TempDir,
}

impl Setup {
    /// In front of `app`, with every port chosen by the system.
    pub fn new(app: &Upstream) -> Self {
        Self {
            url: app.url.clone(),
            journal: app.journal.clone(),
            server: "listen = \"127.0.0.1:0\"\ndrain = \"1s\"\n".into(),
            upstream: String::new(),
            rest: String::new(),
            env: Vec::new(),
            admin: "off".into(),
            folder: TempDir::new().unwrap(),
        }
    }

    /// Reaches the app by another URL.
    pub fn url(mut self, url: String) -> Self {
        self.url = url;
        self
    }

    /// Listens there.
    pub fn listen(mut self, place: &str) -> Self {
        self.server = self.server.replace("127.0.0.1:0", place);
        self
    }

    /// More keys of `[server]`.
    pub fn server(mut self, toml: &str) -> Self {
        let _ = writeln!(self.server, "{toml}");
        self
    }

    /// More keys of `[upstream]`.
    pub fn upstream(mut self, toml: &str) -> Self {
        let _ = writeln!(self.upstream, "{toml}");
        self
    }

    /// With an admin listener, on a port chosen by the system.
    pub fn admin(mut self) -> Self {
        self.admin = "127.0.0.1:0".into();
        self
    }

    /// More sections.
    pub fn toml(mut self, toml: &str) -> Self {
        let _ = writeln!(self.rest, "{toml}");
        self
    }

    /// A file beside `sidecar.toml`.
    pub fn file(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.folder.path().join(name), bytes).unwrap();
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Writes `sidecar.toml`.
    pub fn config(&self) -> PathBuf {
        let Self {
            url,
            server,
            upstream,
            rest,
            admin,
            ..
        } = self;
        let text = format!(
            "[server]\n{server}\n[upstream]\nurl = {url:?}\n{upstream}\n\
             [health]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = {admin:?}\n{rest}\n"
        );
        let path = self.folder.path().join("sidecar.toml");
        std::fs::write(&path, text).unwrap();
        path
    }

    /// `gatepost COMMAND -c sidecar.toml …`, with the environment of this setup and no other.
    pub fn command(&self, words: &[&str]) -> Command {
        // Another build of it, to measure or to see a test fail.
        let program = std::env::var_os("GATEPOST_UNDER_TEST")
            .unwrap_or_else(|| env!("CARGO_BIN_EXE_gatepost").into());
        let mut command = Command::new(program);
        command.env_clear().envs(self.env.iter().cloned());
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
            .args(&words[..1])
            .arg("-c")
            .arg(self.config())
            .args(&words[1..]);
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Starts it and waits until it listens.
    pub fn start(self) -> Gatepost {
        let mut child = self
            .command(&["run"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Log::default());
        let (stderr, shared) = (child.stderr.take().unwrap(), log.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                shared.push(line);
            }
            shared.end();
        });
        let listening = log.wait(|line| line["msg"] == "listening");
        let Some(listening) = listening else {
            drop(child.kill());
            panic!("gatepost did not start:\n{}", log.text());
        };
        let address = |field: &str| listening[field].as_str().and_then(|text| text.parse().ok());
        Gatepost {
            address: address("listen").expect("the field `listen`"),
            health: address("health"),
            admin: address("admin"),
            child,
            log,
            journal: self.journal,
            expected: RefCell::default(),
            failures: RefCell::default(),
            folder: self.folder,
        }
    }
}

/// The lines of stderr so far.
#[derive(Default)]
pub struct Log {
    lines: Mutex<(Vec<String>, bool)>,
    changed: Condvar,
}

impl Log {
    fn push(&self, line: String) {
        self.lines.lock().unwrap().0.push(line);
        self.changed.notify_all();
    }

    fn end(&self) {
        self.lines.lock().unwrap().1 = true;
        self.changed.notify_all();
    }

    /// The first line that `wanted` takes; `None` when the process ends, or never writes it.
    pub fn wait(&self, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        let start = Instant::now();
        let mut lines = self.lines.lock().unwrap();
        let mut next = 0;
        loop {
            for line in &lines.0[next..] {
                if let Ok(value) = serde_json::from_str::<Value>(line)
                    && wanted(&value)
                {
                    return Some(value);
                }
            }
            next = lines.0.len();
            let left = DEADLINE.saturating_sub(start.elapsed());
            if lines.1 || left.is_zero() {
                return None;
            }
            lines = self.changed.wait_timeout(lines, left).unwrap().0;
        }
    }

    fn wait_for_end(&self) {
        let start = Instant::now();
        let mut lines = self.lines.lock().unwrap();
        while !lines.1 && start.elapsed() < DEADLINE {
            lines = self.changed.wait_timeout(lines, DEADLINE).unwrap().0;
        }
    }

    pub fn text(&self) -> String {
        self.lines.lock().unwrap().0.join("\n")
    }
}

/// A running gatepost.
///
/// `refuses` and `passes` note what went wrong and go on; the end of the process checks the log
/// lines of all requests and reports everything at once.
pub struct Gatepost {
    pub address: SocketAddr,
    pub health: Option<SocketAddr>,
    pub admin: Option<SocketAddr>,
    pub log: Arc<Log>,
    pub journal: Arc<Journal>,
    pub folder: TempDir,
    child: Child,
    pub(super) expected: RefCell<Vec<Expected>>,
    pub(super) failures: RefCell<Vec<String>>,
}

impl Gatepost {
    pub fn connect(&self) -> client::Client {
        client::Client::connect(self.address)
    }

    /// Asks the health listener.
    pub fn health(&self, path: &str) -> client::Response {
        let address = self.health.expect("a health listener");
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        client::exchange(address, request.as_bytes())
    }

    /// Asks the admin listener.
    pub fn admin(&self, path: &str) -> client::Response {
        let address = self.admin.expect("an admin listener");
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        client::exchange(address, request.as_bytes())
    }

    /// A command that asks the admin listener.
    pub fn ask(&self, words: &[&str]) -> Output {
        let admin = self.admin.expect("an admin listener").to_string();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
        command.env_clear().current_dir(self.folder.path());
        command.args(words).args(["--admin", &admin]);
        command.output().unwrap()
    }

    /// The log line of a request.
    pub fn line(&self, request_id: &str) -> Value {
        self.log
            .wait(|line| line["msg"] == "request" && line["request_id"] == request_id)
            .expect("a log line of the request")
    }

    pub fn fail(&self, message: String) {
        self.failures.borrow_mut().push(message);
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let id = self.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Asks it to stop and waits for it. `None` when it does not.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        self.signal("-TERM");
        self.exited()
    }

    /// Waits for its end, which the end of its stderr announces.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.log.wait_for_end();
        let start = Instant::now();
        while start.elapsed() < DEADLINE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            std::thread::yield_now();
        }
        None
    }
}

impl Drop for Gatepost {
    fn drop(&mut self) {
        if std::thread::panicking() {
            drop(self.child.kill());
            drop(self.child.wait());
            eprintln!("log of gatepost:\n{}", self.log.text());
            return;
        }
        let running = self.child.try_wait().unwrap().is_none();
        if running && !self.stop().is_some_and(|status| status.success()) {
            drop(self.child.kill());
            drop(self.child.wait());
            self.fail("it does not stop cleanly on SIGTERM".into());
        }
        self.check_log();
        let failures = self.failures.take();
        assert!(
            failures.is_empty(),
            "{} failures:\n{}",
            failures.len(),
            failures.join("\n")
        );
    }
}

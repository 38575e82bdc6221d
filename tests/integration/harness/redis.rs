//! Real Redis servers, each on a port of its own with a folder of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::DEADLINE;

/// A running server, killed when dropped.
pub struct Redis {
    pub port: u16,
    folder: TempDir,
    arguments: Vec<String>,
    child: Option<Child>,
    tls: bool,
}

/// A port that was free a moment ago. With a second one 10000 above, for the bus of a cluster.
fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        if port < 50_000 && TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok() {
            return port;
        }
    }
}

impl Redis {
    /// A server with these arguments beside what every test needs.
    pub fn start(arguments: &[&str]) -> Self {
        Self::with(free_port(), arguments, false)
    }

    /// A server that speaks TLS only, with files of `folder`.
    pub fn tls(folder: &Path) -> Self {
        let file = |name: &str| folder.join(name).display().to_string();
        let port = free_port();
        let text = port.to_string();
        let (cert, key) = (file("redis.crt"), file("redis.key"));
        Self::with(
            port,
            &[
                "--port",
                "0",
                "--tls-port",
                &text,
                "--tls-cert-file",
                &cert,
                "--tls-key-file",
                &key,
                "--tls-ca-cert-file",
                &cert,
                "--tls-auth-clients",
                "no",
            ],
            true,
        )
    }

    fn with(port: u16, arguments: &[&str], tls: bool) -> Self {
        let mut redis = Self {
            port,
            folder: TempDir::new().unwrap(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            child: None,
            tls,
        };
        redis.restart();
        redis
    }

    /// Starts it again, with what it wrote to its disk.
    pub fn restart(&mut self) {
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        if !self.tls {
            command.args(["--port", &port]);
        }
        let child = command
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"])
            .args(["--appendfsync", "always", "--daemonize", "no", "--dir"])
            .arg(self.folder.path())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server, of the Debian package redis-server (tests/all installs it)");
        self.child = Some(child);
        let start = Instant::now();
        while !self.ready() {
            assert!(start.elapsed() < DEADLINE, "redis-server does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn ready(&self) -> bool {
        if self.tls {
            return TcpStream::connect(("127.0.0.1", self.port)).is_ok();
        }
        self.try_ask(&["PING"])
            .is_some_and(|answer| answer == "+PONG" || answer.starts_with("-NOAUTH"))
    }

    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Runs a command, and gives its answer as it comes.
    pub fn ask(&self, words: &[&str]) -> String {
        self.try_ask(words).expect("an answer of redis-server")
    }

    fn try_ask(&self, words: &[&str]) -> Option<String> {
        let mut stream = TcpStream::connect(self.address()).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        let head = format!("*{}\r\n", words.len());
        let text = words.iter().fold(head, |text, word| {
            text + &format!("${}\r\n{word}\r\n", word.len())
        });
        stream.write_all(text.as_bytes()).ok()?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end().to_owned();
        match line.strip_prefix('$').and_then(|n| n.parse::<usize>().ok()) {
            Some(length) => {
                let mut bytes = vec![0; length];
                reader.read_exact(&mut bytes).ok()?;
                String::from_utf8(bytes).ok()
            }
            None => Some(line),
        }
    }

    /// How many keys it holds.
    pub fn keys(&self) -> usize {
        let answer = self.ask(&["DBSIZE"]);
        answer.trim_start_matches(':').parse().unwrap()
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.as_ref().expect("a running server").id();
        let status = Command::new("kill").args([name, &id.to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Ends it at once, as a power failure would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Three masters with all slots between them.
pub fn cluster() -> Vec<Redis> {
    let arguments = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];
    let mut nodes: Vec<Redis> = (0..3).map(|_| Redis::start(&arguments)).collect();
    let ranges = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];
    for (node, (first, last)) in nodes.iter_mut().zip(ranges) {
        assert_eq!(node.ask(&["CLUSTER", "ADDSLOTSRANGE", first, last]), "+OK");
    }
    let (first, others) = nodes.split_first().unwrap();
    for (epoch, other) in others.iter().enumerate() {
        let epoch = (epoch + 2).to_string();
        assert_eq!(other.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]), "+OK");
        let port = other.port.to_string();
        assert_eq!(first.ask(&["CLUSTER", "MEET", "127.0.0.1", &port]), "+OK");
    }
    wait_for_cluster(&nodes);
    nodes
}

/// Waits until every node sees every other.
pub fn wait_for_cluster(nodes: &[Redis]) {
    let start = Instant::now();
    let good = |node: &Redis| {
        let info = node.ask(&["CLUSTER", "INFO"]);
        info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
    };
    while !nodes.iter().all(good) {
        assert!(start.elapsed() < DEADLINE, "the cluster does not form");
        std::thread::sleep(Duration::from_millis(20));
    }
}

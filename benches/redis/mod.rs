//! A redis-server for a benchmark, on a port of its own, that writes nothing to a disk.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gatepost::duplicates::{Address, Place, RedisSettings, Settings, Store};
use gatepost::secret::Secret;

/// Ends when it is dropped.
#[derive(Debug)]
pub struct Server {
    port: u16,
    child: Child,
}

impl Server {
    /// Starts it, and waits until it listens.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        drop(listener);
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server, of the Debian package redis-server");
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(5));
        }
        Self { port, child }
    }

    /// A store in it.
    pub fn store(&self) -> Store {
        let url = format!("redis://127.0.0.1:{}", self.port);
        let address = Address::parse(&url).expect("an address");
        let minute = Duration::from_secs(60);
        let secret = Secret::new(url.into_bytes());
        let redis = RedisSettings::new(address, &secret, None, "bench:", minute);
        let settings = Settings {
            place: Place::Redis(Box::new(redis.expect("a client"))),
            remember: minute,
            capacity: 1,
            forward_unasked: false,
        };
        Store::new(&settings, Instant::now())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

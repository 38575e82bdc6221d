//! An app that can be killed and started again on the same port.

use std::collections::HashMap;
use std::io::Write as _;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use crate::harness::upstream::{Reader, reply};
use crate::harness::{Answer, Received, Upstream};

/// It answers 200 and counts how often each body came.
pub struct App {
    pub address: SocketAddr,
    pub seen: Arc<Mutex<HashMap<Vec<u8>, usize>>>,
    running: Option<Running>,
}

struct Running {
    thread: JoinHandle<()>,
    stop: Arc<Mutex<bool>>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl App {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut app = Self {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
            running: None,
        };
        app.run(listener);
        app
    }

    /// As the harness knows apps, for `Setup`.
    pub fn upstream(&self) -> Upstream {
        let mut app = Upstream::down();
        app.url = format!("http://{}", self.address);
        app
    }

    pub fn restart(&mut self) {
        // The standard library sets SO_REUSEADDR: connections of the dead app do not matter.
        let listener = TcpListener::bind(self.address).unwrap();
        self.run(listener);
    }

    fn run(&mut self, listener: TcpListener) {
        let stop = Arc::new(Mutex::new(false));
        let streams = Arc::new(Mutex::new(Vec::new()));
        let (told, open, seen) = (stop.clone(), streams.clone(), self.seen.clone());
        let thread = thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if *told.lock().unwrap() {
                    return;
                }
                open.lock().unwrap().push(stream.try_clone().unwrap());
                let seen = seen.clone();
                thread::spawn(move || answer(&stream, &seen));
            }
        });
        self.running = Some(Running {
            thread,
            stop,
            streams,
        });
    }

    /// Closes its listener and every connection, whatever is on them.
    pub fn kill(&mut self) {
        let running = self.running.take().unwrap();
        *running.stop.lock().unwrap() = true;
        drop(TcpStream::connect(self.address));
        running.thread.join().unwrap();
        for stream in running.streams.lock().unwrap().iter() {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

fn answer(stream: &TcpStream, seen: &Mutex<HashMap<Vec<u8>, usize>>) {
    let journal = crate::harness::upstream::Journal::default();
    let mut reader = Reader {
        stream,
        journal: &journal,
        unread: Vec::new(),
    };
    while let Some(received) = reader.request(1) {
        *seen.lock().unwrap().entry(received.body).or_default() += 1;
        let mut writer = stream;
        if writer.write_all(&reply("200 OK", "ok")).is_err() {
            return;
        }
    }
}

/// An app that takes `time` for each answer.
pub fn slow(time: std::time::Duration) -> Upstream {
    Upstream::answering(move |_: &Received| {
        thread::sleep(time);
        Answer::Keep(reply("200 OK", "ok"))
    })
}

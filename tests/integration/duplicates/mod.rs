//! Copies and replays: what the app sees once, twice, and never too seldom.

/// Several nodes, TLS, passwords.
mod cluster;
/// App, gatepost and store, killed in the middle of load.
mod killed;
/// One process.
mod memory;
/// Three processes, one Redis, and everything that can go wrong, in any order.
mod model;
/// Several processes that share one memory.
mod shared;
/// What `explain`, `why` and the log tell of a key.
mod told;

use std::sync::Arc;
use std::sync::Mutex;

use crate::harness::upstream::reply;
use crate::harness::{Answer, Delivery, Setup, Upstream};
use crate::signing;

const SECRET: &str = "duplicates-secret-0123456789";

/// A provider that signs its bodies, on `/hook`; `keys` are more keys of the route.
fn route(keys: &str) -> String {
    format!(
        "[[route]]\npath = \"/hook\"\nprovider = \"acme\"\nsecret = {{ env = \"SECRET\" }}\n{keys}\n\
         [provider.acme]\nevent = {{ type = {{ json = \"/type\" }}, id = {{ json = \"/id\" }} }}\n\
         verify = [{{ scheme = \"hmac\", header = \"X-Sign\", encoding = \"hex\" }}]"
    )
}

fn setup(app: &Upstream, keys: &str) -> Setup {
    Setup::new(app)
        .env("SECRET", SECRET)
        .toml("[reload]\npoll = \"20ms\"")
        .toml(&route(keys))
}

fn signed(body: &str) -> Delivery {
    let signature = signing::hmac("sha256", SECRET.as_bytes(), body.as_bytes());
    Delivery::post("/hook")
        .header("X-Sign", signing::hex(&signature))
        .body(body)
}

fn event(id: &str) -> Delivery {
    signed(&format!("{{\"type\":\"t\",\"id\":\"{id}\"}}"))
}

/// An app that answers as it is told, and goes on in the same way until it is told otherwise.
#[derive(Clone)]
struct Mood(Arc<Mutex<fn() -> Answer>>);

impl Mood {
    fn tell(&self, answer: fn() -> Answer) {
        *self.0.lock().unwrap() = answer;
    }
}

fn moody() -> (Upstream, Mood) {
    let mood = Mood(Arc::new(Mutex::new(|| Answer::Keep(reply("200 OK", "ok")))));
    let shared = mood.clone();
    let app = Upstream::answering(move |_| shared.0.lock().unwrap()());
    (app, mood)
}

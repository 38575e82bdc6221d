//! Every scheme and its grammar (design.md §3), through a provider of one's own.

mod hmac;
mod http_signature;
mod jwt;
mod message;
mod shared;
mod signature;
mod timestamp;

use crate::harness::{Delivery, Setup, Upstream};

const PATH: &str = "/webhooks/acme";
const SECRET: &str = "acme-secret-0123456789";

/// A route to `[provider.acme]`, whose only step is `step`.
fn setup(app: &Upstream, step: &str) -> Setup {
    verifying(app, &format!("[{{ {step} }}]"))
}

/// The same with the whole list of steps.
fn verifying(app: &Upstream, verify: &str) -> Setup {
    routed(app, verify, "secret = { env = \"ACME_SECRET\" }").env("ACME_SECRET", SECRET)
}

/// The same with the keys of the route.
fn routed(app: &Upstream, verify: &str, keys: &str) -> Setup {
    Setup::new(app).toml(&format!(
        "[[route]]\npath = \"{PATH}\"\nprovider = \"acme\"\nmethods = [\"POST\", \"PUT\"]\n{keys}\n\
         [provider.acme]\nverify = {verify}\nevent = {{ type = {{ json = \"/type\" }}, id = {{ header = \"X-Id\" }} }}"
    ))
}

fn delivery(body: impl AsRef<[u8]>) -> Delivery {
    Delivery::post(PATH).body(body)
}

//! `gatepost schema`.

use super::say;
use crate::config::schema;

pub(super) fn run() {
    say(&schema::text());
}

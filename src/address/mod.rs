//! Who is calling: address lists, and the client address behind trusted proxies.
//!
//! Everything here is pure: bytes and addresses in, addresses out. IPv4-mapped IPv6 addresses
//! (`::ffff:192.0.2.1`, as a dual-stack socket reports IPv4 peers) are IPv4 everywhere.

pub mod client;
mod error;
pub mod forwarded;
pub mod list;
pub mod network;
mod node;
pub mod proxy_protocol;
mod source;

pub use client::Trust;
pub use error::AddressError;
pub use list::AddressList;
pub use network::Network;
pub use source::ClientSource;

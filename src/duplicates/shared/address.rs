//! Where Redis is: one server, or the nodes of a cluster to begin with.

use std::fmt;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisConnectionInfo};

/// One server, or a cluster.
#[derive(Clone)]
pub struct Address {
    pub(super) nodes: Vec<ConnectionInfo>,
    pub(super) cluster: bool,
}

/// Why a text is no address. Says nothing of the text: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressError {
    /// Of another scheme, or not a URL.
    Scheme,
    /// Several hosts without a scheme of a cluster.
    SeveralHosts,
    /// A fragment or a query: they would switch checks off.
    Options,
    /// Host, port or database cannot be read.
    Malformed,
    /// A database in a cluster, which has one only.
    Database,
}

impl AddressError {
    /// What is wrong, and what to do.
    pub const fn describe(self) -> (&'static str, &'static str) {
        match self {
            Self::Scheme => (
                "this is not the URL of a Redis server",
                "write redis://host:6379, rediss:// for TLS, redis-cluster:// or rediss-cluster:// with the nodes, or unix:///path",
            ),
            Self::SeveralHosts => (
                "a single server has one host",
                "write redis-cluster:// or rediss-cluster:// for the nodes of a cluster",
            ),
            Self::Options => (
                "the URL has a query or a fragment",
                "write scheme, user, password, host, port and database only; `%23` for a `#` and `%3F` for a `?` in the password",
            ),
            Self::Malformed => (
                "host, port or database of this URL cannot be read",
                "write it as in redis://host:6379/0; in the password percent-encode `@`, `/`, `:` and `%`",
            ),
            Self::Database => (
                "a cluster has no databases",
                "remove what stands behind the last host",
            ),
        }
    }
}

impl Address {
    /// Reads a URL. `redis-cluster://a:7000,b:7000` and `rediss-cluster://…` name some nodes of a
    /// cluster; the others are found by asking these.
    ///
    /// # Errors
    ///
    /// [`AddressError`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.contains(['#', '?']) {
            return Err(AddressError::Options);
        }
        if let Some(path) = text.strip_prefix("unix://") {
            return Ok(Self {
                nodes: vec![node(&format!("redis+unix://{path}"))?],
                cluster: false,
            });
        }
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::Scheme)?;
        let (scheme, cluster) = match scheme {
            "redis" | "rediss" => (scheme, false),
            "redis-cluster" => ("redis", true),
            "rediss-cluster" => ("rediss", true),
            _ => return Err(AddressError::Scheme),
        };
        let (user, rest) = match rest.rsplit_once('@') {
            Some((user, rest)) => (format!("{user}@"), rest),
            None => (String::new(), rest),
        };
        let (hosts, database) = match rest.split_once('/') {
            Some((hosts, database)) => (hosts, database),
            None => (rest, ""),
        };
        if cluster && !database.is_empty() {
            return Err(AddressError::Database);
        }
        if !cluster && hosts.contains(',') {
            return Err(AddressError::SeveralHosts);
        }
        let nodes = hosts
            .split(',')
            .map(|host| {
                if host.is_empty() || host.starts_with(':') {
                    return Err(AddressError::Malformed);
                }
                node(&format!("{scheme}://{user}{host}/{database}"))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { nodes, cluster })
    }

    /// Whether it holds a password.
    pub fn has_password(&self) -> bool {
        let mut nodes = self.nodes.iter();
        nodes.any(|node| node.redis_settings().password().is_some())
    }

    /// Whether it is reached by TLS.
    pub fn is_secure(&self) -> bool {
        let mut nodes = self.nodes.iter();
        nodes.any(|node| matches!(node.addr(), ConnectionAddr::TcpTls { .. }))
    }

    /// The same, with another password.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        let settings = |node: &ConnectionInfo| -> RedisConnectionInfo {
            node.redis_settings().clone().set_password(password)
        };
        for node in &mut self.nodes {
            *node = node.clone().set_redis_settings(settings(node));
        }
        self
    }
}

fn node(url: &str) -> Result<ConnectionInfo, AddressError> {
    url.into_connection_info()
        .map_err(|_| AddressError::Malformed)
}

impl fmt::Debug for Address {
    /// Shows nothing: it may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_servers_and_clusters() {
        for (text, nodes, cluster, secure, password) in [
            ("redis://localhost", 1, false, false, false),
            ("redis://localhost:6380/3", 1, false, false, false),
            ("redis://:hunter2@10.0.0.1:6379", 1, false, false, true),
            ("redis://u:p%40ss@[::1]:6379/0", 1, false, false, true),
            ("rediss://redis.example:6380", 1, false, true, false),
            ("unix:///run/redis.sock", 1, false, false, false),
            ("redis-cluster://a:7000,b:7001,c", 3, true, false, false),
            ("rediss-cluster://u:p@a:7000,b:7001/", 2, true, true, true),
        ] {
            let address = Address::parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
            assert_eq!(
                (
                    address.nodes.len(),
                    address.cluster,
                    address.is_secure(),
                    address.has_password()
                ),
                (nodes, cluster, secure, password),
                "{text}"
            );
            let other = address.with_password("another");
            assert!(other.has_password());
            assert_eq!(format!("{other:?}"), "Address");
        }
    }

    #[test]
    fn refuses_what_could_mean_something_else() {
        for (text, error) in [
            ("", AddressError::Scheme),
            ("localhost:6379", AddressError::Scheme),
            ("http://localhost", AddressError::Scheme),
            ("redis:/localhost", AddressError::Scheme),
            ("redis://a:1,b:2", AddressError::SeveralHosts),
            ("rediss://a/#insecure", AddressError::Options),
            ("redis://a?db=1", AddressError::Options),
            ("redis://", AddressError::Malformed),
            ("redis://:6379", AddressError::Malformed),
            ("redis://a:b", AddressError::Malformed),
            ("redis://a/x", AddressError::Malformed),
            ("redis-cluster://a,,b", AddressError::Malformed),
            ("redis-cluster://a/1", AddressError::Database),
        ] {
            assert_eq!(Address::parse(text).err(), Some(error), "{text}");
            assert!(!error.describe().0.is_empty() && !error.describe().1.is_empty());
        }
    }
}

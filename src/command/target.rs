//! Where a command sends its request: host and port, with TLS or without, or a Unix socket.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::certificates::{Identity, caller};
use crate::config::Listen;

/// A place that takes requests.
#[derive(Debug)]
pub(super) enum Target {
    /// In plain; the first address that takes the connection.
    Tcp(Vec<SocketAddr>),
    /// With TLS, and the name that its certificate must have.
    Tls(Vec<SocketAddr>, Arc<ClientConfig>, ServerName<'static>),
    /// A Unix socket.
    Unix(PathBuf),
}

/// A connection of either kind.
trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

impl Target {
    /// What the user wrote: `HOST:PORT`, `http://…`, `https://…` or `unix:/path`.
    pub(super) fn parse(
        text: &str,
        authority: Option<&Path>,
        identity: Option<&Identity>,
    ) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Unix(path.into()));
        }
        let (tls, bare) = match text.split_once("://") {
            None => (false, text),
            Some(("http", bare)) => (false, bare),
            Some(("https", bare)) => (true, bare),
            Some(_) => return Err(format!("`{text}` is neither http nor https")),
        };
        let bare = bare.trim_end_matches('/');
        let default = if tls { ":443" } else { ":80" };
        let ported = bare
            .rsplit_once(':')
            .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
        let place = match ported {
            true => bare.to_owned(),
            false if text.contains("://") => format!("{bare}{default}"),
            false => return Err(format!("`{text}` is not HOST:PORT")),
        };
        let addresses: Vec<SocketAddr> = place
            .to_socket_addrs()
            .map(Iterator::collect)
            .unwrap_or_default();
        if addresses.is_empty() {
            return Err(format!("`{text}` names no address that can be found"));
        }
        if tls {
            let host = place.rsplit_once(':').map_or(&*place, |(host, _)| host);
            Self::secure(
                addresses,
                host.trim_matches(['[', ']']),
                authority,
                identity,
            )
        } else {
            Ok(Self::Tcp(addresses))
        }
    }

    /// The main listener of a configuration.
    pub(super) fn listener(
        listen: &Listen,
        tls: bool,
        host: Option<&str>,
        authority: Option<&Path>,
        identity: Option<&Identity>,
    ) -> Result<Self, String> {
        match listen {
            Listen::Unix(path) if !tls => Ok(Self::Unix(path.clone())),
            Listen::Tcp(address) if address.port() != 0 => {
                let ip = if address.ip().is_unspecified() {
                    Ipv4Addr::LOCALHOST.into()
                } else {
                    address.ip()
                };
                let addresses = vec![SocketAddr::new(ip, address.port())];
                if tls {
                    Self::secure(addresses, host.unwrap_or("localhost"), authority, identity)
                } else {
                    Ok(Self::Tcp(addresses))
                }
            }
            Listen::Tcp(_) | Listen::Unix(_) => {
                Err("`server.listen` names no port: say where with `--to HOST:PORT`".into())
            }
        }
    }

    fn secure(
        addresses: Vec<SocketAddr>,
        host: &str,
        authority: Option<&Path>,
        identity: Option<&Identity>,
    ) -> Result<Self, String> {
        let Some(file) = authority else {
            return Err(
                "the authority of the instance's certificate is needed: `--ca FILE`".into(),
            );
        };
        let wrong = |what: &dyn fmt::Display| format!("{}: {what}", file.display());
        let pem = std::fs::read(file).map_err(|error| wrong(&error))?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let added = certificate.ok().map(|one| roots.add(one));
            added
                .and_then(Result::ok)
                .ok_or_else(|| wrong(&"this is no certificate in PEM"))?;
        }
        if roots.is_empty() {
            return Err(wrong(&"there is no certificate in PEM in it"));
        }
        let config = caller(roots, identity)?;
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| format!("`{host}` cannot be the name in a certificate"))?;
        Ok(Self::Tls(addresses, config, name))
    }

    /// What stands in `Host` when nothing else is known.
    pub(super) fn authority(&self) -> String {
        match self {
            Self::Tcp(addresses) => first(addresses),
            Self::Tls(_, _, name) => name.to_str().into_owned(),
            Self::Unix(_) => "localhost".into(),
        }
    }

    /// Sends `request` on a connection of its own and reads to the end.
    pub(super) fn exchange(&self, request: &[u8], time: Duration) -> io::Result<Vec<u8>> {
        let mut stream: Box<dyn Stream> = match self {
            Self::Tcp(addresses) => Box::new(connected(addresses, time)?),
            Self::Tls(addresses, config, name) => {
                let connection = ClientConnection::new(config.clone(), name.clone())
                    .map_err(io::Error::other)?;
                Box::new(StreamOwned::new(connection, connected(addresses, time)?))
            }
            Self::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(time))?;
                stream.set_write_timeout(Some(time))?;
                Box::new(stream)
            }
        };
        stream.write_all(request)?;
        stream.flush()?;
        let mut bytes = Vec::new();
        match stream.read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            // Who ends TLS without saying so has perhaps said all the same.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !bytes.is_empty() => {
                Ok(bytes)
            }
            Err(error) => Err(error),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addresses) => f.write_str(&first(addresses)),
            Self::Tls(addresses, _, name) => {
                write!(f, "{} (TLS, {})", first(addresses), name.to_str())
            }
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

fn first(addresses: &[SocketAddr]) -> String {
    addresses
        .first()
        .map(ToString::to_string)
        .unwrap_or_default()
}

fn connected(addresses: &[SocketAddr], time: Duration) -> io::Result<TcpStream> {
    let mut outcome = Err(io::ErrorKind::AddrNotAvailable.into());
    for address in addresses {
        outcome = TcpStream::connect_timeout(address, time);
        if outcome.is_ok() {
            break;
        }
    }
    let stream = outcome?;
    stream.set_read_timeout(Some(time))?;
    stream.set_write_timeout(Some(time))?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_people_write_it() {
        for (text, expected) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://127.0.0.1:8080/", "127.0.0.1:8080"),
            ("http://127.0.0.1", "127.0.0.1:80"),
            ("[::1]:8080", "[::1]:8080"),
            ("unix:/run/in.sock", "unix:/run/in.sock"),
        ] {
            let target = Target::parse(text, None, None).unwrap();
            assert_eq!(target.to_string(), expected);
        }
        for (text, part) in [
            ("127.0.0.1", "not HOST:PORT"),
            ("ftp://127.0.0.1:1", "neither http nor https"),
            ("https://127.0.0.1:1", "--ca FILE"),
            ("http://:", "no address"),
        ] {
            let error = Target::parse(text, None, None).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        let error =
            Target::parse("https://a.test:1", Some(Path::new("/not/there")), None).unwrap_err();
        assert!(
            error.contains("names no address") || error.contains("/not/there"),
            "{error}"
        );
        let listen = Listen::Tcp("0.0.0.0:8080".parse().unwrap());
        let target = Target::listener(&listen, false, None, None, None).unwrap();
        assert_eq!(target.to_string(), "127.0.0.1:8080");
        let listen = Listen::Tcp("0.0.0.0:0".parse().unwrap());
        assert!(Target::listener(&listen, false, None, None, None).is_err());
    }
}

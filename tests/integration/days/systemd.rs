//! What systemd is told, and when.

use std::os::unix::net::UnixDatagram;

use super::setup;
use crate::harness::{DEADLINE, Upstream};

/// The next message of the service.
fn told(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 512];
    let length = socket.recv(&mut buffer).expect("a message for systemd");
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

#[test]
fn systemd_hears_of_start_reload_and_stop() {
    let app = Upstream::recording();
    let setup = setup(&app, "").toml("[reload]\nwatch = false");
    let path = setup.folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut gate = setup.env("NOTIFY_SOCKET", path.to_str().unwrap()).start();
    assert_eq!(told(&socket), "READY=1\n");
    gate.signal("-HUP");
    let reloading = told(&socket);
    let began = reloading
        .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
        .and_then(|rest| rest.trim_end().parse::<u64>().ok());
    assert!(began.is_some_and(|micros| micros > 0), "{reloading:?}");
    assert_eq!(told(&socket), "READY=1\n");
    gate.signal("-TERM");
    assert_eq!(told(&socket), "STOPPING=1\n");
    assert!(gate.exited().is_some_and(|status| status.success()));
}

#[test]
fn a_socket_that_nobody_reads_stops_nothing() {
    let app = Upstream::recording();
    let gate = setup(&app, "")
        .env("NOTIFY_SOCKET", "/nowhere/at/all")
        .start();
    let line = gate
        .log
        .wait(|line| line["msg"] == "systemd cannot be told of a change of state");
    assert!(line.is_some());
}

//! Telling the service manager how a service is (sd_notify(3)): one datagram, no library.

use std::env;
use std::io::{self, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The way to the service manager; without one nothing is sent and nothing fails.
#[derive(Debug)]
pub struct Notifier {
    way: Option<(UnixDatagram, SocketAddr)>,
}

impl Notifier {
    /// The manager that started this process, by `NOTIFY_SOCKET`.
    ///
    /// # Errors
    /// The variable is set and no socket can be made.
    pub fn from_environment() -> io::Result<Self> {
        let Some(name) = env::var_os("NOTIFY_SOCKET") else {
            return Ok(Self { way: None });
        };
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name)?,
            None => SocketAddr::from_pathname(&name)?,
        };
        Ok(Self {
            way: Some((UnixDatagram::unbound()?, address)),
        })
    }

    /// The service is ready; what waits for it may start.
    pub fn ready(&self, status: &str) -> io::Result<()> {
        self.send(&format!("READY=1\nSTATUS={}", line(status)))
    }

    /// A line for people, shown by `systemctl status` and `locker status`.
    pub fn status(&self, status: &str) -> io::Result<()> {
        self.send(&format!("STATUS={}", line(status)))
    }

    /// The start takes so much longer than was allowed before.
    pub fn extend(&self, microseconds: u64) -> io::Result<()> {
        self.send(&format!("EXTEND_TIMEOUT_USEC={microseconds}"))
    }

    /// The service ends because it is told to.
    pub fn stopping(&self, status: &str) -> io::Result<()> {
        self.send(&format!("STOPPING=1\nSTATUS={}", line(status)))
    }

    fn send(&self, text: &str) -> io::Result<()> {
        match &self.way {
            Some((socket, address)) => socket.send_to_addr(text.as_bytes(), address).map(drop),
            None => Ok(()),
        }
    }
}

/// Says something on standard error, where the journal hears it. One that went away hears nothing: what stands for a container
/// must not end for that, as it would by `eprintln!`.
pub fn tell_journal(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Tells why a service ends before it has begun: the journal, and whoever asks the manager. Without words
/// nothing is told: somebody else has.
pub fn tell_failure(reason: &str) {
    if reason.is_empty() {
        return;
    }
    tell_journal(reason);
    if let Ok(manager) = Notifier::from_environment() {
        // The journal has it in any case.
        let _ = manager.status(reason);
    }
}

/// A status is one line: a line break would begin another assignment.
fn line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_cannot_say_anything_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier {
            way: Some((
                UnixDatagram::unbound().unwrap(),
                SocketAddr::from_pathname(&path).unwrap(),
            )),
        };
        notifier.ready("healthy\nMAINPID=1").unwrap();
        let mut bytes = [0; 200];
        let count = manager.recv(&mut bytes).unwrap();
        let text = std::str::from_utf8(&bytes[..count]).unwrap();
        assert_eq!(text, "READY=1\nSTATUS=healthy MAINPID=1");
    }

    #[test]
    fn without_a_manager_nothing_fails() {
        assert!(Notifier { way: None }.ready("x").is_ok());
    }
}

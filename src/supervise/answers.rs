//! Whether somebody listens in the container: before systemd hands the first connection on to it.
//!
//! A container without a health check is ready as soon as it runs, while its program may still be about to
//! open its port; a connection that came then would be refused, though the caller did nothing wrong. Runs as
//! a process of its own before the proxy of a port. Decides nothing: when nobody listens in time, or the
//! container has ended for good, the connection is handed on all the same, and the proxy closes it.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::ways::{State, state};

/// Waits until an address answers, for its own use only.
pub(super) const ANSWERS: &str = "__answers";

/// How long it may take until the container has its address and its program has opened the port: on a busy host
/// an engine alone needs many seconds for a start.
const PATIENCE: Duration = Duration::from_secs(60);
/// A connection within one machine takes less.
const ONE: Duration = Duration::from_secs(1);
const AGAIN: Duration = Duration::from_millis(20);
/// How often systemd is asked whether the container has ended meanwhile.
const LOOK: Duration = Duration::from_secs(1);

/// `ADDRESS:PORT SERVICE`.
pub(super) fn wait(words: &[String]) -> Result<u8, String> {
    let usage = || format!("`{ANSWERS}` is for locker's own use");
    let [address, service] = words else {
        return Err(usage());
    };
    let address: SocketAddr = address.parse().map_err(|_| usage())?;
    await_listener(address, PATIENCE, &|| state(service) == State::Ended)
}

fn await_listener(
    address: SocketAddr,
    most: Duration,
    ended: &dyn Fn() -> bool,
) -> Result<u8, String> {
    let begun = Instant::now();
    let mut look = begun + LOOK;
    loop {
        if TcpStream::connect_timeout(&address, ONE).is_ok() {
            return Ok(0);
        }
        if begun.elapsed() >= most {
            return Err(format!("nobody listens on {address}"));
        }
        if Instant::now() >= look {
            if ended() {
                return Err(format!("the container of {address} has ended"));
            }
            look = Instant::now() + LOOK;
        }
        std::thread::sleep(AGAIN);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    #[test]
    fn it_waits_until_somebody_listens() {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let runs = || false;
        let none = await_listener(address, Duration::ZERO, &runs);
        assert_eq!(none, Err(format!("nobody listens on {address}")));
        let waits = std::thread::spawn(move || await_listener(address, PATIENCE, &runs));
        let late = TcpListener::bind(address).unwrap();
        late.accept().unwrap();
        assert_eq!(waits.join().unwrap(), Ok(0));
        assert!(wait(&["db:80".into(), "web.service".into()]).is_err());
    }

    #[test]
    fn nobody_is_waited_for_whose_container_has_ended() {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let ended = await_listener(address, PATIENCE, &|| true);
        assert_eq!(ended, Err(format!("the container of {address} has ended")));
    }
}

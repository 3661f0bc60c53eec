//! Whether somebody takes connections at an address: what a health check by port asks.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

/// Opens one TCP connection and lets go of it.
///
/// # Errors
/// Nobody takes it within `most`: the address, and the system's word.
pub fn knock(at: IpAddr, port: u16, most: Duration) -> Result<(), String> {
    let address = SocketAddr::new(at, port);
    // connect(2) with a limit of nothing is refused.
    match TcpStream::connect_timeout(&address, most.max(Duration::from_millis(1))) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("nobody takes connections at {address}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    #[test]
    fn who_listens_is_heard_and_who_does_not_is_named() {
        let at = IpAddr::from(Ipv4Addr::LOCALHOST);
        let listener = TcpListener::bind((at, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(knock(at, port, Duration::from_secs(5)), Ok(()));
        drop(listener);
        let said = knock(at, port, Duration::from_secs(5)).unwrap_err();
        assert!(
            said.contains(&format!("127.0.0.1:{port}: Connection refused")),
            "{said}"
        );
    }
}

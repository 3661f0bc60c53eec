//! Who listens where a container's monitor does.
//!
//! liblxc asks a monitor at a socket of the abstract namespace, and any user of the host may bind one there while no
//! monitor does (unix(7)). liblxc believes what it is told: that the container runs, and which process its init is, in whose
//! mount namespace it then does root's work. So only root is believed, and asked for anew before each call.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, UCred};

use crate::backend::BackendError;

/// So long may a name be: `sun_path` of `sockaddr_un` without the zero that begins an abstract name and what liblxc leaves free.
const ROOM: usize = 105;

/// How long a socket may have no room for one more caller, and how often it is tried.
const FULL: Duration = Duration::from_secs(2);
const BREATH: Duration = Duration::from_millis(20);

/// Refuses to ask a container whose socket somebody else than root has bound, or of which nobody can tell who has.
pub(super) fn trust(verb: &'static str, full: &str, lxcpath: &Path) -> Result<(), BackendError> {
    let silent = |reason: String, help: String| BackendError::Silent {
        verb,
        container: full.into(),
        reason,
        help,
    };
    let name = name(full, lxcpath);
    match listener(&name) {
        Ok(None) => Ok(()),
        Ok(Some(peer)) if peer.uid.is_root() => Ok(()),
        Ok(Some(peer)) => {
            let (user, pid) = (peer.uid.as_raw(), peer.pid.as_raw_nonzero());
            Err(silent(
                format!(
                    "process {pid} of user {user} has bound the socket of its LXC monitor, `@{name}`, and what that says is not believed"
                ),
                format!("look at it: ps -fp {pid}; then end it: kill {pid}"),
            ))
        }
        Err(error) => Err(silent(
            format!(
                "who listens at the socket of its LXC monitor, `@{name}`, cannot be known: {error}"
            ),
            format!("look who has it: ss -xlp | grep -F {full}/command"),
        )),
    }
}

/// Who listens there; none where nobody does.
fn listener(name: &str) -> rustix::io::Result<Option<UCred>> {
    let address = SocketAddrUnix::new_abstract_name(name.as_bytes())?;
    // What has no room for one more caller must not keep this one waiting without end.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let begun = Instant::now();
    loop {
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        match rustix::net::connect(&socket, &address) {
            Ok(()) => return socket_peercred(&socket).map(Some),
            Err(Errno::CONNREFUSED) => return Ok(None),
            Err(Errno::AGAIN) if begun.elapsed() < FULL => std::thread::sleep(BREATH),
            Err(error) => return Err(error),
        }
    }
}

/// The abstract name at which liblxc asks (`lxc_make_abstract_socket_name` of its commands_utils.c).
fn name(full: &str, lxcpath: &Path) -> String {
    let container = format!("{}/{full}", lxcpath.display());
    let plain = format!("{container}/command");
    match plain.len() <= ROOM {
        true => plain,
        false => format!("lxc/{:016x}/command", hash(container.as_bytes())),
    }
}

/// FNV-1a with 64 bits.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixListener};

    use super::*;

    #[test]
    fn nobody_and_root_are_trusted() {
        let dir = tempfile::tempdir().unwrap();
        trust("look at", "shop_web", dir.path()).unwrap();
        let address = SocketAddr::from_abstract_name(name("shop_web", dir.path())).unwrap();
        let listener = UnixListener::bind_addr(&address).unwrap();
        let told = trust("look at", "shop_web", dir.path());
        assert_eq!(told.is_ok(), rustix::process::geteuid().is_root());
        drop(listener);
        trust("look at", "shop_web", dir.path()).unwrap();
    }

    #[test]
    fn one_that_takes_no_callers_is_not_trusted() {
        let dir = tempfile::tempdir().unwrap();
        let address = SocketAddrUnix::new_abstract_name(name("full", dir.path()).as_bytes());
        let address = address.unwrap();
        let new = || rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        let (listener, caller) = (new(), new());
        rustix::net::bind(&listener, &address).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        rustix::net::connect(&caller, &address).unwrap();
        let told = trust("look at", "full", dir.path()).unwrap_err();
        assert!(told.to_string().contains("cannot be known"), "{told}");
    }

    #[test]
    fn a_name_that_is_too_long_is_hashed_as_liblxc_does() {
        let lxcpath = Path::new("/var/lib/lxc");
        assert_eq!(name("web", lxcpath), "/var/lib/lxc/web/command");
        assert_eq!(name(&"n".repeat(84), lxcpath).len(), 105);
        let long = name(&"n".repeat(85), lxcpath);
        assert!(
            long.starts_with("lxc/") && long.ends_with("/command"),
            "{long}"
        );
        // The test vector of FNV's authors for 64 bits, 1a.
        assert_eq!(hash(b"foobar"), 0x8594_4171_f739_67e8);
    }
}

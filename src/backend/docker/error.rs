//! The engine's errors in our words.
//!
//! What the engine answers is handed on as it is: it names the object and the reason. What never
//! reached it is told as what it is, an engine that is not there. Must not print requests: they
//! may hold secrets.

use std::io::ErrorKind;

use bollard::errors::Error;

use crate::backend::BackendError;

/// The name in messages.
pub(super) const ENGINE: &str = "Docker";

/// What the engine said about a container.
pub(super) fn failed(verb: &'static str, container: &str, error: &Error) -> BackendError {
    unreachable(error).unwrap_or_else(|| BackendError::Engine {
        verb,
        container: container.into(),
        reason: reason(error),
        log: Vec::new(),
    })
}

/// What is wrong with a container in our own words.
pub(super) fn refused(
    verb: &'static str,
    container: &str,
    reason: impl Into<String>,
) -> BackendError {
    BackendError::Engine {
        verb,
        container: container.into(),
        reason: reason.into(),
        log: Vec::new(),
    }
}

/// An error about the container `id`, by the name that the user knows.
pub(super) fn renamed(error: BackendError, id: &str, name: &str) -> BackendError {
    match error {
        BackendError::Engine {
            verb,
            container,
            reason,
            log,
        } if container == id => BackendError::Engine {
            verb,
            container: name.into(),
            reason,
            log,
        },
        other => other,
    }
}

/// What the engine said about an image.
pub(super) fn image_failed(verb: &'static str, image: &str, error: &Error) -> BackendError {
    unreachable(error).unwrap_or_else(|| BackendError::Image {
        verb,
        image: image.into(),
        reason: reason(error),
        log: Vec::new(),
        help: None,
    })
}

/// Whether it says that the object is not there.
pub(super) fn is_missing(error: &Error) -> bool {
    status(error) == Some(404)
}

/// Whether the engine has gone away in the middle of its answer, or before it: it has said nothing.
pub(super) fn broke_off(error: &Error) -> bool {
    matches!(
        error,
        Error::IOError { .. }
            | Error::HyperResponseError { .. }
            | Error::HyperLegacyError { .. }
            | Error::SocketNotFoundError(_)
    )
}

/// The status that the engine answered with.
pub(super) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// The engine's own words, without the client's frame around them, on one line.
pub(super) fn reason(error: &Error) -> String {
    let said = match error {
        Error::DockerResponseServerError { message, .. } => message.clone(),
        Error::DockerStreamError { error } => error.clone(),
        Error::RequestTimeoutError => "the engine did not answer in time".into(),
        Error::JsonDataError { message, .. } => {
            format!("the engine's answer cannot be read: {message}")
        }
        other => innermost(other),
    };
    let said = said.trim();
    let said = said
        .strip_prefix("Error response from daemon: ")
        .unwrap_or(said);
    let lines: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect();
    let said = lines.join("; ");
    match lacks_chains(&said) {
        true => format!("{LOST_CHAINS}: {said}"),
        false => said,
    }
}

/// What stands before the engine's words when somebody has flushed the firewall beneath it. It makes its chains
/// only when it starts.
const LOST_CHAINS: &str = "somebody has taken the engine's own rules out of the firewall; `systemctl restart docker` puts \
                           them back, then run this command again";

/// Whether a chain of the engine's own is gone: iptables' words for it, of both kinds.
fn lacks_chains(said: &str) -> bool {
    let gone = ["does not exist", "No chain/target/match by that name"];
    said.contains("iptables")
        && said.contains("DOCKER")
        && gone.iter().any(|words| said.contains(words))
}

/// An engine that was not reached, as the error that says so; none for all that it answered.
pub(super) fn unreachable(error: &Error) -> Option<BackendError> {
    if let Error::SocketNotFoundError(path) = error {
        return Some(absent(format!("there is no `{path}`")));
    }
    let source = match error {
        // Transparent: the chain leaves this link out.
        Error::IOError { err } => err,
        other => std::iter::successors(Some(other as &dyn std::error::Error), |e| e.source())
            .find_map(|e| e.downcast_ref::<std::io::Error>())?,
    };
    match source.kind() {
        ErrorKind::NotFound => Some(absent("its socket is not there".into())),
        ErrorKind::ConnectionRefused => Some(absent("nothing answers on its socket".into())),
        ErrorKind::PermissionDenied => Some(BackendError::Unavailable {
            engine: ENGINE,
            reason: "its socket is closed to this user".into(),
            help: "run it as root, or as a member of the group `docker`".into(),
        }),
        _ => None,
    }
}

fn absent(reason: String) -> BackendError {
    BackendError::Unavailable {
        engine: ENGINE,
        reason,
        help: "start it: systemctl start docker (or install it: apt-get install docker.io)".into(),
    }
}

/// The last error of a chain: the one that says what happened.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status_code: u16, message: &str) -> Error {
        Error::DockerResponseServerError {
            status_code,
            message: message.into(),
        }
    }

    #[test]
    fn rules_that_were_flushed_beneath_the_engine_are_told_with_what_puts_them_back() {
        for (said, told) in [
            (
                "Failed to program NAT chain: failed to add jump rules to ipv4 NAT table:  (iptables failed: iptables --wait -t nat -A DOCKER: iptables v1.8.9 (nf_tables): Chain 'DOCKER' does not exist",
                true,
            ),
            (
                "iptables failed: iptables --wait -t filter -A DOCKER-ISOLATION-STAGE-1: iptables: No chain/target/match by that name.",
                true,
            ),
            ("network DOCKER does not exist", false),
            ("iptables failed: DOCKER: permission denied", false),
        ] {
            let found = reason(&answer(500, said));
            assert_eq!(found.contains("systemctl restart docker"), told, "{found}");
            assert!(
                found.ends_with(said.trim()) || found.contains(said),
                "{found}"
            );
        }
    }

    #[test]
    fn the_engines_own_words_are_kept_on_one_line() {
        let error = failed("start", "shop_db", &answer(500, "no such thing:\n  x\n"));
        assert_eq!(
            error.to_string(),
            "cannot start container `shop_db`: no such thing:; x"
        );
        assert!(is_missing(&answer(404, "gone")) && !is_missing(&answer(409, "busy")));
    }

    #[test]
    fn a_container_is_told_by_its_name() {
        let error = || failed("start", "80ca6e0e23f2", &answer(500, "no user"));
        assert_eq!(
            renamed(error(), "80ca6e0e23f2", "shop_web_run_1").to_string(),
            "cannot start container `shop_web_run_1`: no user"
        );
        let other = renamed(error(), "another", "shop_web_run_1");
        assert_eq!(other.to_string(), error().to_string());
    }

    #[test]
    fn an_engine_that_was_not_reached_is_unavailable_and_says_what_helps() {
        for kind in [
            ErrorKind::NotFound,
            ErrorKind::ConnectionRefused,
            ErrorKind::PermissionDenied,
        ] {
            let error = Error::IOError { err: kind.into() };
            let told = failed("start", "shop_db", &error);
            assert!(
                matches!(&told, BackendError::Unavailable { help, .. } if !help.is_empty()),
                "{told}"
            );
        }
        let socket = Error::SocketNotFoundError("/run/x.sock".into());
        assert!(
            image_failed("pull", "a", &socket)
                .to_string()
                .contains("`/run/x.sock`")
        );
    }
}

//! What tells two items of a list apart.
//!
//! Compose interpolates each file before it merges; here values are interpolated where they are
//! used, so an item is compared by what it would become.

use super::super::desk::Desk;
use super::super::tree::{Kind, Node};

/// What two items are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// Each is another one.
    Nothing,
    /// The whole text.
    Text,
    /// The key of `key=value`.
    Pair,
    /// Host name and address of `extra_hosts`.
    Host,
    /// Address, host port, container port and protocol.
    Port,
    /// The path in the container of a mount or device.
    Target,
    /// The text before the first colon.
    Path,
    /// The path of a file that is put in; relative ones are below this directory.
    Mount(&'static str),
    /// This key of a map; a single value stands for it.
    Key(&'static str),
}

/// What an item is known by; none when it is like no other.
pub(super) fn of(desk: &Desk<'_>, item: &Node, by: By) -> Option<String> {
    let value = |key: &str| {
        let node = &item.get(key)?.value;
        Some(desk.peek(node.as_text()?, node.spot))
    };
    match &item.kind {
        Kind::Scalar(text) => of_text(&desk.peek(text, item.spot), by),
        Kind::Mapping(_) => match by {
            By::Port => {
                let published = value("published").unwrap_or_default();
                let protocol = value("protocol").unwrap_or_else(|| "tcp".into());
                let ip = value("host_ip").unwrap_or_default();
                let ip = any_address(&ip);
                Some(format!("{ip}|{published}|{}|{protocol}", value("target")?))
            }
            By::Target => Some(value("target")?.trim_end_matches('/').to_string()),
            By::Mount(directory) => {
                let path = value("target").or_else(|| value("source"))?;
                Some(below(directory, &path))
            }
            By::Key(key) => value(key),
            By::Text | By::Path => value("name"),
            By::Nothing | By::Pair | By::Host => None,
        },
        Kind::Null | Kind::Sequence(_) => None,
    }
}

fn of_text(text: &str, by: By) -> Option<String> {
    match by {
        By::Nothing => None,
        By::Text | By::Key(_) => Some(text.into()),
        By::Pair => Some(text.split_once('=').map_or(text, |(key, _)| key).into()),
        By::Host => Some(match text.split_once('=') {
            Some(_) => text.into(),
            None => text.replacen(':', "=", 1),
        }),
        By::Path => Some(text.split_once(':').map_or(text, |(path, _)| path).into()),
        By::Target => {
            let mut parts = text.split(':');
            let first = parts.next()?;
            // What follows a device may be its permissions.
            let target = parts.next().filter(|second| second.starts_with('/'));
            let target = target.unwrap_or(first);
            Some(target.trim_end_matches('/').into())
        }
        By::Mount(directory) => Some(below(directory, text)),
        By::Port => Some(port(text)),
    }
}

fn below(directory: &str, path: &str) -> String {
    if path.starts_with('/') {
        path.into()
    } else {
        format!("{directory}{path}")
    }
}

fn any_address(ip: &str) -> &str {
    if ip == "0.0.0.0" { "" } else { ip }
}

/// `[IP:][HOST:]TARGET[/PROTOCOL]`.
fn port(text: &str) -> String {
    let (text, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (rest, target) = text.rsplit_once(':').unwrap_or(("", text));
    let (ip, published) = match rest.rsplit_once(':') {
        Some((ip, published)) => (ip.trim_matches(['[', ']']), published),
        None => ("", rest),
    };
    format!("{}|{published}|{target}|{protocol}", any_address(ip))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_form_is_known_by_what_the_long_one_says() {
        for (text, by, expected) in [
            ("80", By::Port, "||80|tcp"),
            ("8080:80/udp", By::Port, "|8080|80|udp"),
            ("0.0.0.0:8080:80", By::Port, "|8080|80|tcp"),
            ("[::1]:8080:80", By::Port, "::1|8080|80|tcp"),
            ("./a:/b/:ro", By::Target, "/b"),
            ("/data", By::Target, "/data"),
            ("/dev/ttyUSB0:rw", By::Target, "/dev/ttyUSB0"),
            ("db", By::Mount("/run/secrets/"), "/run/secrets/db"),
            ("A=b=c", By::Pair, "A"),
            ("h:::1", By::Host, "h=::1"),
            ("/run:size=1", By::Path, "/run"),
        ] {
            assert_eq!(of_text(text, by).as_deref(), Some(expected), "{text}");
        }
    }
}

//! The short forms of published ports that Compose has beside [`Port`]'s own.

use super::{Port, PortError, PortRange, Protocol};

/// What a short form stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortPort {
    /// One port rule, or one for each container port whose host port is picked.
    pub ports: Vec<Port>,
    /// A range of the host leads to one port: the first of the range was taken.
    pub first_of_range: bool,
}

impl ShortPort {
    /// Reads `[[HOST_IP:][HOST[-END]]:]CONTAINER[-END][/tcp|/udp]`. Without a host port one is
    /// picked; a range of the host for one container port stands for its first port.
    ///
    /// # Errors
    /// See [`PortError`].
    pub fn parse(text: &str) -> Result<Self, PortError> {
        let (ports, protocol) = match text.rsplit_once('/') {
            Some((ports, word)) => (ports, word.to_ascii_lowercase().parse()?),
            None => (text, Protocol::Tcp),
        };
        let Some((host, container)) = ports.rsplit_once(':') else {
            return Self::new(None, None, ports.parse()?, protocol);
        };
        let (ip, host) = if let Some(rest) = host.strip_prefix('[') {
            let (ip, host) = rest.split_once("]:").ok_or(PortError::Brackets)?;
            (Some(ip), host)
        } else {
            match host.split_once(':') {
                Some((_, rest)) if rest.contains(':') => return Err(PortError::Brackets),
                Some((ip, host)) => (Some(ip), host),
                None => (None, host),
            }
        };
        let host = if host.is_empty() && ip.is_some() {
            None
        } else {
            Some(host.parse()?)
        };
        Self::new(ip, host, container.parse()?, protocol)
    }

    /// Puts it together from its parts; without `host` a port is picked for each.
    ///
    /// # Errors
    /// See [`PortError`].
    pub fn new(
        ip: Option<&str>,
        host: Option<PortRange>,
        container: PortRange,
        protocol: Protocol,
    ) -> Result<Self, PortError> {
        let ip = match ip.filter(|ip| !ip.is_empty()) {
            Some(ip) => Some(ip.parse().map_err(|_| PortError::Address(ip.into()))?),
            None => None,
        };
        let zero = PortRange::single(0);
        let mut ports = Vec::new();
        let mut first_of_range = false;
        match host {
            Some(host) if host != zero => {
                first_of_range = host.count() > 1 && container.count() == 1;
                let host = if first_of_range {
                    PortRange::single(host.first)
                } else {
                    host
                };
                ports.push(Port::new(ip, host, container, protocol)?);
            }
            Some(_) | None => {
                for port in container.first..=container.last {
                    ports.push(Port::new(ip, zero, PortRange::single(port), protocol)?);
                }
            }
        }
        Ok(Self {
            ports,
            first_of_range,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_short_form_of_compose_is_read() {
        for (text, expected) in [
            ("80", "0:80/tcp"),
            ("3000-3002", "0:3000/tcp 0:3001/tcp 0:3002/tcp"),
            ("8000:8000", "8000:8000/tcp"),
            ("9090-9091:8080-8081", "9090-9091:8080-8081/tcp"),
            ("49100:22", "49100:22/tcp"),
            ("8000-9000:80", "8000:80/tcp"),
            ("127.0.0.1:8001:8001", "127.0.0.1:8001:8001/tcp"),
            (
                "127.0.0.1:5000-5010:5000-5010",
                "127.0.0.1:5000-5010:5000-5010/tcp",
            ),
            ("127.0.0.1::5000", "127.0.0.1:0:5000/tcp"),
            ("[::1]:6000:6000", "[::1]:6000:6000/tcp"),
            ("[::]::80", "[::]:0:80/tcp"),
            ("6060:6060/udp", "6060:6060/udp"),
            ("53/UDP", "0:53/udp"),
            ("0:80", "0:80/tcp"),
        ] {
            let short = ShortPort::parse(text).unwrap();
            let ports: Vec<String> = short.ports.iter().map(ToString::to_string).collect();
            assert_eq!(ports.join(" "), expected, "{text}");
            assert_eq!(short.first_of_range, text == "8000-9000:80");
        }
    }

    #[test]
    fn a_bad_short_form_is_refused() {
        for text in [
            "",
            ":",
            ":80",
            "80:",
            "x",
            "80:x",
            "0",
            "1-0",
            "80:0",
            "80/sctp",
            "80-82:80-81",
            "::1:80:80",
            "[::1:80",
            "1.2.3:80:80",
            "80:80\n",
            "-1",
            "65536",
            "1:2:3:4",
            "99999999999999999999",
        ] {
            assert!(ShortPort::parse(text).is_err(), "{text:?} was taken");
        }
    }
}

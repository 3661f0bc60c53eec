//! resolv.conf(5): which name servers the host uses.

use std::net::IpAddr;

/// The `nameserver` addresses of a resolv.conf in their order, without loopback ones: those are of
/// no use in another network namespace. Lines that are not understood are left out, as libc does.
pub fn name_servers(text: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if words.next() != Some("nameserver") {
            continue;
        }
        let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
        if let Some(address) = address
            && !address.is_loopback()
            && !found.contains(&address)
        {
            found.push(address);
        }
    }
    found
}

/// Whether a resolv.conf names systemd-resolved's own address (127.0.0.53 or .54): then it tells nothing of
/// the servers that are really asked.
pub fn is_stub(text: &str) -> bool {
    let lines = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"));
    let mut words = lines.filter_map(|rest| rest.split_whitespace().next());
    words.any(|word| matches!(word, "127.0.0.53" | "127.0.0.54"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_resolv_conf_of_systemd_resolved_is_a_stub() {
        assert!(is_stub(
            "# nameserver 1.1.1.1\nnameserver 127.0.0.53\noptions edns0\n"
        ));
        assert!(is_stub("nameserver 127.0.0.54\n"));
        for other in [
            "",
            "nameserver 127.0.0.1\n",
            "#nameserver 127.0.0.53\n",
            "nameserver 9.9.9.9\n",
        ] {
            assert!(!is_stub(other), "{other:?}");
        }
    }

    #[test]
    fn loopback_servers_comments_and_nonsense_are_left_out() {
        let text = "# nameserver 9.9.9.9\nnameserver 127.0.0.53\nnameserver\t10.0.0.1 # lan\n\
                    nameserver ::1\nnameserver fd00::1\nnameserver nonsense\nnameserver 10.0.0.1\n\
                    search lan\n";
        let expected: Vec<IpAddr> = ["10.0.0.1", "fd00::1"].map(|a| a.parse().unwrap()).into();
        assert_eq!(name_servers(text), expected);
    }
}

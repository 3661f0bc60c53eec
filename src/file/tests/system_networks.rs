//! `networks` of an LXC container: one, with its addresses; the rest is refused by name.

use super::{drawn, project};
use crate::model::Attachment;

fn at(text: &str) -> Option<Attachment> {
    let text = format!(
        "networks: {{back: {{internal: true}}, front: }}\ncontainers:\n  db:\n    template: busybox\n{text}"
    );
    project(&text).containers["db"].network.clone()
}

#[test]
fn a_system_container_is_on_one_network_with_its_addresses() {
    for plain in [
        "",
        "    networks: [default]\n",
        "    networks: {default: }\n",
    ] {
        assert_eq!(at(plain), None, "{plain}");
    }
    let back = Attachment::new(crate::model::Name::new("back").unwrap());
    assert_eq!(at("    networks: [back]\n"), Some(back.clone()));
    let fixed = at(
        "    networks: {back: {ipv4_address: 10.80.0.7, ipv6_address: \"fd80::7\", mac_address: \"02:00:00:00:00:07\"}}\n",
    );
    let wanted = Attachment {
        v4: "10.80.0.7".parse().ok(),
        v6: "fd80::7".parse().ok(),
        mac: Some("02:00:00:00:00:07".into()),
        ..back
    };
    assert_eq!(fixed, Some(wanted));
    let own = at("    networks: {default: {ipv4_address: 10.80.0.7}}\n").unwrap();
    assert_eq!(
        (own.network.as_str(), own.v4),
        ("default", "10.80.0.7".parse().ok())
    );
}

#[test]
fn what_one_card_cannot_do_is_refused_with_its_line_and_a_cure() {
    for (networks, words) in [
        (
            "[back, front]",
            ["has one network card", "name one network"],
        ),
        (
            "[far]",
            [
                "`shared`, a network of the engine",
                "put it on a network of the project",
            ],
        ),
        (
            "{back: {aliases: [sql]}}",
            ["`aliases` of the LXC container `db`", "links: [NAME:ALIAS]"],
        ),
        ("[bakc]", ["no network `bakc`", "did you mean `back`?"]),
        (
            "{back: {ipv4_address: x}}",
            ["`x` is not an IPv4 address", "locker.yaml:5"],
        ),
    ] {
        let said = drawn(&format!(
            "networks: {{back: , front: , far: {{external: true, name: shared}}}}\ncontainers:\n  db:\n    template: busybox\n    networks: {networks}\n"
        ));
        assert!(said.contains("locker.yaml:5:"), "{said}");
        for word in words {
            assert!(said.contains(word), "{word}: {said}");
        }
    }
}

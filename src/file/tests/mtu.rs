//! The MTU of a network: where it may stand, and what it may be.

use super::{Home, drawn, project};
use crate::file::convert::convert;

const WEB: &str = "services: {web: {image: x, networks: [a]}}\n";

#[test]
fn an_mtu_is_read_from_each_of_its_places() {
    for (text, mtu) in [
        ("networks: {a: }\n", None),
        ("networks: {a: {mtu: 1400}}\n", Some(1400)),
        (
            "networks: {a: {driver_opts: {com.docker.network.driver.mtu: \"1400\"}}}\n",
            Some(1400),
        ),
        (
            "networks: {a: {driver_opts: {com.docker.network.driver.mtu: 1400}}}\n",
            Some(1400),
        ),
        (
            "networks: {a: {driver_opts: {com.docker.network.mtu: 1400}}}\n",
            Some(1400),
        ),
        ("networks: {a: {driver_opts: [mtu=1400]}}\n", Some(1400)),
        ("networks: {a: {mtu: 68}}\n", Some(68)),
        ("networks: {a: {mtu: 65535}}\n", Some(65_535)),
        (
            "networks: {a: {mtu: 1280, enable_ipv6: true}}\n",
            Some(1280),
        ),
    ] {
        assert_eq!(
            project(&format!("{WEB}{text}")).networks["a"].wish.mtu,
            mtu,
            "{text}"
        );
    }
    let own = "network: {mtu: 1400}\ncontainers: {db: {template: busybox}}\n";
    assert_eq!(project(own).network.mtu, Some(1400));
    let own = "services: {web: {image: x}}\nnetworks: {default: {driver_opts: {com.docker.network.driver.mtu: \"1400\"}}}\n";
    assert_eq!(project(own).network.mtu, Some(1400));
}

#[test]
fn an_mtu_that_no_link_has_is_refused_with_its_line() {
    for (text, words) in [
        (
            "networks:\n  a:\n    mtu: 67\n",
            ["from 68 to 65535", "locker.yaml:4:10"],
        ),
        (
            "networks:\n  a:\n    mtu: 65536\n",
            ["from 68 to 65535", "locker.yaml:4:10"],
        ),
        (
            "networks:\n  a:\n    mtu: wide\n",
            ["not `wide`", "locker.yaml:4:10"],
        ),
        (
            "networks:\n  a:\n    driver_opts: {com.docker.network.driver.mtu: \"0\"}\n",
            ["from 68 to 65535", "locker.yaml:4"],
        ),
        (
            "networks:\n  a:\n    mtu: 1400\n    driver_opts: {mtu: 1300}\n",
            ["MTU is 1400 above and 1300 here", "locker.yaml:5"],
        ),
        (
            "networks:\n  a: {mtu: 1279, enable_ipv6: true}\n",
            ["too small for IPv6, which needs 1280", "locker.yaml:3"],
        ),
    ] {
        let said = drawn(&format!("{WEB}{text}"));
        for word in words {
            assert!(said.contains(word), "{word}: {said}");
        }
    }
    let said = drawn("network: {mtu: 1000}\ncontainers: {db: {template: busybox}}\n");
    assert!(
        said.contains("too small for IPv6") && said.contains("enable_ipv6: false"),
        "{said}"
    );
}

#[test]
fn it_is_shown_and_converted_under_the_name_that_the_other_layout_has() {
    let home = Home::new(&[(
        "locker.yaml",
        "name: shop\nnetwork: {mtu: 1400, enable_ipv6: false}\ncontainers: {web: {image: x}}\n",
    )]);
    let Ok(compose) = convert(&home.options(), None) else {
        panic!("{}", home.drawn(&home.options()));
    };
    assert!(
        compose.text.contains("com.docker.network.driver.mtu: 1400"),
        "{}",
        compose.text
    );
}

//! Fixed places on networks, and containers that somebody renamed.

use super::apps::{extra, mixed, settings};
use super::*;
use crate::observed::{ForeignPlaces, Observed};

/// `web` and `job` ask for these addresses on the external network `br78`.
fn asking(all: &[(&str, &str)]) -> Project {
    let mut file = mixed();
    let mut outer = extra(5, None);
    outer.external = Some("br78".into());
    file.networks.insert(name("outer"), outer);
    for (container, v4) in all {
        let mut at = Attachment::new(name("outer"));
        at.v4 = v4.parse().ok();
        let asked = AppNetwork::Networks(vec![Attachment::new(default_network()), at]);
        settings(file.containers.get_mut(*container).unwrap()).network = asked;
    }
    file
}

fn host() -> Observed {
    let mut host = Observed::default();
    host.engine.foreign_networks.insert("br78".into());
    let places = ForeignPlaces {
        nets: vec!["192.168.78.0/24".parse().unwrap()],
        gateways: ["192.168.78.1".parse().unwrap()].into(),
        taken: [("192.168.78.70".parse().unwrap(), "foreign".to_owned())].into(),
    };
    host.engine.foreign_places.insert("br78".into(), places);
    host
}

fn said(file: &Project, host: &Observed) -> Vec<String> {
    let problems = plan(file, host, &wish(Goal::Up)).unwrap_err();
    let line = |p: &Problem| p.place.as_ref().map_or(0, |place| place.line);
    let told = |p: &Problem| format!("{}: {}", line(p), p.message);
    problems.iter().map(told).collect()
}

#[test]
fn an_address_that_a_network_of_others_has_not_is_refused_with_its_line() {
    for (ip, why) in [
        ("192.168.79.60", "that network is `192.168.78.0/24`"),
        ("192.168.78.0", "that network is `192.168.78.0/24`"),
        ("192.168.78.255", "that network is `192.168.78.0/24`"),
        ("192.168.78.1", "that is the host there"),
        ("192.168.78.70", "container `foreign` has it"),
    ] {
        let told = said(&asking(&[("web", ip)]), &host());
        let wanted =
            format!("container `web` cannot have the address `{ip}` on network `br78`: {why}");
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].ends_with(&wanted) && !told[0].starts_with("0:"),
            "{told:?}"
        );
    }
    let two = asking(&[("web", "192.168.78.50"), ("job", "192.168.78.50")]);
    let told = said(&two, &host());
    assert!(
        told[0].ends_with("container `job` asks for it, too"),
        "{told:?}"
    );
    let fine = asking(&[("web", "192.168.78.50"), ("job", "192.168.78.51")]);
    assert!(plan(&fine, &host(), &wish(Goal::Up)).is_ok());
    // What an engine does not tell cannot be judged.
    let mut dark = host();
    dark.engine
        .foreign_places
        .insert("br78".into(), ForeignPlaces::default());
    assert!(plan(&asking(&[("web", "10.1.2.3")]), &dark, &wish(Goal::Up)).is_ok());
}

fn give(file: &mut Project, container: &str, number: usize) {
    let app = settings(file.containers.get_mut(container).unwrap());
    let AppNetwork::Networks(all) = &mut app.network else {
        panic!("it has none");
    };
    all[number].mac = Some("02:42:ac:11:00:35".into());
}

#[test]
fn two_containers_of_a_network_do_not_get_one_hardware_address() {
    let mut file = asking(&[("web", "192.168.78.50"), ("job", "192.168.78.51")]);
    give(&mut file, "web", 0);
    give(&mut file, "job", 1);
    assert!(plan(&file, &host(), &wish(Goal::Up)).is_ok());
    give(&mut file, "job", 0);
    let told = said(&file, &host());
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("containers `job` and `web` ask for one hardware address"),
        "{told:?}"
    );
}

#[test]
fn a_container_that_somebody_renamed_is_named_with_what_gives_it_its_name_back() {
    let mut host = Observed::default();
    host.engine.renamed.insert(name("web"), "foo".into());
    let problems = plan(&mixed(), &host, &wish(Goal::Up)).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].message.contains("is called `foo`"),
        "{problems:?}"
    );
    let help = problems[0].help.as_deref().unwrap_or_default();
    assert!(help.contains("docker rename foo shop_web"), "{help}");
}

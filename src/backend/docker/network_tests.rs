//! Networks as the engine is asked for them, read back, and let go of.

use std::io::{Read, Write};

use super::*;

fn site() -> Site {
    Site {
        project: Name::new("shop").unwrap(),
        directory: "/srv/shop".into(),
        here: "/srv/shop".into(),
        paths: crate::store::Paths::system(),
    }
}

fn network() -> EngineNetwork {
    EngineNetwork {
        project: Name::new("shop").unwrap(),
        network: Name::new("back").unwrap(),
        bridge: "lk-shop-back".into(),
        name: None,
        subnets: Subnets::new("10.77.1.0/24".parse().unwrap(), "fd77:1::/64".parse().ok()),
        internal: true,
        labels: [("tier".to_owned(), "data".to_owned())].into(),
        mtu: Some(1400),
    }
}

/// The engine's list as it shows what was asked for.
fn shown(request: NetworkCreateRequest) -> Network {
    Network {
        name: Some(request.name),
        ipam: request.ipam,
        internal: request.internal,
        options: request.options,
        labels: request.labels,
        ..Network::default()
    }
}

/// An engine that gives one answer after the other, and how to reach it.
fn engine(dir: &tempfile::TempDir, answers: Vec<&'static str>) -> Docker {
    let socket = dir.path().join("engine.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for (mut client, answer) in listener.incoming().map(Result::unwrap).zip(answers) {
            let mut asked = [0; 4096];
            let _ = client.read(&mut asked).unwrap();
            let length = answer.split("\r\n\r\n").nth(1).unwrap().len();
            let (status, body) = answer.split_once("\r\n\r\n").unwrap();
            write!(
                client,
                "{status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
            )
            .unwrap();
        }
    });
    let place = socket.to_str().unwrap();
    Docker::connect_with_unix(place, 5, bollard::API_DEFAULT_VERSION).unwrap()
}

#[tokio::test]
async fn the_engine_may_take_a_moment_to_let_go_of_a_network() {
    const BUSY: &str = "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n\r\n{\"message\":\"network shop_back has active endpoints\"}";
    const BROKEN: &str =
        "HTTP/1.1 500 Oops\r\nContent-Type: application/json\r\n\r\n{\"message\":\"oops\"}";
    let dir = tempfile::tempdir().unwrap();
    let docker = engine(&dir, vec![BUSY, BUSY, "HTTP/1.1 204 No Content\r\n\r\n"]);
    remove_when_let_go(&docker, "shop_back").await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let docker = engine(&dir, vec![BUSY, BROKEN]);
    let error = remove_when_let_go(&docker, "shop_back").await.unwrap_err();
    assert_eq!(status(&error), Some(500));
}

#[tokio::test]
async fn an_engine_that_has_lost_count_is_told_from_a_network_that_is_used() {
    const NOBODY: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"Name\":\"shop_back\",\"Containers\":{}}";
    const USED: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"Containers\":{\"f00\":{\"Name\":\"web\"}}}";
    for (answer, empty) in [(NOBODY, true), (USED, false)] {
        let dir = tempfile::tempdir().unwrap();
        let docker = engine(&dir, vec![answer]);
        assert_eq!(is_empty(&docker, "shop_back").await, empty);
    }
    let said = left(&network(), "it has active endpoints");
    assert!(said.contains("docker network rm shop_back"), "{said}");
    let said = kept(&network(), "it has active endpoints").to_string();
    assert!(said.contains("systemctl restart docker"), "{said}");
}

#[test]
fn a_network_is_read_as_it_was_asked_for() {
    let request = request(&site(), &network(), false);
    assert_eq!(request.options.as_ref().unwrap()[MASQUERADE], "false");
    assert_eq!(
        request.options.as_ref().unwrap().len(),
        3,
        "older engines know no more"
    );
    assert_eq!(
        request.options.as_ref().unwrap()["com.docker.network.driver.mtu"],
        "1400"
    );
    assert_eq!(read(&site(), shown(request)), Found::Ours(network()));
}

#[test]
fn a_network_keeps_the_name_and_the_gateways_of_the_file() {
    let mut named = network();
    named.name = Some("proxynet".into());
    named.subnets = named
        .subnets
        .at("10.77.1.254".parse().ok(), "fd77:1::ff".parse().ok());
    let request = request(&site(), &named, false);
    assert_eq!(request.name, "proxynet");
    let ipam = request.ipam.clone().and_then(|ipam| ipam.config).unwrap();
    let gateways = ipam.iter().map(|config| config.gateway.as_deref());
    assert_eq!(
        gateways.collect::<Vec<_>>(),
        [Some("10.77.1.254"), Some("fd77:1::ff")]
    );
    assert_eq!(read(&site(), shown(request)), Found::Ours(named));
}

#[test]
fn a_network_of_another_project_or_another_name_is_foreign() {
    let other = Site {
        directory: "/srv/other".into(),
        ..site()
    };
    let seen = shown(request(&other, &network(), true));
    assert_eq!(read(&site(), seen), Found::Foreign("shop_back".into()));
    let renamed = Network {
        name: Some("x".into()),
        ..shown(request(&site(), &network(), false))
    };
    // Its mark says whose it is; the file gave it the name.
    let named = EngineNetwork {
        name: Some("x".into()),
        ..network()
    };
    assert_eq!(read(&site(), renamed), Found::Ours(named));
    let plain = Network {
        name: Some("bridge".into()),
        ..Network::default()
    };
    assert_eq!(read(&site(), plain), Found::Foreign("bridge".into()));
}

//! The promises, one after the other, of whatever driver.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use locker::backend::{Body, Probe, Sought};
use locker::model::{Healthcheck, HostsLine, Kind, Test};
use locker::observed::State;
use serde_json::json;

use super::rig::{Rig, name, network};

pub async fn all(rig: Rig) {
    if let Some(engine) = rig.driver.engine() {
        engine.ensure_network(&network()).await.unwrap();
        engine.ensure_network(&network()).await.unwrap();
        let seen = rig.look().await.engine.networks;
        assert_eq!(seen.get(&name("default")), Some(&network()));
    }
    sleeps_unless_it_is_needed(&rig).await;
    a_life(&rig).await;
    readiness_by_port(&rig).await;
    inside(&rig).await;
    a_change_is_kept(&rig).await;
    two_selves(&rig).await;
    a_failed_creation_leaves_nothing(&rig).await;
    what_is_not_ours_is_left_alone(&rig).await;
    if let Some(engine) = rig.driver.engine() {
        engine.remove_network(&network(), false).await.unwrap();
        engine.remove_network(&network(), false).await.unwrap();
        assert!(rig.look().await.engine.networks.is_empty());
    }
    assert!(rig.look().await.containers.is_empty());
}

async fn sleeps_unless_it_is_needed(rig: &Rig) {
    let nothing = Sought::default();
    let view = rig.driver.observe(&nothing).await.unwrap();
    assert!(view.containers.is_empty());
    if rig.kind == Kind::Application {
        assert!(view.foreign.is_empty() && view.engine == Default::default());
    }
}

/// Made, started, frozen, stopped, started again, destroyed; each twice where twice is fine.
async fn a_life(rig: &Rig) {
    let mark = rig.mark("db", 2, json!({}));
    rig.make(&mark).await;
    let seen = rig.seen("db").await.unwrap();
    assert_eq!(
        (seen.state, seen.wreck, seen.set_aside),
        (State::Stopped, false, false)
    );
    assert_eq!(seen.mark.as_ref(), Some(&mark));
    assert_eq!(
        (seen.host_name.as_str(), seen.kind, seen.pid),
        ("t_db", rig.kind, None)
    );
    rig.stop("db", Body::Present).await;

    rig.start("db").await;
    let seen = rig.seen("db").await.unwrap();
    assert_eq!(seen.state, State::Running);
    let pid = seen.pid.expect("a running container has a first process");
    assert!(std::path::Path::new(&format!("/proc/{pid}")).exists());
    let probe = rig.driver.watch().probe(&name("db"), None).await.unwrap();
    assert_eq!(probe, Probe::Running);

    let inside = rig.driver.inside();
    inside.set_frozen(&name("db"), true).await.unwrap();
    assert_eq!(rig.seen("db").await.unwrap().state, State::Frozen);
    inside.set_frozen(&name("db"), false).await.unwrap();
    assert_eq!(rig.seen("db").await.unwrap().state, State::Running);
    inside.set_frozen(&name("db"), true).await.unwrap();
    rig.stop("db", Body::Present).await;
    let seen = rig.seen("db").await.unwrap();
    assert_eq!((seen.state, seen.pid), (State::Stopped, None));
    rig.stop("db", Body::Present).await;
    let probe = rig.driver.watch().probe(&name("db"), None).await.unwrap();
    assert!(matches!(probe, Probe::Ended(_)), "{probe:?}");

    rig.start("db").await;
    rig.stop("db", Body::Present).await;
    rig.destroy("db", Body::Present).await;
    assert!(rig.seen("db").await.is_none());
    rig.destroy("db", Body::Present).await;
    rig.stop("db", Body::Present).await;
}

/// A port of its own address that somebody takes connections at.
async fn readiness_by_port(rig: &Rig) {
    rig.make(&rig.mark("port", 9, json!({}))).await;
    rig.start("port").await;
    let probe = async |port: u16| {
        let port = NonZeroU16::new(port).unwrap();
        let check = Healthcheck {
            timeout: Duration::from_secs(5),
            ..Healthcheck::new(Test::Port { port })
        };
        let watch = rig.driver.watch();
        watch.probe(&name("port"), Some(&check)).await.unwrap()
    };
    let closed = probe(4711).await;
    assert!(
        matches!(&closed, Probe::Failing(said) if said.output.contains("10.77.0.9:4711: Connection refused")),
        "{closed:?}"
    );
    rig.sh("port", "httpd -p 4711 -h /").await;
    assert_eq!(probe(4711).await, Probe::Healthy);
    rig.stop("port", Body::Present).await;
    assert!(matches!(probe(4711).await, Probe::Ended(_)));
    rig.destroy("port", Body::Present).await;
}

/// Variables, host name, addresses, exit codes and the hosts file, before and after the start.
async fn inside(rig: &Rig) {
    rig.make(&rig.mark("web", 3, json!({}))).await;
    let line = |address: &str, names: &[&str]| HostsLine {
        address: address.parse().unwrap(),
        names: names.iter().map(|n| n.to_string()).collect(),
    };
    let write = async |lines: &[HostsLine]| {
        let inside = rig.driver.inside();
        let none: [IpAddr; 0] = [];
        inside
            .write_names(&name("web"), lines, &none)
            .await
            .unwrap();
        assert_eq!(rig.seen("web").await.unwrap().names.as_deref(), Some(lines));
    };
    write(&[line("10.77.0.9", &["old", "older", "oldest"])]).await;
    rig.start("web").await;
    assert!(
        rig.sh("web", "cat /etc/hosts")
            .await
            .output
            .contains("10.77.0.9 old older oldest")
    );
    write(&[line("10.77.0.2", &["db"])]).await;
    let hosts = rig.sh("web", "cat /etc/hosts").await.output;
    assert!(
        hosts.contains("10.77.0.2 db") && !hosts.contains("old"),
        "{hosts}"
    );

    let ran = rig.sh("web", "echo one; echo two >&2; exit 7").await;
    assert_eq!(ran.code, 7);
    assert!(
        ran.output.contains("one") && ran.output.contains("two"),
        "{ran:?}"
    );
    let ran = rig
        .sh(
            "web",
            "hostname; ip -4 addr show dev eth0; ip -6 addr show dev eth0",
        )
        .await;
    for word in ["web", "10.77.0.3/24", "fd77::3/64"] {
        assert!(ran.output.contains(word), "{word}: {}", ran.output);
    }
    let from = "tr '\\0' '\\n' < /proc/1/environ | grep ^COLOUR=";
    assert_eq!(rig.sh("web", from).await.output.trim(), "COLOUR=deep blue");
    rig.driver.inside().size(&name("web")).await.unwrap();
    rig.stop("web", Body::Present).await;
    rig.destroy("web", Body::Present).await;
}

async fn a_change_is_kept(rig: &Rig) {
    let mut mark = rig.mark("db", 2, json!({}));
    rig.make(&mark).await;
    rig.start("db").await;
    (mark.setup_done, mark.seeded) = (true, true);
    rig.driver.configure(&mark).await.unwrap();
    assert_eq!(rig.seen("db").await.unwrap().mark.as_ref(), Some(&mark));
    rig.stop("db", Body::Present).await;
    assert_eq!(rig.seen("db").await.unwrap().mark.as_ref(), Some(&mark));
    rig.destroy("db", Body::Present).await;
}

/// While a container is made anew there are two, and either can be the one that stays.
async fn two_selves(rig: &Rig) {
    let old = rig.mark("db", 2, json!({}));
    rig.make(&old).await;
    let aside = async |back| rig.driver.set_aside(&name("db"), back).await.unwrap();
    aside(false).await;
    let seen = rig.seen("db").await.unwrap();
    assert!(seen.set_aside && seen.wreck && !seen.aside_runs);
    aside(true).await;
    let seen = rig.seen("db").await.unwrap();
    assert!(!seen.set_aside && !seen.wreck && seen.mark.as_ref() == Some(&old));

    aside(false).await;
    let new = rig.mark("db", 4, json!({"labels": {"tier": "front"}}));
    rig.make(&new).await;
    let seen = rig.seen("db").await.unwrap();
    assert!(seen.set_aside && !seen.wreck && seen.mark.as_ref() == Some(&new));
    rig.start("db").await;
    rig.destroy("db", Body::Aside).await;
    rig.destroy("db", Body::Aside).await;
    let seen = rig.seen("db").await.unwrap();
    assert!(!seen.set_aside && seen.state == State::Running);
    rig.stop("db", Body::Present).await;
    rig.destroy("db", Body::Present).await;
}

async fn a_failed_creation_leaves_nothing(rig: &Rig) {
    let source = match rig.kind {
        Kind::System => json!({"template": {"name": "broken", "args": []}}),
        Kind::Application => json!({"image": "no/such:image"}),
    };
    let mark = rig.mark("db", 2, json!({"source": source}));
    let error = rig.driver.create(&mark, false, &|_| {}).await.unwrap_err();
    assert!(error.to_string().contains("t_db"), "{error}");
    assert!(rig.seen("db").await.is_none());
    let left = std::path::Path::new("/var/lib/locker/containers/t");
    assert!(!left.exists());
}

async fn what_is_not_ours_is_left_alone(rig: &Rig) {
    let make = match rig.kind {
        Kind::System => "lxc-create -n t_db -t tiny",
        Kind::Application => "docker create --name t_db busybox:test",
    };
    sh(make);
    let view = rig.look().await;
    assert!(!view.containers.contains_key(&name("db")));
    let foreign = view.foreign.get(&rig.kind).cloned().unwrap_or_default();
    assert_eq!(foreign, BTreeSet::from(["t_db".to_owned()]));
    let create = rig
        .driver
        .create(&rig.mark("db", 2, json!({})), false, &|_| {})
        .await;
    assert!(create.is_err());
    assert!(rig.driver.start(&name("db"), Body::Present).await.is_err());
    assert!(rig.driver.set_aside(&name("db"), false).await.is_err());
    let _ = rig.driver.destroy(&name("db"), Body::Present, true).await;
    let view = rig.look().await;
    assert!(view.foreign[&rig.kind].contains("t_db"), "it was destroyed");
    sh(match rig.kind {
        Kind::System => "lxc-destroy -n t_db",
        Kind::Application => "docker rm t_db",
    });
}

fn sh(line: &str) {
    let status = std::process::Command::new("sh").args(["-c", line]).status();
    assert!(status.unwrap().success(), "{line}");
}

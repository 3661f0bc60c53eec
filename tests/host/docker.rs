//! What only application containers have, as the engine itself shows it, and bad days of the engine.
//!
//! The driver is asked inside the test host, as in the contract; what the whole program does with it is
//! in the scenarios of projects.

use std::path::Path;

use locker::backend::{BackendError, Body};
use locker::model::Kind;
use locker::observed::{Health, State};
use locker::sys::Made;
use serde_json::json;

use crate::contract::rig::{self, Rig, name, network};
use crate::contract::{inside, run_inside};
use crate::on_a_host;
use crate::project::{Project, eventually};

#[test]
fn application_containers_are_as_the_file_says() {
    on_a_host(|host| {
        host.docker();
        host.sh(rig::BRIDGE);
        run_inside(host, "docker::settings_inside");
        let left = "docker ps -aq; docker volume ls -q; docker network ls -q -f label=locker.project; \
            ls -A /var/lib/locker/containers";
        assert_eq!(host.sh(left), "");
        host.sh("ip link delete lk-t; rm -r /var/lib/locker/volumes /srv/made");
        host.remember_as_clean();
    });
}

#[test]
fn a_killed_creation_and_a_stopped_engine_are_told_as_what_they_are() {
    on_a_host(|host| {
        host.docker();
        host.sh(rig::BRIDGE);
        run_inside(host, "docker::bad_days_inside");
        host.sh("ip link delete lk-t");
        host.remember_as_clean();
    });
}

#[test]
#[ignore = "the inside of `application_containers_are_as_the_file_says`"]
fn settings_inside() {
    inside(Rig::docker, async |rig| {
        let engine = rig.driver.engine().unwrap();
        engine.ensure_network(&network()).await.unwrap();
        volumes_are_filled_and_handed_on(&rig).await;
        files_are_there_and_in_no_mark(&rig).await;
        names_are_found_and_survive_the_engine(&rig).await;
        limits_change_live(&rig).await;
        health_is_told(&rig).await;
        engine.remove_network(&network(), false).await.unwrap();
    });
}

#[test]
#[ignore = "the inside of `a_killed_creation_and_a_stopped_engine_are_told_as_what_they_are`"]
fn bad_days_inside() {
    inside(Rig::docker, async |rig| {
        a_killed_creation_is_a_wreck(&rig).await;
        a_lost_state_directory_loses_nothing(&rig).await;
        an_engine_that_is_down_says_what_helps(&rig).await;
    });
}

fn sh(line: &str) -> String {
    let output = std::process::Command::new("sh")
        .args(["-c", line])
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    assert!(output.status.success(), "{line}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// A named volume has the image's content and lives where locker keeps it; one without a name goes on to
/// the next self, and only `volumes` takes it away.
async fn volumes_are_filled_and_handed_on(rig: &Rig) {
    let own = "/var/lib/locker/volumes/t/data";
    let app = json!({
        "settings": {"engine_volumes": [
            {"volume": "anonymous", "target": "/keep", "read_only": false, "no_copy": false}
        ]},
        "network_of": null, "healthcheck": null,
        "attached": [{"network": "t_default", "nic": rig.mark("db", 2, json!({})).spec.nic, "aliases": []}]
    });
    let change = json!({"app": app, "mounts": [
        {"host": own, "target": "/data", "read_only": false, "named": true},
        {"host": "/srv/made", "target": "/made", "read_only": true, "named": false}
    ]});
    let mark = rig.mark("db", 2, change);
    rig.make(&mark).await;
    assert_eq!(sh(&format!("cat {own}/seed")), "filled");
    let made = rig
        .driver
        .inside()
        .seed(&name("db"), &mark.spec.mounts, true)
        .await
        .unwrap();
    assert_eq!(
        made.made.iter().map(Made::path).collect::<Vec<_>>(),
        [
            "/srv/made",
            "/var/lib/locker/volumes",
            "/var/lib/locker/volumes/t",
            own
        ]
        .map(Path::new),
        "made with the container, directories above them included"
    );
    let seen = rig.seen("db").await.unwrap();
    assert!(!seen.unnamed.is_empty() && !seen.wreck);
    assert!(rig.look().await.engine.volumes.contains_key("t_data"));
    rig.start("db").await;
    assert_eq!(
        rig.sh("db", "echo kept > /keep/a; echo x > /made/a")
            .await
            .code,
        1
    );

    rig.driver.set_aside(&name("db"), false).await.unwrap();
    assert!(
        rig.seen("db").await.unwrap().aside_runs,
        "it may run meanwhile"
    );
    rig.stop("db", Body::Aside).await;
    rig.make(&mark).await;
    rig.start("db").await;
    assert_eq!(rig.sh("db", "cat /keep/a").await.output.trim(), "kept");
    rig.destroy("db", Body::Aside).await;
    assert_eq!(
        rig.sh("db", "cat /keep/a").await.output.trim(),
        "kept",
        "it went with the old self"
    );
    rig.stop("db", Body::Present).await;
    rig.destroy("db", Body::Present).await;
    assert_eq!(sh("docker volume ls -q"), "t_data");
    rig.driver
        .engine()
        .unwrap()
        .remove_volume("t_data", false)
        .await
        .unwrap();
    rig.driver
        .engine()
        .unwrap()
        .remove_volume("t_data", false)
        .await
        .unwrap();
    assert_eq!(
        sh(&format!("cat {own}/seed")),
        "filled",
        "the data are locker's own"
    );
}

async fn files_are_there_and_in_no_mark(rig: &Rig) {
    let mut mark = rig.mark("web", 3, json!({}));
    let app = mark.spec.app.as_mut().unwrap();
    app.settings.files = serde_json::from_value(json!([
        {"target": "/run/secrets/word", "uid": 7, "gid": 8, "mode": 0o440, "digest": "d"}
    ]))
    .unwrap();
    app.settings.files[0].content.0 = b"open sesame".to_vec();
    rig.make(&mark).await;
    rig.start("web").await;
    // Without the shell's complaint, which may come in between.
    let look = "cat /run/secrets/word; stat -c ' %u %g %a' /run/secrets/word; \
        { echo > /run/secrets/word; } 2>/dev/null";
    let ran = rig.sh("web", look).await;
    assert!(
        ran.output.contains("open sesame 7 8 440") && ran.code != 0,
        "{ran:?}"
    );
    assert_eq!(sh("docker inspect t_web | grep -c sesame || true"), "0");
    assert_eq!(sh("stat -c %a /var/lib/locker/containers/t"), "700");
    rig.stop("web", Body::Present).await;
    rig.destroy("web", Body::Present).await;
}

async fn names_are_found_and_survive_the_engine(rig: &Rig) {
    rig.make(&rig.mark("db", 2, json!({}))).await;
    let mut mark = rig.mark("web", 3, json!({}));
    let settings = &mut mark.spec.app.as_mut().unwrap().settings;
    settings.extra_hosts = vec![("host".into(), "host-gateway".into())];
    rig.make(&mark).await;
    let lines = serde_json::from_value(json!([{"address": "10.77.0.2", "names": ["store"]}]));
    let lines: Vec<_> = lines.unwrap();
    rig.driver
        .inside()
        .write_names(&name("web"), &lines, &[])
        .await
        .unwrap();
    rig.start("db").await;
    rig.start("web").await;
    // The hosts file, and the engine's own names for what asks no hosts file.
    for word in ["store", "db"] {
        let ran = rig.sh("web", &format!("wget -q -O - http://{word}/")).await;
        assert_eq!(ran.output.trim(), "hello", "{word}");
    }
    assert!(
        rig.sh("web", "cat /etc/hosts")
            .await
            .output
            .contains("10.77.0.1 host")
    );
    sh("docker restart -t 0 t_web");
    assert!(
        rig.sh("web", "cat /etc/hosts")
            .await
            .output
            .contains("10.77.0.2 store")
    );
    for one in ["web", "db"] {
        rig.stop(one, Body::Present).await;
        rig.destroy(one, Body::Present).await;
    }
}

async fn limits_change_live(rig: &Rig) {
    let mut mark = rig.mark("db", 2, json!({}));
    let limits = |mark: &mut locker::observed::Mark, pids| {
        mark.spec.app.as_mut().unwrap().settings.limits.pids = pids;
    };
    // Where the kernel lends a test host no such controller, the engine would leave the limit out without an error.
    let counted = sh("docker info -f '{{.PidsLimit}}'") == "true";
    if !counted {
        limits(&mut mark, Some(50));
        let made = rig.driver.create(&mark, false, &|_| {}).await;
        let refused = made.unwrap_err().to_string();
        assert!(refused.contains("discarded"), "{refused}");
        assert_eq!(rig.seen("db").await, None, "it is not kept");
    }
    let most_of = |pids: i64| counted.then_some(pids);
    limits(&mut mark, most_of(50));
    rig.make(&mark).await;
    rig.start("db").await;
    let most = |limit: &str, policy: &str| {
        let look =
            "docker inspect -f '{{.HostConfig.PidsLimit}} {{.HostConfig.RestartPolicy.Name}}' t_db";
        let seen = sh(look);
        let (found, name) = seen.split_once(' ').unwrap();
        assert!((found == limit || !counted) && name == policy, "{seen}");
    };
    most("50", "no");
    let pid = rig.seen("db").await.unwrap().pid;
    limits(&mut mark, most_of(60));
    mark.spec.restart = locker::model::Restart::UnlessStopped;
    rig.driver.configure(&mark).await.unwrap();
    most("60", "unless-stopped");
    limits(&mut mark, None);
    rig.driver.configure(&mark).await.unwrap();
    let seen = rig.seen("db").await.unwrap();
    assert_eq!(
        (seen.pid, seen.mark.as_ref()),
        (pid, Some(&mark)),
        "it lives on"
    );
    rig.stop("db", Body::Present).await;
    rig.destroy("db", Body::Present).await;
}

async fn health_is_told(rig: &Rig) {
    let second = json!({"secs": 1, "nanos": 0});
    let mut mark = rig.mark("db", 2, json!({}));
    mark.spec.app.as_mut().unwrap().healthcheck = serde_json::from_value(json!({
        "test": {"shell": "test -e /tmp/ready"}, "interval": second, "timeout": second, "retries": 1,
        "start_period": {"secs": 60, "nanos": 0}
    }))
    .unwrap();
    rig.make(&mark).await;
    rig.start("db").await;
    assert_eq!(rig.seen("db").await.unwrap().health, Some(Health::Starting));
    rig.sh("db", "touch /tmp/ready").await;
    let check = mark.spec.app.as_ref().unwrap().healthcheck.clone();
    let probe = rig
        .driver
        .watch()
        .probe(&name("db"), check.as_ref())
        .await
        .unwrap();
    assert_eq!(
        probe,
        locker::backend::Probe::Healthy,
        "nobody waits for the engine's next try"
    );
    for _ in 0..300 {
        if rig.seen("db").await.unwrap().health == Some(Health::Healthy) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(rig.seen("db").await.unwrap().health, Some(Health::Healthy));
    rig.stop("db", Body::Present).await;
    rig.destroy("db", Body::Present).await;
}

/// As when it is killed between making the container and joining its second network.
async fn a_killed_creation_is_a_wreck(rig: &Rig) {
    let engine = rig.driver.engine().unwrap();
    engine.ensure_network(&network()).await.unwrap();
    let mut mark = rig.mark("db", 2, json!({}));
    let app = mark.spec.app.as_mut().unwrap();
    let mut second = app.attached[0].clone();
    second.network = "t_back".into();
    app.attached.push(second);
    let labels = serde_json::to_string(&mark).unwrap();
    let status = std::process::Command::new("docker")
        .args(["create", "--name", "t_db", "--network", "t_default"])
        .args([
            "-l",
            "locker.project=t",
            "-l",
            "locker.directory=/project",
            "-l",
            "locker.name=db",
        ])
        .args([
            "-l",
            "locker.token=0123456789abcdef",
            "-l",
            &format!("locker.mark={labels}"),
        ])
        .arg("busybox:test")
        .status();
    assert!(status.unwrap().success());
    let seen = rig.seen("db").await.unwrap();
    assert!(seen.wreck && seen.mark.is_none());
    rig.destroy("db", Body::Present).await;
    assert!(rig.seen("db").await.is_none());
}

async fn a_lost_state_directory_loses_nothing(rig: &Rig) {
    let mut mark = rig.mark("db", 2, json!({"setup": [{"shell": "true"}]}));
    rig.make(&mark).await;
    rig.start("db").await;
    mark.setup_done = true;
    rig.driver.configure(&mark).await.unwrap();
    sh("rm -r /var/lib/locker/containers");
    let seen = rig.seen("db").await.unwrap();
    assert_eq!(
        (seen.mark.as_ref(), seen.wreck),
        (Some(&mark), false),
        "it ran, so it was set up"
    );
    assert_eq!(
        (seen.state, seen.names),
        (State::Running, None),
        "its names are to be written again"
    );
    rig.driver
        .inside()
        .write_names(&name("db"), &[], &[])
        .await
        .unwrap();
    rig.stop("db", Body::Present).await;
    rig.start("db").await;
    rig.stop("db", Body::Present).await;
    rig.destroy("db", Body::Present).await;
    rig.driver
        .engine()
        .unwrap()
        .remove_network(&network(), false)
        .await
        .unwrap();
}

async fn an_engine_that_is_down_says_what_helps(rig: &Rig) {
    sh("systemctl stop docker docker.socket 2>&1");
    let fresh = Rig::docker();
    let sought = locker::backend::Sought {
        offer: false,
        kinds: [Kind::Application].into(),
        ..Default::default()
    };
    for driver in [&rig.driver, &fresh.driver] {
        let error = driver.observe(&sought).await.unwrap_err();
        assert!(
            matches!(&error, BackendError::Unavailable { help, .. } if help.contains("systemctl start docker")),
            "{error:?}"
        );
    }
}

/// The whole program: both kinds on one bridge, from the first `up` to `down`.
#[test]
fn a_project_of_both_kinds_lives_one_life() {
    on_a_host(|host| {
        host.docker();
        // The engine orders its own rules otherwise after a restart, of which there is one below.
        host.sh("systemctl restart docker");
        host.remember_as_clean();
        let file = |colour: &str, check: &str, port: u16| {
            format!(
                "  db:\n    template: tiny\n    links: [web]\n    healthcheck: {{test: 'true'}}\n\
                 \x20 web:\n    image: busybox:test\n    environment: {{COLOUR: {colour}}}\n\
                 \x20   stop_grace_period: 1s\n    ports: ['{port}:80']\n    links: [db]\n\
                 \x20   volumes: ['data:/data']\n    depends_on: {{db: {{condition: service_healthy}}}}\n\
                 \x20   healthcheck: {{test: [CMD, {check}], interval: 1s, timeout: 20s, retries: 3}}\n"
            )
        };
        let project = Project::new(host, "shop", &file("red", "'true'", 8080));
        project.up();
        let inside = |line: &str| host.sh(&format!("docker exec shop_web {line}"));
        assert_eq!(host.fetch_from_outside(8080).as_deref(), Some("hello"));
        assert_eq!(inside("wget -q -O - http://db/"), "db");
        eventually("hello".to_owned(), || {
            project
                .inside("db", "wget -q -O - http://web/")
                .out
                .trim()
                .to_owned()
        });
        let again = project.locker("up").exits(0);
        let said = again.out + &again.err;
        assert!(said.contains("nothing to do"), "{said}");

        // A port is a rule of ours: the container lives on.
        let id = host.sh("docker ps -q");
        project.rewrite(&file("red", "'true'", 8081));
        project.up();
        assert_eq!(host.sh("docker ps -q"), id);
        assert_eq!(host.fetch_from_outside(8081).as_deref(), Some("hello"));
        assert_eq!(host.fetch_from_outside(8080), None);

        // A new self that does not become healthy gives way to the old one.
        project.rewrite(&file("blue", "'false'", 8081));
        assert_ne!(project.locker("up").code, 0);
        assert_eq!(
            host.sh("docker ps -aq"),
            id,
            "the old self is back and the new one gone"
        );
        assert_eq!(inside("env | sed -n s/^COLOUR=//p"), "red");
        assert_eq!(host.fetch_from_outside(8081).as_deref(), Some("hello"));
        project.rewrite(&file("blue", "'true'", 8081));
        project.up();
        assert_ne!(host.sh("docker ps -aq"), id);
        assert_eq!(inside("env | sed -n s/^COLOUR=//p"), "blue");

        // The engine is restarted under it, and loses nothing of ours.
        host.sh("systemctl restart docker");
        project.up();
        assert_eq!(host.fetch_from_outside(8081).as_deref(), Some("hello"));
        assert_eq!(inside("cat /data/seed"), "filled");
        project.locker("down --yes --volumes").exits(0);
    });
}

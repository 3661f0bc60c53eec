//! What others do to a project with the engine's own tools, and what the engine forgets.

use crate::beside::{id, on_a_host_with_docker};
use crate::machine::Host;

/// The engine answers without a volume's options when it has been started anew.
fn a_volume_survives_its_engine(host: &Host) {
    let services = "services:\n  a: {image: 'busybox:test', stop_grace_period: 0s, volumes: ['d:/d']}\nvolumes: {d: {}}\n";
    host.write("/srv/vol/compose.yaml", services);
    let locker = |words: &str| host.sh(&format!("cd /srv/vol && locker {words}"));
    locker("up -q");
    host.sh("docker exec vol_a sh -c 'echo gold > /d/f'");
    locker("down -q --yes");
    host.sh("systemctl restart docker");
    locker("up -q");
    assert_eq!(host.sh("docker exec vol_a cat /d/f"), "gold");
    locker("down -q --yes");
}

/// Who was taken off a network is on it again, with the same addresses and names, and the same self.
fn who_was_taken_off_is_joined_again(host: &Host) {
    host.sh("docker network create --subnet 192.168.78.0/24 ext78");
    let services = "services:\n  \
        a: {image: 'busybox:test', stop_grace_period: 0s, networks: {default: {}, inner: {aliases: [deep]}, out: {ipv4_address: 192.168.78.50}}}\n  \
        b: {image: 'busybox:test', stop_grace_period: 0s, networks: [default, inner]}\n\
        networks: {default: {enable_ipv6: true}, inner: {internal: true}, out: {external: true, name: ext78}}\n";
    host.write("/srv/cut/compose.yaml", services);
    let locker = |words: &str| host.sh(&format!("cd /srv/cut && locker {words}"));
    let networks = || {
        let of_one = "{{$n}} {{$at.IPAddress}} {{$at.GlobalIPv6Address}};";
        host.sh(&format!(
            "docker inspect -f '{{{{range $n, $at := .NetworkSettings.Networks}}}}{of_one}{{{{end}}}}' cut_a"
        ))
    };
    locker("up -q");
    let (first, before) = (id(host, "cut_a"), networks());
    let whole = |why: &str| {
        assert_eq!(networks(), before, "{why}");
        assert_eq!(id(host, "cut_a"), first, "{why}: it was made anew");
        locker("plan --exit-code");
        host.sh("docker exec cut_b wget -q -O - http://a/ && docker exec cut_b wget -q -O - http://deep/");
    };
    let began = || host.sh("docker inspect -f '{{.State.StartedAt}}' cut_a");
    let start = began();
    for network in ["cut_default", "cut_inner", "ext78"] {
        host.sh(&format!("docker network disconnect {network} cut_a"));
        let plan = locker("plan");
        assert!(plan.contains("took it off a network"), "{plan}");
        locker("up -q");
        whole(network);
    }
    assert_eq!(began(), start, "it went on running");
    host.sh("for n in cut_default cut_inner ext78; do docker network disconnect $n cut_a; done");
    locker("restart -q a");
    whole("restart");
    locker("stop -q a");
    host.sh("for n in cut_default cut_inner ext78; do docker network disconnect $n cut_a; done");
    locker("start -q a");
    whole("start");
    host.sh("systemctl stop locker-cut-a; docker network disconnect cut_default cut_a; systemctl start locker-cut-a");
    locker("up -q");
    whole("a start by systemd");
    locker("down -q --yes");
    host.sh("docker network rm ext78");
}

/// One of ours that was renamed is named, and taken back with its name.
fn who_was_renamed_is_named(host: &Host) {
    let services = "services:\n  a: {image: 'busybox:test', stop_grace_period: 0s}\n";
    host.write("/srv/ren/compose.yaml", services);
    let locker = |words: &str| host.try_sh(&format!("cd /srv/ren && locker {words}"));
    locker("up -q").exits(0);
    let first = id(host, "ren_a");
    host.sh("docker rename ren_a foo");
    locker("up")
        .exits(1)
        .says(&["`foo`", "docker rename foo ren_a"]);
    host.sh("docker rename foo ren_a");
    locker("up -q").exits(0);
    assert_eq!(id(host, "ren_a"), first);
    locker("down -q --yes").exits(0);
}

/// What a network of others cannot give is refused while the container goes on running.
fn an_address_that_cannot_be_had_is_refused_first(host: &Host) {
    host.sh("docker network create --subnet 192.168.79.0/24 ext79; docker run -d --name taker --network ext79 --ip 192.168.79.70 busybox:test");
    let file = |ip: &str| {
        let text = format!(
            "services:\n  a: {{image: 'busybox:test', stop_grace_period: 0s, networks: {{ext79: {{ipv4_address: {ip}}}}}}}\n\
             networks: {{ext79: {{external: true}}}}\n"
        );
        host.write("/srv/ips/compose.yaml", &text);
    };
    let locker = |words: &str| host.try_sh(&format!("cd /srv/ips && locker {words}"));
    file("192.168.79.50");
    locker("up -q").exits(0);
    let first = id(host, "ips_a");
    for (ip, why) in [
        ("192.168.80.5", "192.168.79.0/24"),
        ("192.168.79.1", "the host"),
        ("192.168.79.70", "taker"),
    ] {
        file(ip);
        locker("plan").exits(1).says(&["compose.yaml:2", ip, why]);
        locker("up --yes").exits(1);
    }
    file("192.168.79.50");
    locker("plan --exit-code").exits(0);
    assert_eq!(id(host, "ips_a"), first);
    locker("down -q --yes").exits(0);
    host.sh("docker rm -f taker; docker network rm ext79");
}

#[test]
fn what_others_do_to_containers_of_the_engine_is_mended_without_a_loss() {
    on_a_host_with_docker(|host| {
        a_volume_survives_its_engine(host);
        who_was_taken_off_is_joined_again(host);
        who_was_renamed_is_named(host);
        an_address_that_cannot_be_had_is_refused_first(host);
    });
}

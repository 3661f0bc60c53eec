//! Containers that fail at different moments of one `up`: what is told as undone is undone, whichever of its runs did it.

use crate::beside::on_a_host_with_docker;
use crate::machine::Host;
use crate::project::Project;

/// Fails only once it runs.
const LATE: &str =
    "  late:\n    template: {name: tiny}\n    setup: [\"false\"]\n    restart: always\n";

/// Those that cannot be made or started.
const EARLY: [&str; 3] = [
    "  early:\n    template: {name: broken}\n",
    "  early:\n    template: {name: tiny}\n    config: [\"lxc.init.cmd = /no/such\"]\n",
    "  early:\n    image: busybox:test\n    command: /no/such\n",
];

const WELL: &str = "  well:\n    template: {name: tiny}\n    restart: always\n";

#[track_caller]
fn nothing_is_there(host: &Host, told: &str) {
    for (what, look) in [
        ("container", "ls /var/lib/lxc; docker ps -aq"),
        ("bridge", "ls /sys/class/net | grep '^lk-'"),
        ("rule", "nft list ruleset | grep -i locker"),
        ("unit", "ls /etc/systemd/system | grep '^locker'"),
        ("record", "ls -A /var/lib/locker/projects"),
    ] {
        let left = host.sh(&format!("{{ {look}; }} 2>/dev/null || true"));
        assert_eq!(left.trim(), "", "a {what} is left after\n{told}");
    }
}

fn walk(host: &Host) {
    for early in EARLY {
        let project = Project::new(host, "shop", &format!("{LATE}{early}"));
        let told = project.locker("up").exits(1).err;
        assert!(told.contains("what had been done is undone"), "{told}");
        assert!(told.contains("late") && told.contains("early"), "{told}");
        nothing_is_there(host, &told);

        let project = Project::new(host, "shop", &format!("{LATE}{early}{WELL}"));
        let told = project.locker("up").exits(1).err;
        assert!(told.contains("finished and kept: `well`"), "{told}");
        assert_eq!(project.state("late"), "ABSENT", "{told}");
        assert_eq!(project.state("early"), "ABSENT", "{told}");
        assert_eq!(project.state("well"), "RUNNING", "{told}");
        let units =
            host.sh("ls /etc/systemd/system | grep '^locker' | grep -e late -e early || true");
        assert_eq!(units.trim(), "", "{told}");
        project.locker("down --yes").exits(0);
        nothing_is_there(host, &told);
    }
}

#[test]
fn what_fails_at_different_moments_is_undone_as_a_whole() {
    on_a_host_with_docker(walk);
}

/// Both were there before.
fn replaced(host: &Host) {
    let both = |late: &str, early: &str| {
        format!(
            "  late:\n    template: {{name: tiny}}\n    setup: [\"{late}\"]\n  early:\n    image: busybox:test\n    \
             command: {early}\n    stop_grace_period: 1s\n"
        )
    };
    let project = Project::new(host, "shop", &both("touch /root/older", "[sleep, '99999']"));
    project.up();
    project.rewrite(&both("touch /root/newer; false", "/no/such"));
    let told = project.locker("up --yes --force-recreate").exits(1).err;
    project.inside("late", "test -e /root/older").exits(0);
    let running = host.sh("docker ps --format '{{.Names}} {{.Command}}' --no-trunc");
    assert!(
        running.contains("shop_early") && running.contains("99999"),
        "{running}\n{told}"
    );
    project.rewrite(&both("touch /root/older", "[sleep, '99999']"));
    project.locker("plan --exit-code").exits(0);
}

#[test]
fn older_selves_come_back_whichever_run_replaced_them() {
    on_a_host_with_docker(replaced);
}

/// One that never gets healthy keeps nobody in the command for ever, whatever else has failed.
fn unwell(host: &Host) {
    let file = "  early:\n    template: {name: broken}\n  db:\n    template: {name: tiny}\n    \
                healthcheck: {test: \"false\", interval: 100ms, retries: 3}\n  web:\n    template: {name: tiny}\n    \
                depends_on: {db: {condition: service_healthy}}\n  well:\n    template: {name: tiny}\n";
    let project = Project::new(host, "shop", file);
    let told = project.locker("up").exits(1).err;
    for word in [
        "create early",
        "`db` is not healthy",
        "finished and kept: `well`",
    ] {
        assert!(told.contains(word), "no {word} in {told}");
    }
    assert_eq!(
        told.matches("`db` is not healthy after").count(),
        2,
        "{told}"
    );
    assert_eq!(project.state("well"), "RUNNING");
    project.locker("down --yes").exits(0);

    // A new self that does not get healthy gives way to its older one.
    let db = |test: &str, early: &str| {
        format!(
            "{early}  db:\n    image: busybox:test\n    stop_grace_period: 1s\n    environment: {{TEST: \"{test}\"}}\n    \
             healthcheck: {{test: \"{test}\", interval: 200ms, retries: 3}}\n"
        )
    };
    let project = Project::new(host, "shop", &db("true", ""));
    project.up();
    let older = host.sh("docker inspect -f '{{.Id}}' shop_db");
    project.rewrite(&db("false", "  early:\n    template: {name: broken}\n"));
    let told = project.locker("up --yes --wait").exits(1).err;
    assert_eq!(
        host.sh("docker inspect -f '{{.Id}}' shop_db"),
        older,
        "{told}"
    );
    assert_eq!(host.sh("docker ps -q | wc -l").trim(), "1", "{told}");
}

#[test]
fn what_does_not_get_healthy_ends_the_command_and_the_older_self_comes_back() {
    on_a_host_with_docker(unwell);
}

/// Volumes in volumes and directories that were missing go with the containers for which they were made.
fn made(host: &Host) {
    let of = |name: &str, source: &str| {
        format!(
            "  {name}:\n    {source}\n    setup: [\"false\"]\n    volumes: [\"./{name}/x/a:/data\", \"./{name}/x/a/b/c:/data/b\"]\n"
        )
    };
    let file = of("lx", "template: {name: tiny}")
        + &of("app", "image: busybox:test\n    stop_grace_period: 1s");
    let project = Project::new(host, "shop", &file);
    let told = project.locker("up").exits(1).err;
    assert!(!told.contains("is left"), "{told}");
    host.sh("test ! -e /srv/shop/lx && test ! -e /srv/shop/app");
}

#[test]
fn nothing_is_left_of_volumes_in_volumes() {
    on_a_host_with_docker(made);
}

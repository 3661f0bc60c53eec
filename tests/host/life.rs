//! The life of a project: up, stop, start, freeze, recreate, down.

use crate::beside::on_a_host_with_docker;
use crate::on_a_host;
use crate::project::Project;

const WEB: &str = "  web:\n    template: {name: tiny}\n    ports: [\"8080:80\"]\n";
const PAIR: &str = "  db:\n    template: {name: tiny}\n    volumes: [\"/opt/data/$project/$name:/srv/data\"]\n  \
    web:\n    template: {name: tiny}\n    links: [\"db:database\"]\n    ports: [\"8080:80\"]\n";

#[test]
fn the_quickstart_answers_through_its_published_port_and_leaves_nothing() {
    on_a_host(|host| {
        host.copy_in("examples/quickstart", "/srv/quickstart");
        for _ in 0..2 {
            let ran = host
                .try_sh("LOCKER=/usr/local/bin/locker /srv/quickstart/run.sh")
                .exits(0);
            assert!(ran.out.contains("nothing to do"), "{}", ran.out);
        }
        let page = host.fetch_from_outside(8080).unwrap_or_default();
        assert!(
            page.contains("hello from db"),
            "the page does not come from db: {page}"
        );
        host.sh("LOCKER=/usr/local/bin/locker /srv/quickstart/run.sh down");
        host.sh("test -e /srv/quickstart/data/db/index.html");
    });
}

#[test]
fn a_second_up_changes_nothing() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", PAIR);
        project.up();
        let before = (
            project.init("db"),
            project.init("web"),
            host.sh("nft list ruleset | grep -v counter"),
        );
        project.locker("plan --exit-code").exits(0);
        project.up();
        let after = (
            project.init("db"),
            project.init("web"),
            host.sh("nft list ruleset | grep -v counter"),
        );
        assert_eq!(before, after);
    });
}

#[test]
fn containers_stop_start_restart_freeze_and_thaw() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", PAIR);
        project.locker("create").exits(0);
        assert_eq!(project.state("web"), "STOPPED");
        project.locker("start").exits(0);
        assert_eq!(
            (project.state("db"), project.state("web")),
            ("RUNNING".into(), "RUNNING".into())
        );
        let first = project.init("web");
        project.locker("restart web").exits(0);
        assert_ne!(project.init("web"), first);
        project.locker("freeze web").exits(0);
        assert_eq!(
            (project.state("db"), project.state("web")),
            ("RUNNING".into(), "FROZEN".into())
        );
        project.locker("unfreeze web").exits(0);
        assert_eq!(project.state("web"), "RUNNING");
        project.locker("stop web").exits(0);
        assert_eq!(
            (project.state("db"), project.state("web")),
            ("RUNNING".into(), "STOPPED".into())
        );
        assert_eq!(host.fetch_from_outside(8080), None);
    });
}

#[test]
fn a_stopped_container_is_shut_down_cleanly_even_in_its_first_second() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", WEB);
        project.up();
        project.locker("stop").exits(0);
        let begun = std::time::Instant::now();
        host.sh("cd /srv/shop && locker start && locker stop --timeout 60");
        let took = begun.elapsed().as_secs_f64();
        assert!(
            took < 12.0,
            "the clean stop of a young container took {took} s"
        );
        assert_eq!(project.state("web"), "STOPPED");
    });
}

#[test]
fn a_frozen_container_stops_without_waiting_for_its_timeout() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", WEB);
        project.up();
        project.locker("freeze web").exits(0);
        host.sh("cd /srv/shop && timeout 15 locker stop --timeout 60 web");
        assert_eq!(project.state("web"), "STOPPED");
    });
}

#[test]
fn down_keeps_bind_mounted_data_and_asks_before_it_destroys() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", PAIR);
        project.up();
        project
            .inside("db", "echo precious > /srv/data/rows")
            .exits(0);
        project.locker("down").exits(2).says(&["--yes"]);
        assert_eq!(project.state("db"), "RUNNING");
        project.locker("down --yes").exits(0);
        assert_eq!(
            (project.state("db"), project.state("web")),
            ("ABSENT".into(), "ABSENT".into())
        );
        assert_eq!(host.sh("cat /opt/data/shop/db/rows"), "precious");
        project.up();
        assert_eq!(
            project
                .inside("db", "cat /srv/data/rows")
                .exits(0)
                .out
                .trim(),
            "precious"
        );
    });
}

#[test]
fn down_keep_only_stops_containers_and_takes_the_network_down() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", PAIR);
        project.up();
        project.inside("web", "echo mine > /srv/kept").exits(0);
        project.locker("down --keep").exits(0);
        assert_eq!(
            (project.state("db"), project.state("web")),
            ("STOPPED".into(), "STOPPED".into())
        );
        assert_eq!(host.sh("ls /sys/class/net | grep -c '^lk-' || true"), "0");
        assert_eq!(host.fetch_from_outside(8080), None);
        project.up();
        assert_eq!(
            project.inside("web", "cat /srv/kept").exits(0).out.trim(),
            "mine"
        );
    });
}

#[test]
fn rm_asks_and_leaves_the_others_alone() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", PAIR);
        project.up();
        let db = project.init("db");
        project.locker("rm web").exits(2).says(&["--yes"]);
        assert_eq!(project.state("web"), "RUNNING");
        project.locker("rm --yes web").exits(0);
        assert_eq!(project.state("web"), "ABSENT");
        assert_eq!(host.fetch_from_outside(8080), None);
        assert_eq!(project.init("db"), db);
    });
}

#[test]
fn a_changed_template_recreates_only_with_consent() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", WEB);
        project.up();
        let before = project.init("web");
        project.inside("web", "touch /srv/old").exits(0);
        project.rewrite("  web:\n    template: {name: busybox}\n    ports: [\"8080:80\"]\n");
        let plan = project.locker("plan --exit-code").exits(3).out;
        assert!(
            plan.contains("template"),
            "the plan does not name the key: {plan}"
        );
        project.locker("up").exits(2).says(&["--yes"]);
        assert_eq!(project.init("web"), before);
        project.locker("up --yes").exits(0);
        assert_ne!(project.init("web"), before);
        project.inside("web", "test ! -e /srv/old").exits(0);
        assert_eq!(project.locker("plan --exit-code").code, 0);
    });
}

#[test]
fn cleanup_destroys_leftovers_when_told_but_never_what_the_file_defines() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", PAIR);
        project.up();
        let db = project.init("db");
        project.rewrite("  db:\n    template: {name: tiny}\n    volumes: [\"/opt/data/$project/$name:/srv/data\"]\n");
        let rows = project.locker("status --format json").exits(0).out;
        assert!(
            rows.contains("shop_web"),
            "the leftover is not listed: {rows}"
        );
        project.locker("cleanup --remove-orphans --yes").exits(0);
        assert_eq!(
            (project.state("db"), project.state("web")),
            ("STOPPED".into(), "ABSENT".into())
        );
        assert_eq!(host.sh("ls /sys/class/net | grep '^lk-' || true"), "");
        project.up();
        assert_ne!(project.init("db"), db);
    });
}

/// One of each kind that does not hear that it should end, and one of each that does.
fn deaf_and_not(supervisor: &str) -> String {
    let lx = "    template: {name: tiny}\n";
    let deaf = "    config: [\"lxc.signal.halt = SIGWINCH\"]\n    stop_grace_period: 2s\n";
    let app = "    image: busybox:test\n    stop_grace_period: 2s\n";
    let hears = "    command: [sh, -c, \"trap exit TERM; while true; do sleep 0.1; done\"]\n";
    format!(
        "  lx:\n{lx}{supervisor}  deaf:\n{lx}{deaf}{supervisor}  \
         app:\n{app}{supervisor}  hears:\n{app}{hears}{supervisor}"
    )
}

#[test]
fn a_stop_says_who_had_to_be_killed_whoever_supervises() {
    on_a_host_with_docker(|host| {
        for supervisor in ["", "    supervisor: none\n"] {
            let project = Project::new(host, "shop", &deaf_and_not(supervisor));
            project.up();
            for command in ["restart", "stop"] {
                let said = project.locker(command).exits(0).err;
                for name in ["app", "deaf"] {
                    let wanted = format!("`{name}` did not end within 2 s and was killed");
                    assert!(said.contains(&wanted), "{command} {supervisor:?}: {said}");
                }
                assert_eq!(said.matches("was killed").count(), 2, "{said}");
            }
            let said = project.locker("stop").exits(0).err;
            assert!(!said.contains("was killed"), "{said}");
            project.up();
            let said = project.locker("up --yes --force-recreate app").exits(0).err;
            assert!(said.contains("was killed"), "{said}");
            let said = project.locker("down --yes --timeout 1").exits(0).err;
            assert!(said.contains("`app` did not end within 1 s"), "{said}");
        }
    });
}

//! `--keep-failed`: what could not be set up stays for a look, and the next run goes on with it.

use crate::beside::on_a_host_with_docker;
use crate::machine::Host;
use crate::project::Project;

const FIRST: &str = "echo first >> /tmp/ran";

/// One of each kind whose setup runs into `last`.
fn containers(last: &str) -> String {
    let setup = format!("    setup: [\"{FIRST}\", \"{last}\"]\n");
    format!(
        "  lx:\n    template: {{name: tiny}}\n{setup}  app:\n    image: busybox:test\n    \
         stop_grace_period: 1s\n{setup}"
    )
}

fn rows(project: &Project<'_>) -> serde_json::Value {
    let told = project.locker("status --format json").exits(0).out;
    serde_json::from_str(&told).expect("status is JSON")
}

fn row<'v>(rows: &'v serde_json::Value, name: &str) -> &'v serde_json::Value {
    let mut all = rows.as_array().expect("a list").iter();
    all.find(|row| row["name"] == name).expect("its row")
}

fn ran(project: &Project<'_>, name: &str) -> String {
    project
        .locker(&format!("exec {name} -- cat /tmp/ran"))
        .exits(0)
        .out
}

fn walk(host: &Host) {
    let project = Project::new(host, "shop", &containers("echo no disk; exit 3"));
    let failed = project.locker("up --keep-failed").exits(1);
    for word in [
        "no disk",
        "kept for a look: `app`, `lx`",
        "locker exec NAME",
    ] {
        assert!(failed.err.contains(word), "no {word} in {}", failed.err);
    }
    let all = rows(&project);
    for name in ["app", "lx"] {
        assert_eq!(row(&all, name)["state"], "running");
        let why = row(&all, name)["setup"].as_str().expect("why");
        assert!(why.contains("ended with 3"), "{why}");
        assert_eq!(ran(&project, name), "first\n");
    }
    let told = project.locker("status").exits(0).err;
    assert!(told.contains("lx: its setup failed"), "{told}");

    // It fails again and is still there.
    project.locker("up --keep-failed").exits(1);
    assert_eq!(ran(&project, "lx"), "first\nfirst\n");

    // Mended, the next one goes on, from the first command.
    project.rewrite(&containers("true"));
    let plan = project.locker("plan").exits(0).out;
    assert!(plan.contains("setup has not run"), "{plan}");
    project.up();
    for name in ["app", "lx"] {
        assert_eq!(ran(&project, name), "first\nfirst\nfirst\n");
        assert_eq!(row(&rows(&project), name)["setup"], serde_json::Value::Null);
    }
    project.locker("plan --exit-code").exits(0);
    project.locker("down --yes").exits(0);

    // Anew, and out.
    project.rewrite(&containers("false"));
    project.locker("up --keep-failed").exits(1);
    project.rewrite(&containers("true"));
    project.locker("up --yes --force-recreate").exits(0);
    assert_eq!(ran(&project, "lx"), "first\n");
    project.locker("down --yes").exits(0);
    project.rewrite(&containers("false"));
    project.locker("up --keep-failed").exits(1);
    project.locker("rm --yes lx").exits(0);
    assert_eq!(project.state("lx"), "ABSENT");
}

#[test]
fn a_container_whose_setup_failed_stays_until_it_is_set_up_made_anew_or_removed() {
    on_a_host_with_docker(walk);
}

#[test]
fn the_older_self_comes_back_whatever_is_to_be_kept() {
    crate::on_a_host(|host| {
        let lx = |setup: &str| {
            format!("  lx:\n    template: {{name: tiny}}\n    setup: [\"{setup}\"]\n")
        };
        let project = Project::new(host, "shop", &lx("true"));
        project.up();
        project.inside("lx", "touch /root/older").exits(0);
        project.rewrite(&lx("false"));
        let failed = project
            .locker("up --yes --force-recreate --keep-failed")
            .exits(1);
        assert!(!failed.err.contains("kept"), "{}", failed.err);
        project.inside("lx", "test -e /root/older").exits(0);
    });
}

#[test]
fn a_kill_in_the_setup_makes_no_difference() {
    crate::on_a_host(|host| {
        let lx = |last: &str| {
            format!("  lx:\n    template: {{name: tiny}}\n    setup: [\"{FIRST}\", \"{last}\"]\n")
        };
        let project = Project::new(host, "shop", &lx("sleep 60"));
        host.sh("cd /srv/shop && (locker up --keep-failed >/dev/null 2>&1 & echo $! > /tmp/up)");
        crate::project::eventually(true, || project.inside("lx", "test -e /tmp/ran").code == 0);
        host.sh("kill -9 $(cat /tmp/up)");
        let told = project.locker("status").exits(0).err;
        assert!(told.contains("its setup failed or was ended"), "{told}");
        project.rewrite(&lx("true"));
        project.up();
        assert_eq!(ran(&project, "lx"), "first\nfirst\n");
    });
}

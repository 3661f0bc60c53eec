//! Containers whose end others wait for: what is done is done, also after a reboot.

use crate::beside::on_a_host_with_docker;
use crate::boot::forwards;
use crate::machine::Host;
use crate::on_a_host;
use crate::project::{Project, eventually};

const FILE: &str = "  job:\n    template: {name: tiny}\n    restart: \"no\"\n    \
    config: [\"lxc.init.cmd = /bin/sh /job\"]\n  \
    web:\n    template: {name: tiny}\n    depends_on: {job: {condition: completed_successfully}}\n";

/// How often the work was done.
fn runs(host: &Host, project: &Project<'_>) -> String {
    host.sh(&format!("cat {}/runs | wc -l", project.rootfs("job")))
}

#[test]
fn a_system_container_that_has_done_its_work_is_not_run_again_by_itself() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", FILE);
        project.locker("create").exits(0);
        let work = |script: &str| {
            host.write("/srv/shop/script", script);
            project.locker("cp script job:/job").exits(0);
        };
        work("echo run >> /runs\n");
        project.up();
        project.locker("enable").exits(0);
        assert_eq!(runs(host, &project), "1");
        host.sh("systemctl restart locker-shop-job.service");
        let unit = |property: &str| {
            host.sh(&format!(
                "systemctl show -P {property} locker-shop-job.service"
            ))
        };
        assert_eq!(unit("SubState"), "exited");
        assert_eq!(runs(host, &project), "1");

        host.reboot();
        eventually("RUNNING".into(), || project.state("web"));
        assert_eq!(unit("ActiveState"), "active");
        assert_eq!(runs(host, &project), "1");
        project.locker("plan --exit-code").exits(0);

        // Asked for by name it is done once more.
        project.locker("start job").exits(0);
        eventually("2".into(), || runs(host, &project));

        // Work that was cut short by a stop is not done, although its init ends with 0.
        work(
            "trap 'exit 0' USR1 PWR\necho run >> /runs\nn=0\nwhile [ $n -lt 100 ]; do sleep 0.2; n=$((n+1)); done\n",
        );
        project.locker("start job").exits(0);
        eventually("3".into(), || runs(host, &project));
        project.locker("stop job").exits(0);
        assert_eq!(project.state("job"), "STOPPED");
        let ended = host.sh("cat /var/lib/lxc/shop_job/locker.ended");
        assert!(ended.contains("\"code\":0"), "{ended}");
        host.sh("systemctl start --no-block locker-shop-job.service");
        eventually("4".into(), || runs(host, &project));
    });
}

#[test]
fn a_stop_in_the_middle_of_awaited_work_is_told_at_once() {
    const FILE: &str = "  job:\n    image: busybox:test\n    supervisor: SUPERVISOR\n    restart: \"no\"\n    \
        command: [sh, -c, \"trap 'exit 0' TERM; touch /begun; while :; do sleep 0.1; done\"]\n  \
        web:\n    image: busybox:test\n    supervisor: SUPERVISOR\n    command: sleep 1000\n    stop_grace_period: 0s\n    \
        depends_on: {job: {condition: completed_successfully}}\n";
    on_a_host_with_docker(|host| {
        let project = Project::new(host, "shop", "");
        for (supervisor, stop) in [
            ("auto", "docker stop shop_job"),
            ("auto", "systemctl stop locker-shop-job"),
            ("none", "docker stop shop_job"),
        ] {
            project.rewrite(&FILE.replace("SUPERVISOR", supervisor));
            host.sh("rm -f /run/code; systemd-run -q --setenv=PATH=\"$PATH\" --working-directory=/srv/shop sh -c 'locker up >/run/said 2>&1; echo $? >/run/code'");
            eventually("yes".to_owned(), || {
                host.sh(
                    "docker exec shop_job sh -c 'test -e /begun && echo yes' 2>/dev/null || true",
                )
            });
            host.sh(stop);
            eventually("1".to_owned(), || {
                host.sh("cat /run/code 2>/dev/null || true")
            });
            let said = host.sh("cat /run/said");
            let told = "`job` was told to stop before its work was done; it ended with exit code 0";
            assert!(said.contains(told), "{supervisor} {stop}: {said}");
            let plan = project.locker("plan").exits(0).out;
            assert!(
                plan.contains("+ start    job"),
                "{supervisor} {stop}: {plan}"
            );
            project.locker("down --yes").exits(0);
        }
        host.sh("rm -f /run/code /run/said");
    });
}

/// The work counts its runs. It ends with 0 when it is told to, and with the fourth run by itself.
const WORK: &str = "  job:\n    image: busybox:test\n    restart: \"no\"\n    volumes: [\"./data:/data\"]\n    \
    command: [sh, -c, \"trap 'exit 0' TERM; echo run >> /data/runs; until [ $$(wc -l < /data/runs) -ge 4 ]; do sleep 0.1; done\"]\n  \
    web:\n    image: busybox:test\n    command: sleep 1000\n    stop_grace_period: 0s\n    \
    depends_on: {job: {condition: completed_successfully}}\n";

#[test]
fn the_work_of_an_application_container_that_was_told_to_stop_is_done_again() {
    on_a_host_with_docker(|host| {
        forwards(host);
        let project = Project::new(host, "shop", WORK);
        let runs = || host.sh("cat /srv/shop/data/runs | wc -l");
        let code =
            || host.sh("docker inspect -f '{{.State.Running}} {{.State.ExitCode}}' shop_job");
        let web = || host.sh("docker inspect -f '{{.State.Running}}' shop_web");
        let unit = |words: &str| host.sh(&format!("systemctl {words} locker-shop-job.service"));
        let is_planned = || {
            let plan = project.locker("plan").exits(0).out;
            assert!(plan.contains("+ start    job"), "{plan}");
        };
        host.sh("mkdir /srv/shop/data");
        project.locker("create").exits(0);
        project.locker("start job").exits(0);
        eventually("1".to_owned(), runs);

        project.locker("stop job").exits(0);
        assert_eq!(code(), "false 0");
        unit("start --no-block");
        eventually("2".to_owned(), runs);
        unit("stop");
        assert_eq!(code(), "false 0");
        is_planned();
        unit("start --no-block");
        eventually("3".to_owned(), runs);

        // A reboot in the middle: it is done again before what waits for it starts, and then no more.
        project.locker("enable").exits(0);
        host.sh("systemctl -q enable docker");
        for _ in 0..2 {
            host.reboot();
            eventually("true".to_owned(), web);
            assert_eq!((runs().as_str(), code().as_str()), ("4", "false 0"));
        }
        project.locker("plan --exit-code").exits(0);

        // Without systemd locker alone knows.
        project.locker("down").exits(0);
        host.sh("rm /srv/shop/data/runs");
        project.rewrite(&WORK.replace("image:", "supervisor: none\n    image:"));
        project.locker("create").exits(0);
        project.locker("start job").exits(0);
        eventually("1".to_owned(), runs);
        project.locker("stop job").exits(0);
        assert_eq!(code(), "false 0");
        is_planned();
        host.sh("cd /srv/shop/data && printf '\\n\\n\\n' > runs");
        project.up();
        assert_eq!((runs(), web()), ("4".to_owned(), "true".to_owned()));
        project.locker("plan --exit-code").exits(0);
    });
}

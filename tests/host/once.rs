//! System containers whose end others wait for: what is done is done, also after a reboot.

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

//! A run that fails takes back what it has made, and nothing that others have written or use since.

use crate::beside::on_a_host_with_docker;
use crate::project::Project;

const LXC: &str = "template: {name: tiny}\n    stop_grace_period: 0s";
const DOCKER: &str = "image: busybox:test\n    stop_grace_period: 0s";

#[test]
fn what_others_have_written_to_a_directory_that_a_failed_run_has_made_is_theirs() {
    on_a_host_with_docker(|host| {
        for source in [LXC, DOCKER] {
            let file = format!(
                "  web:\n    {source}\n    volumes: [\"./conf/deep:/b\"]\n    setup: [\"touch /tmp/begun; sleep 5; exit 3\"]\n"
            );
            let project = Project::new(host, "shop", &file);
            project.locker("up").exits(1);
            assert_eq!(host.sh("ls /srv/shop"), "locker.yaml", "{source}");
            host.sh("cd /srv/shop && (timeout 60 locker up >/tmp/said 2>&1; echo $? >/tmp/code) &");
            host.sh("until test -d /srv/shop/conf/deep; do sleep 0.1; done; sleep 2; echo mine > /srv/shop/conf/deep/own");
            host.sh("until test -s /tmp/code; do sleep 0.1; done");
            let said = host.sh("cat /tmp/said /tmp/code; rm /tmp/code");
            assert!(
                said.ends_with('1') && said.contains("something was written to it"),
                "{said}"
            );
            assert_eq!(
                host.sh("cat /srv/shop/conf/deep/own; rm -r /srv/shop/conf"),
                "mine"
            );
            project.locker("down --yes").exits(0);
        }
    });
}

#[test]
fn what_another_container_has_is_not_taken_from_it_by_one_that_fails() {
    on_a_host_with_docker(|host| {
        for (bad, good) in [(DOCKER, DOCKER), (LXC, DOCKER), (DOCKER, LXC), (LXC, LXC)] {
            let volumes = "volumes: [\"./x:/x\", \"s:/s\"]";
            let with = |good: &str, more: &str| {
                format!(
                    "  good:\n    {good}\n{more}  bad:\n    {bad}\n    {volumes}\n    setup: [\"sleep 6; exit 3\"]\n\
                     volumes: {{s: {{}}}}\n"
                )
            };
            // Both begin in one run, and one writes.
            let writes =
                format!("    {volumes}\n    setup: [\"echo p > /x/good; echo p > /s/good\"]\n");
            let project = Project::new(host, "shop", &with(good, &writes));
            let inside = |script: &str| {
                let line = format!("cd /srv/shop && locker exec -T good sh -c '{script}'");
                host.try_sh(&line).exits(0).out.trim().to_owned()
            };
            project.locker("up --yes").exits(1);
            assert_eq!(host.sh("cat /srv/shop/x/good"), "p", "{bad}, {good}");
            assert_eq!(inside("cat /x/good /s/good; touch /x/more /s/more"), "p\np");
            host.sh("test -e /srv/shop/x/more");
            project.locker("down --yes --volumes").exits(0);
            host.sh("rm -r /srv/shop/x");
            // One that ran before gets what the other has made, and writes nothing yet.
            project.rewrite(&format!("  good:\n    {good}\n"));
            project.up();
            project.rewrite(&with(good, &format!("    {volumes}\n")));
            project.locker("up --yes").exits(1);
            assert_eq!(inside("touch /x/now /s/now; ls /x /s | grep -c now"), "2");
            host.sh("test -e /srv/shop/x/now");
            project.locker("down --yes --volumes").exits(0);
            host.sh("rm -r /srv/shop/x");
        }
    });
}

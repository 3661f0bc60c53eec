//! What an engine or a kernel refuses is told by the plan, with its line, and nothing is done.

use crate::beside::on_a_host_with_docker;

#[test]
fn what_the_engine_or_the_kernel_would_refuse_is_told_by_the_plan() {
    on_a_host_with_docker(|host| {
        let two = "networks: {one: {priority: 2}, two: {mac_address: \"02:42:ac:11:00:35\"}}\nnetworks: {one: , two: }";
        for (line, told) in [
            (
                "network_mode: container:nosuch",
                "there is no container `nosuch` on the host, which `network_mode` names",
            ),
            ("ipc: container:nosuch", "which `ipc` names"),
            ("pid: container:nosuch", "which `pid` names"),
            (
                "volumes_from: [\"container:nosuch\"]",
                "which `volumes_from` names",
            ),
            ("ulimits: {nofile: -1}", "this kernel allows at most"),
            (
                "ulimits: {nofile: 5}",
                "a container cannot start with 5 open files",
            ),
            (
                "sysctls: {net.ipv4.nosuch: 1}",
                "`net.ipv4.nosuch`: this kernel does not have it",
            ),
            (
                "sysctls: {net.core.rmem_max: 100000}",
                "`net.core.rmem_max`: ",
            ),
            ("storage_opt: {size: 1G}", "cannot limit a container's size"),
            (two, "`02:42:ac:11:00:35` is for `two`"),
        ] {
            let file =
                format!("name: shop\nservices:\n  a:\n    image: busybox:test\n    {line}\n");
            host.write("/srv/shop/compose.yaml", &file);
            let plan = host.try_sh("cd /srv/shop && locker plan");
            assert_ne!(plan.code, 0, "{line}: {}", plan.out);
            plan.says(&[told, "compose.yaml:5:"]);
        }
        assert_eq!(
            host.sh("docker ps -aq; ls /var/lib/locker/projects 2>/dev/null || true"),
            ""
        );
        // What is there is taken.
        let good = "name: shop\nservices:\n  a:\n    image: busybox:test\n    stop_grace_period: 0s\n    command: sleep 1000\n    network_mode: container:other\n    ipc: container:other\n  \
                    b:\n    image: busybox:test\n    stop_grace_period: 0s\n    ulimits: {nofile: 12}\n    \
                    sysctls: {net.core.somaxconn: 100, net.ipv4.conf.eth0.forwarding: 1, kernel.shmmax: 1000000}\n";
        host.write("/srv/shop/compose.yaml", good);
        host.sh("docker run -d --name other --ipc shareable busybox:test >/dev/null && cd /srv/shop && locker up && locker down --yes && docker rm -f other >/dev/null");
    });
}

#[test]
fn what_only_a_start_shows_is_told_with_the_line_that_it_is_about() {
    on_a_host_with_docker(|host| {
        for (supervisor, line, told) in [
            ("auto", "user: nobody2", "the image has no user `nobody2`"),
            ("none", "user: nobody2", "the image has no user `nobody2`"),
            ("none", "group_add: [grp9]", "the image has no group `grp9`"),
            ("none", "command: serv", "the image has no program `serv`"),
            (
                "auto",
                "post_start: [{command: ['true'], user: nobody3}]",
                "the image has no user `nobody3`",
            ),
        ] {
            let file = format!(
                "name: shop\nservices:\n  a:\n    image: busybox:test\n    {line}\n    supervisor: {supervisor}\n    stop_grace_period: 0s\n"
            );
            host.write("/srv/shop/compose.yaml", &file);
            let up = host.try_sh("cd /srv/shop && locker up");
            assert_eq!(up.code, 1, "{line}: {}", up.out);
            up.says(&[told, "compose.yaml:5:5", "what had been done is undone"]);
            assert_eq!(host.sh("docker ps -aq"), "", "{line}");
        }
        host.write(
            "/srv/shop/compose.yaml",
            "name: shop\nservices: {a: {image: 'busybox:test', stop_grace_period: 0s}}\n",
        );
        host.try_sh("cd /srv/shop && locker run --user nobody4 a id")
            .says(&[
                "cannot start container `shop_a_run_",
                "unable to find user nobody4",
            ]);
        host.sh("cd /srv/shop && locker down --yes");
    });
}

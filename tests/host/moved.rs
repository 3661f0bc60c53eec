//! A project is its name and its directory: moved, in two directories, and in two state directories.

use crate::beside::on_a_host_with_docker;
use crate::project::Project;

const FILE: &str = "  web:\n    template: {name: tiny}\n  app:\n    image: busybox:test\n    stop_grace_period: 0s\n    \
                    volumes: [\"d:/d\"]\n";

#[test]
fn a_project_whose_directory_is_gone_is_taken_over_and_another_of_its_name_is_refused_everywhere() {
    on_a_host_with_docker(|host| {
        let project = Project::new(host, "mm", FILE);
        project.up();
        host.sh("docker exec mm_app sh -c 'echo kept >/d/f'");
        let (init, id) = (project.init("web"), crate::beside::id(host, "mm_app"));
        // Another one of the same name.
        host.sh("cp -r /srv/mm /root/mm");
        for command in [
            "plan",
            "up",
            "stop",
            "down --yes",
            "status",
            "logs",
            "top",
            "exec app true",
            "port list",
        ] {
            let ran = host
                .try_sh(&format!("cd /root/mm && locker {command}"))
                .exits(1);
            let _ = ran.says(&["project `mm` belongs to `/srv/mm`, not to `/root/mm`"]);
        }
        // Moved while it is up.
        host.sh("rm -r /root/mm; mv /srv/mm /root/mm");
        let here = |words: &str| host.try_sh(&format!("cd /root/mm && locker {words}"));
        let _ = here("plan").exits(0).says(&["was in `/srv/mm`"]);
        let _ = here("up").exits(2).says(&["must be confirmed"]);
        here("up --yes").exits(0);
        here("plan --exit-code").exits(0);
        assert_eq!(project.init("web"), init);
        assert_eq!(crate::beside::id(host, "mm_app"), id);
        // Moved while it is down: the volume is the project's.
        here("down --yes").exits(0);
        host.sh("mv /root/mm /srv/mm");
        project.up();
        assert_eq!(host.sh("docker exec mm_app cat /d/f"), "kept");
        // By its name from anywhere; another project's directory says where it is.
        let anywhere = |words: &str| host.try_sh(&format!("cd / && locker -p mm {words}"));
        for words in [
            "plan --exit-code",
            "exec app true",
            "stop",
            "start",
            "status",
        ] {
            anywhere(words).exits(0);
        }
        host.sh("mkdir -p /srv/other && echo 'containers: {x: {template: {name: tiny}}}' >/srv/other/locker.yaml");
        let other = host.try_sh("cd /srv/other && locker -p mm stop").exits(1);
        other.says(&["run this in `/srv/mm`"]);
        // Moved while its record is lost, of which its services tell, and then its marks alone.
        let init = project.init("web");
        for lost in [
            ": >/var/lib/locker/projects/mm/project.json",
            "rm -r /var/lib/locker/projects",
        ] {
            host.sh(&format!("{lost}; cp -r /srv/mm /root/mm"));
            for words in ["down --yes", "plan", "up --yes"] {
                here(words)
                    .exits(1)
                    .says(&["project `mm` belongs to `/srv/mm`"]);
            }
            host.sh("rm -r /root/mm; mv /srv/mm /root/mm");
            here("plan").exits(0).says(&["was in `/srv/mm`"]);
            here("up --yes").exits(0);
            here("plan --exit-code").exits(0);
            host.sh("mv /root/mm /srv/mm");
            project.locker("up --yes").exits(0);
            project.locker("plan --exit-code").exits(0);
            assert_eq!(project.init("web"), init, "it goes on as it is");
            assert_eq!(host.sh("docker exec mm_app cat /d/f"), "kept");
        }
        // Moved, and taken down from there.
        host.sh("mv /srv/mm /root/mm");
        here("down --yes --volumes").exits(0);
        host.sh("rm -r /root/mm; mkdir -p /srv/mm");
        project.rewrite(FILE);
    });
}

#[test]
fn a_second_state_directory_does_not_take_the_network_service_from_the_first() {
    on_a_host_with_docker(|host| {
        let project = Project::new(host, "first", "  web:\n    template: {name: tiny}\n");
        project.up();
        let unit = "cat /etc/systemd/system/locker-network.service";
        let before = host.sh(unit);
        let other = Project::new(host, "second", "  web:\n    template: {name: tiny}\n");
        for command in ["plan", "up"] {
            let ran = other
                .locker(&format!("--state-dir /var/lib/lxc/st {command}"))
                .exits(1);
            let _ = ran.says(&[
                "locker-network.service",
                "/var/lib/locker",
                "/var/lib/lxc/st",
            ]);
        }
        assert_eq!(host.sh(unit), before);
        assert_eq!(other.state("web"), "ABSENT");
        // After the last project of the first it may have the host.
        project.locker("down --yes").exits(0);
        other.locker("--state-dir /var/lib/lxc/st up").exits(0);
        let _ = project.locker("up").exits(1).says(&["/var/lib/lxc/st"]);
        other
            .locker("--state-dir /var/lib/lxc/st down --yes")
            .exits(0);
        host.sh("rm -rf /var/lib/lxc/st");
        project.up();
    });
}

/// A file that is a link means the project of the directory in which the link is.
#[test]
fn a_link_to_a_project_file_leads_to_no_container_of_the_project_that_it_points_at() {
    on_a_host_with_docker(|host| {
        for (kind, list) in [("locker.yaml", "containers"), ("compose.yaml", "services")] {
            for named in ["", "name: shop\n"] {
                let file = format!("{named}{list}:\n{FILE}volumes: {{d: {{}}}}\n");
                let file = match kind {
                    "compose.yaml" => file.replace("template: {name: tiny}", "image: busybox:test"),
                    _ => file.replace("volumes: {d: {}}\n", ""),
                };
                host.write(&format!("/srv/shop/{kind}"), &file);
                host.sh(&format!(
                    "cd /srv/shop && locker up -q && mkdir /srv/link && ln -s ../shop/{kind} /srv/link/{kind}"
                ));
                let runs = || {
                    host.sh("docker ps -aq --no-trunc | sort; ls /var/lib/lxc; docker volume ls -q; lxc-info -n shop_web -pH 2>/dev/null; true")
                };
                let before = runs();
                for words in [
                    "down --yes",
                    "down --yes --volumes --remove-orphans",
                    "stop",
                    "rm --yes",
                    "cleanup --yes",
                ] {
                    let ran = host.try_sh(&format!("cd /srv/link && locker {words}"));
                    if !named.is_empty() {
                        let told = "project `shop` belongs to `/srv/shop`, not to `/srv/link`";
                        ran.exits(1).says(&[told]);
                    }
                    assert_eq!(runs(), before, "{kind}, {named:?}: {words}");
                }
                host.sh("cd /srv/shop && locker plan --exit-code && rm -r /srv/link && locker down -q --yes --volumes && rm -r /srv/shop");
            }
        }
        let _ = Project::new(host, "mm", FILE);
    });
}

//! Volumes of containers with ids of their own: given after a question, given back when a run fails, finished when
//! it was killed.

use crate::beside::on_a_host_with_docker;
use crate::machine::Host;
use crate::on_a_host;
use crate::project::Project;

const STATE: &str = "/var/lib/locker/volumes/shop/state";

/// Who has how many files below a directory.
fn owners(host: &Host, path: &str) -> String {
    host.sh(&format!(
        "find {path} -printf '%U:%G %m\\n' | sort | uniq -c | sed 's/^ *//'"
    ))
}

fn web(more: &str) -> String {
    format!(
        "  web:\n    template: busybox\n    stop_grace_period: 1s\n    volumes: [\"state:/state\"]\n{more}"
    )
}

/// The state of the test host is on an overlay, which cannot map ids.
#[test]
fn a_failed_run_gives_the_old_owners_back_and_a_killed_one_is_finished() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", &web(""));
        project.up();
        project
            .inside(
                "web",
                "cd /state; for i in $(seq 200); do mkdir $i; for j in $(seq 50); do : > $i/$j; done; done; \
                 echo x > s; chmod 4755 s; chown -R 70:71 7",
            )
            .exits(0);
        let before = owners(host, STATE);
        let mapped = before
            .replace("0:0", "1000000:1000000")
            .replace("70:71", "1000070:1000071");
        let fails = "    idmap: auto\n    setup: [\"echo y > /state/1/1; false\"]\n";
        project.rewrite(&web(fails));
        project.locker("up --yes").exits(1);
        assert_eq!(owners(host, STATE), before);
        project
            .inside("web", "test -O /state/s && test -O /state/1/1")
            .exits(0);
        host.sh("test ! -e /var/lib/locker/projects/shop/owners");
        // From no map to one, from there to another, and back to none.
        let maps = [
            "    idmap: auto\n",
            "    idmap: [\"b 0 300000 65536\"]\n",
            "",
        ];
        let ids = [
            mapped.clone(),
            mapped.replace("1000", "300"),
            before.clone(),
        ];
        for (map, owned) in maps.iter().zip(&ids) {
            project.rewrite(&web(map));
            let asked = project.locker("up </dev/null").exits(2);
            asked.says(&["the owners of all that the named volume state holds"]);
            project.locker("up --yes").exits(0);
            assert_eq!(&owners(host, STATE), owned, "{map}");
            project
                .inside("web", "test -O /state/s && test -O /state")
                .exits(0);
            assert_eq!(project.locker("plan").exits(0).out.trim(), "nothing to do");
        }
        // Killed in the middle, then told to go on.
        project.rewrite(&web(maps[0]));
        host.sh(
            "cd /srv/shop && { setsid locker up --yes >/dev/null 2>&1 & } && p=$! && \
             until ls /var/lib/locker/projects/shop/owners/* >/dev/null 2>&1; do :; done; kill -9 $p; sleep 1",
        );
        assert_ne!(
            owners(host, STATE),
            mapped,
            "it was over before it was killed"
        );
        project.locker("up --yes").exits(0);
        assert_eq!(owners(host, STATE), mapped);
        host.sh("test ! -e /var/lib/locker/projects/shop/owners");
        project.locker("down --yes").exits(0);
        // Nobody knows any more whose the data are.
        project.rewrite(&web(maps[1]));
        let refused = project.locker("up --yes").exits(1);
        refused.says(&["belongs to user 1000000", "locker.yaml:6:", "chown -R 0:0"]);
        host.sh("test ! -e /var/lib/lxc/shop_web");
        project.locker("down --yes --volumes").exits(0);
    });
}

#[test]
fn an_isolated_container_gets_all_volumes_that_are_its_own_and_they_go_back_with_a_failed_run() {
    on_a_host_with_docker(|host| {
        host.sh("docker create --name made busybox:test >/dev/null && docker commit --change 'VOLUME /img' made img:test >/dev/null && docker rm made >/dev/null");
        let file = |more: &str| {
            format!(
                "  app:\n    image: img:test\n    command: sleep 1000\n    stop_grace_period: 0s\n    \
                 volumes: [\"state:/state\", /anon]\n{more}"
            )
        };
        let project = Project::new(host, "shop", &file(""));
        project.up();
        let run = |script: &str| project.locker(&format!("exec app sh -c '{script}'"));
        let shown = || {
            run("stat -c %u:%g /state /state/f /anon /anon/f /img /img/f")
                .exits(0)
                .out
        };
        run("echo x > /state/f; echo x > /anon/f; echo x > /img/f; chown 5:6 /state/f /anon/f")
            .exits(0);
        let before = shown();
        project.rewrite(&file(
            "    isolate: true\n    setup: [\"touch /state/new\", \"false\"]\n",
        ));
        let asked = project.locker("up </dev/null").exits(2);
        asked.says(&[
            "the named volume state holds",
            "the volume without a name at /anon holds",
            "the volume without a name at /img holds",
        ]);
        project.locker("up --yes").exits(1);
        assert_eq!(shown(), before);
        project.rewrite(&file("    isolate: true\n"));
        project.locker("up --yes").exits(0);
        assert_eq!(shown(), "1000000:1000000\n".repeat(6));
        run("for at in /state /anon /img; do echo y > $at/y; done").exits(0);
        assert_eq!(project.locker("plan").exits(0).out.trim(), "nothing to do");
        project.locker("down --yes --volumes").exits(0);
        // New ones are its own from the beginning, without a question; a directory that is made for it as well.
        project.rewrite(&file("    isolate: true\n").replace("/anon]", "/anon, \"./new:/new\"]"));
        project.locker("up").exits(0);
        run("for at in /state /anon /img /new; do echo y > $at/y; done").exits(0);
        let volumes = || host.sh("docker volume ls -q | sort");
        let (had, asked) = (
            volumes(),
            project.locker("down --volumes </dev/null").exits(2),
        );
        asked.says(&["/anon of container app", "/img of container app"]);
        assert_eq!(volumes(), had, "nothing goes unasked");
        project.locker("down --yes --volumes").exits(0);
        host.sh("docker rmi img:test >/dev/null");
    });
}

#[test]
fn a_command_in_a_container_of_its_own_has_the_ids_of_its_isolated_service() {
    on_a_host_with_docker(|host| {
        let file = "  app:\n    image: busybox:test\n    command: sleep 1000\n    stop_grace_period: 0s\n    \
             isolate: true\n    volumes: [\"state:/state\", \"./new:/new\"]\n";
        let project = Project::new(host, "shop", file);
        let run = |words: &str, script: &str| {
            let ran = project.locker(&format!("run --rm -T {words} app sh -c '{script}'"));
            ran.exits(0).out.trim().to_owned()
        };
        // Before its service is there, too.
        run("", "echo a > /state/a && echo a > /new/a");
        project.up();
        run("", "echo b >> /state/a && echo b >> /new/b");
        let exec = project.locker("exec app sh -c 'echo c >> /state/a && echo c >> /new/b'");
        exec.exits(0);
        assert_eq!(run("", "id -u"), "1000000");
        assert_eq!(run("--user 0", "id -u && cat /state/a"), "0\na\nb\nc");
        assert_eq!(project.locker("plan").exits(0).out.trim(), "nothing to do");
        project.locker("down --yes --volumes").exits(0);
    });
}

#[test]
fn a_volume_of_docker_compose_is_given_to_who_takes_it_over_after_a_question() {
    on_a_host_with_docker(|host| {
        let make = |name: &str| {
            host.sh(&format!(
                "docker volume create --label com.docker.compose.project=shop --label com.docker.compose.volume={name} shop_{name} >/dev/null; \
                 echo x > /var/lib/docker/volumes/shop_{name}/_data/f"
            ));
        };
        make("one");
        make("two");
        let mine = "    image: busybox:test\n    stop_grace_period: 0s\n    command: sleep 1000\n";
        let project = Project::new(
            host,
            "shop",
            &format!(
                "  app:\n{mine}    isolate: true\n    volumes: [\"one:/data\"]\n  \
                 sys:\n    template: busybox\n    idmap: auto\n    volumes: [\"two:/data\"]\n"
            ),
        );
        project.locker("adopt --yes").exits(0);
        project.locker("up --yes").exits(0);
        project
            .locker("exec app sh -c 'echo y >> /data/f'")
            .exits(0);
        project
            .locker("exec sys -- sh -c 'echo y >> /data/f'")
            .exits(0);
        assert_eq!(
            host.sh("stat -c %u /var/lib/docker/volumes/shop_one/_data/f"),
            "1000000"
        );
        project.locker("down --yes --volumes").exits(0);
        host.sh("rm -rf /var/lib/docker/volumes/shop_*");
    });
}

#[test]
fn what_lxc_mounts_below_a_volume_is_seen_in_it() {
    on_a_host(|host| {
        host.sh("mkdir -p /opt/raw && echo raw > /opt/raw/f");
        let raw = |to: &str, kind: &str| {
            format!(
                "\"lxc.mount.entry = /opt/raw{kind} {to} none bind,create={} 0 0\"",
                match kind {
                    "" => "dir",
                    _ => "file",
                }
            )
        };
        let lines = [
            raw("data/raw", ""),
            raw("data/sub/deep", ""),
            raw("data/file", "/f"),
        ];
        let project = Project::new(
            host,
            "shop",
            &format!(
                "  web: &web\n    template: busybox\n    stop_grace_period: 1s\n    volumes: [\"./sub:/data/sub\", \"state:/data\"]\n    \
                 config: [{}, \"lxc.mount.entry = tmpfs data/memory tmpfs create=dir 0 0\"]\n  \
                 low:\n    <<: *web\n    idmap: auto\n    volumes: [\"own:/data\"]\n",
                lines.join(", ")
            ),
        );
        project.up();
        for _ in 0..2 {
            for name in ["web", "low"] {
                let shown = project.inside(
                    name,
                    "cat /data/raw/f /data/sub/deep/f /data/file && echo m > /data/memory/m && echo 1 > /data/own",
                );
                assert_eq!(shown.exits(0).out, "raw\nraw\nraw\n", "{name}");
            }
            project.locker("restart").exits(0);
        }
        host.sh("cd /var/lib/locker/volumes/shop && test -e state/own && test ! -e state/memory/m && test ! -e own/memory/m && test -d /srv/shop/sub/deep");
        project.locker("down --yes --volumes").exits(0);
    });
}

/// No road of the host is gone by the container's root: whoever may not pass on it has its volumes all the same.
#[test]
fn sources_below_closed_directories_are_mounted_at_each_start_and_boot() {
    on_a_host(|host| {
        host.sh("mkdir -p /root/shop/a/b /srv/shop && chmod 700 /root /root/shop /root/shop/a && echo conf > /root/shop/a/f.conf && chown 1000000:1000000 /root/shop/a/b");
        let file = "name: shop\ncontainers:\n  web:\n    template: busybox\n    idmap: auto\n    autostart: true\n    stop_grace_period: 1s\n    \
                    volumes: [\"./data:/data\", \"./a/b:/srv/deep/er\", \"./a/f.conf:/etc/f.conf:ro\"]\n";
        host.write("/root/shop/locker.yaml", file);
        host.sh("cd /root/shop && locker up");
        let works = |when: &str| {
            let seen = host.try_sh(
                "cd /root/shop && locker exec web -- sh -c 'cat /etc/f.conf && echo x > /data/f && echo x > /srv/deep/er/f'",
            );
            assert_eq!(seen.exits(0).out, "conf\n", "{when}");
        };
        works("up");
        host.sh("cd /root/shop && locker restart");
        works("restart");
        host.sh("systemctl restart locker-shop-web.service");
        works("the service");
        host.sh("cd /root/shop && locker enable");
        host.reboot();
        host.sh("for i in $(seq 100); do lxc-info -n shop_web -sH | grep -q RUNNING && break; sleep 0.2; done");
        works("boot");
        host.sh("cd /root/shop && locker down --yes");
    });
}

//! Volumes: what is mounted, what is copied, and what a hostile root file system cannot reach.

use crate::machine::Host;
use crate::on_a_host;
use crate::project::Project;

/// Makes `/opt/tree`, a root file system whose `/data` has everything that a careless copy loses.
fn make_tree(host: &Host) {
    host.sh(
        "lxc-create -n proto -t tiny >/dev/null && mv /var/lib/lxc/proto/rootfs /opt/tree && rm -r /var/lib/lxc/proto && \
         mkdir -p /opt/tree/data/sub && cd /opt/tree/data && chown 70:71 . && chmod 2750 . && echo one > a && ln a sub/b && \
         chown 1234:1235 a && chmod 640 a && mkfifo pipe && ln -s /nowhere link && setfattr -n user.tint -v red a && \
         echo conf > /opt/tree/etc/app.conf",
    );
}

const SHOWN: &str = "-printf '%P %y %m %U:%G %n %l\\n' | sort";

#[test]
fn content_is_copied_to_an_empty_directory_with_all_that_belongs_to_it() {
    on_a_host(|host| {
        make_tree(host);
        let project = Project::new(
            host,
            "shop",
            "  web:\n    rootfs: /opt/tree\n    config: [\"lxc.signal.halt = SIGUSR1\"]\n    volumes: [\"/opt/vol/a b/$name:/data\"]\n",
        );
        project.up();
        let (from, to) = (
            host.sh(&format!("find /opt/tree/data {SHOWN}")),
            host.sh(&format!("find '/opt/vol/a b/web' {SHOWN}")),
        );
        assert_eq!(from, to);
        assert_eq!(
            host.sh("getfattr --only-values -n user.tint '/opt/vol/a b/web/a'"),
            "red"
        );
        assert_eq!(
            host.sh("stat -c %i '/opt/vol/a b/web/a'"),
            host.sh("stat -c %i '/opt/vol/a b/web/sub/b'")
        );
        project.inside("web", "echo two > /data/a").exits(0);
        assert_eq!(host.sh("cat '/opt/vol/a b/web/a'"), "two");
    });
}

#[test]
fn existing_data_is_never_overwritten_and_d_copies_nothing() {
    on_a_host(|host| {
        make_tree(host);
        host.sh("mkdir -p /opt/full && echo mine > /opt/full/a");
        let project = Project::new(
            host,
            "shop",
            "  web:\n    rootfs: /opt/tree\n    config: [\"lxc.signal.halt = SIGUSR1\"]\n    volumes: [\"/opt/full:/data\"]\n",
        );
        project.up();
        assert_eq!(host.sh("ls /opt/full; cat /opt/full/a"), "a\nmine");
        project.locker("down --yes").exits(0);
        project.rewrite("  web:\n    rootfs: /opt/tree\n    config: [\"lxc.signal.halt = SIGUSR1\"]\n    volumes: [\"/opt/empty:/data\"]\n");
        project.locker("up --dont-copy-on-create").exits(0);
        assert_eq!(host.sh("ls -A /opt/empty"), "");
    });
}

#[test]
fn files_and_read_only_volumes_work() {
    on_a_host(|host| {
        make_tree(host);
        let project = Project::new(
            host,
            "shop",
            "  web:\n    rootfs: /opt/tree\n    config: [\"lxc.signal.halt = SIGUSR1\"]\n    volumes: [\"/opt/app.conf:/etc/app.conf\", \"/opt/ro:/data:ro\", \"./rel:/new/mount/point\"]\n",
        );
        project.up();
        assert_eq!(host.sh("cat /opt/app.conf"), "conf");
        project
            .inside("web", "echo changed > /etc/app.conf")
            .exits(0);
        assert_eq!(host.sh("cat /opt/app.conf"), "changed");
        assert_ne!(project.inside("web", "echo x > /data/a").code, 0);
        assert_eq!(host.sh("cat /opt/ro/a"), "one");
        project
            .inside("web", "touch /new/mount/point/here")
            .exits(0);
        host.sh("test -e /srv/shop/rel/here");
    });
}

#[test]
fn a_missing_file_is_refused_with_its_line_before_anything_is_made() {
    on_a_host(|host| {
        make_tree(host);
        let volumes = "volumes: [\"./gone.conf:/etc/gone.conf\"]";
        for (source, line) in [
            ("template: {name: tiny}", 5),
            ("rootfs: /opt/tree", 5),
            ("clone: base", 5),
        ] {
            let web = format!("  web:\n    {source}\n    {volumes}\n");
            let base =
                "  base:\n    rootfs: /opt/tree\n    config: [\"lxc.signal.halt = SIGUSR1\"]\n";
            let project = Project::new(host, "shop", &format!("{web}{base}"));
            for words in ["plan", "up"] {
                let refused = project.locker(words).exits(1);
                let refused = refused.says(&["gone.conf` is missing", "make the file first"]);
                let place = format!("locker.yaml:{line}:");
                assert!(refused.err.contains(&place), "{source}: {refused:?}");
            }
            assert_eq!(host.sh("lxc-ls"), "", "{source}");
            host.sh("test ! -e /srv/shop/gone.conf");
        }
        // Inside another container, or in a volume by its path, it would go with these.
        let own = |path: &str, rest: &str| {
            format!(
                "  web:\n    template: {{name: tiny}}\n    volumes: [\"{path}:/data{rest}\"]\n  db:\n    \
                 template: {{name: tiny}}\n    volumes: [\"data:/data\"]\n"
            )
        };
        for (path, word) in [
            ("/var/lib/lxc/shop_db/rootfs/srv", "in the container `db`"),
            ("/var/lib/locker/volumes/shop/data/x", "`data:/data`"),
            ("/var/lib/locker", "belongs to locker"),
        ] {
            let project = Project::new(host, "shop", &own(path, ""));
            let refused = project.locker("up").exits(1);
            refused.says(&[word, "locker.yaml:5:"]);
            assert_eq!(host.sh("lxc-ls"), "", "{path}");
        }
        let volumes = "/var/lib/locker/volumes";
        let project = Project::new(host, "shop", &own(volumes, ":ro"));
        project.up();
        project.inside("db", "echo 1 > /data/kept").exits(0);
        project.inside("web", "cat /data/shop/data/kept").exits(0);
        project.locker("down --yes --volumes").exits(0);
        // The long form says that a directory is wanted.
        let long = "volumes: [{source: ./gone.conf, target: /etc/gone.conf}]";
        let web = format!("  web:\n    template: {{name: tiny}}\n    {long}\n");
        let project = Project::new(host, "shop", &web);
        project.up();
        host.sh("test -d /srv/shop/gone.conf");
    });
}

/// Links of a container lead where they lead inside of it; parents come before what is mounted in them; and
/// what the container puts in the way between two starts makes nothing on the host.
#[test]
fn mount_points_are_found_and_made_inside_the_container_whatever_its_links_say() {
    on_a_host(|host| {
        make_tree(host);
        host.sh(
            "cd /opt/tree && mkdir -p run usr/share/zoneinfo && rm -rf var/run etc/localtime && mkdir -p var && \
             ln -s /run var/run && ln -s ../usr/share/zoneinfo/UTC etc/localtime && \
             echo zone > /opt/tz && echo in-sub > /opt/in-sub && mkdir /opt/sub && mv /opt/in-sub /opt/sub/f",
        );
        let volumes = "[\"/opt/d:/var/run/d\", \"/opt/tz:/etc/localtime:ro\", \"/opt/sub:/nest/sub\", \"/opt/nest:/nest\", \"/opt/tz:/srv/app/conf/escaped.conf\", \"state:/state\"]";
        let plain = format!(
            "  web:\n    rootfs: /opt/tree\n    config: [\"lxc.signal.halt = SIGUSR1\"]\n    volumes: {volumes}\n"
        );
        let mapped = plain
            .replace("  web:\n", "  low:\n    idmap: auto\n")
            .replace("/opt/nest", "/opt/nest2")
            .replace("state:/state", "own:/state");
        let project = Project::new(host, "shop", &format!("{plain}{mapped}"));
        project.up();
        for name in ["web", "low"] {
            let shown = project
                .inside(
                    name,
                    "cat /etc/localtime /usr/share/zoneinfo/UTC /nest/sub/f; ls -d /run/d",
                )
                .exits(0);
            assert_eq!(shown.out.trim(), "zone\nzone\nin-sub\n/run/d", "{name}");
            assert_ne!(
                project.inside(name, "echo x > /etc/localtime").code,
                0,
                "{name}"
            );
            project
                .inside(name, "echo 1 > /state/of-$(hostname)")
                .exits(0);
            project
                .inside(
                    name,
                    "mv /srv/app/conf /srv/app/c2; ln -s ../../../../../../../etc /srv/app/conf",
                )
                .exits(0);
            project.locker(&format!("restart {name}")).exits(0);
            assert_eq!(
                project
                    .inside(name, "cat /etc/escaped.conf")
                    .exits(0)
                    .out
                    .trim(),
                "zone"
            );
        }
        host.sh("test ! -e /etc/escaped.conf");
        // All is as seen from outside: nobody comes near, neither a user of the host nor a container's root.
        host.sh("chmod 4755 $(find /var/lib/locker/volumes -name 'of-*' | head -n 1)");
        let id = host.sh("stat -c %u /var/lib/lxc/shop_low/rootfs");
        for user in ["65534", "100000", &id] {
            let seen = format!(
                "setpriv --reuid {user} --regid {user} --clear-groups find /var/lib/locker /run/locker -mindepth 1 2>/dev/null | head -n 3"
            );
            assert_eq!(host.sh(&seen), "", "{user}");
        }
        for user in ["65534", "100000"] {
            let seen = format!(
                "setpriv --reuid {user} --regid {user} --clear-groups ls -d /var/lib/lxc/shop_low/rootfs /var/lib/lxc/shop_web/rootfs"
            );
            assert_ne!(host.try_sh(&seen).code, 0, "{user}");
        }
        let open = "find /var/lib/locker /run/locker -path '/var/lib/locker/volumes/*/*' -prune -o -path '*/containers/*' -prune -o ! -type l -perm /077 -print";
        assert_eq!(host.sh(open), "");
        // What an earlier locker left open is closed by the next change.
        host.sh("chmod 755 /var/lib/locker /var/lib/locker/volumes /run/locker; chmod 644 /run/locker/*.lock");
        project.locker("up").exits(0);
        assert_eq!(host.sh(open), "");
    });
}

#[test]
fn a_link_in_the_root_file_system_never_leads_to_the_host() {
    on_a_host(|host| {
        make_tree(host);
        host.sh("mkdir -p /opt/secret && echo host > /opt/secret/key && rm -rf /opt/tree/data && ln -s /opt/secret /opt/tree/data");
        host.sh("mkdir -p /opt/tree/var && ln -s /opt/secret /opt/tree/var/lib");
        let project = Project::new(
            host,
            "shop",
            "  web:\n    rootfs: /opt/tree\n    config: [\"lxc.signal.halt = SIGUSR1\"]\n    volumes: [\"/opt/stolen:/data\", \"/opt/stolen2:/var/lib/sub\"]\n",
        );
        let before = host.sh("find /opt/secret; cat /opt/secret/key");
        project.locker("up");
        assert_eq!(host.sh("find /opt/secret; cat /opt/secret/key"), before);
        assert_eq!(
            host.sh("cat /opt/stolen/key /opt/stolen2/key 2>/dev/null || true"),
            ""
        );
    });
}

#[test]
fn names_are_never_written_through_a_link_of_the_container() {
    on_a_host(|host| {
        make_tree(host);
        for file in ["hosts", "resolv.conf", "hostname"] {
            host.sh(&format!(
                "echo precious > /opt/{file} && ln -sf /opt/{file} /opt/tree/etc/{file}"
            ));
        }
        let project = Project::new(
            host,
            "shop",
            "  web:\n    rootfs: /opt/tree\n    config: [\"lxc.signal.halt = SIGUSR1\"]\n    fqdn: web.example.net\n    dns: [192.0.2.1]\n",
        );
        project.locker("up");
        project.locker("restart");
        assert_eq!(
            host.sh("cat /opt/hosts /opt/resolv.conf /opt/hostname"),
            "precious\nprecious\nprecious"
        );
    });
}

#[test]
fn names_are_seen_inside_when_etc_is_a_volume() {
    on_a_host(|host| {
        make_tree(host);
        let project = Project::new(
            host,
            "shop",
            "  db:\n    template: {name: tiny}\n  \
             web:\n    rootfs: /opt/tree\n    config: [\"lxc.signal.halt = SIGUSR1\"]\n    volumes: [\"/opt/etc:/etc\"]\n    links: [db]\n    dns: [192.0.2.7]\n",
        );
        project.up();
        let seen = project
            .inside("web", "cat /etc/hosts /etc/resolv.conf")
            .exits(0)
            .out;
        assert!(
            seen.contains(&project.ip("db")) && seen.contains("192.0.2.7"),
            "{seen}"
        );
    });
}

/// The state of the test host is on an overlay, which cannot map ids; the containers are on a file system that can.
#[test]
fn named_volumes_follow_the_id_map_by_mapped_mounts_or_by_new_owners_after_a_question() {
    on_a_host(|host| {
        let file = |map: &str| {
            format!(
                "  web:\n    template: busybox\n{map}    volumes: [\"state:/state\", \"./mine:/mine\"]\n"
            )
        };
        let project = Project::new(host, "shop", &file(""));
        for state in ["", "--state-dir /var/lib/lxc/state"] {
            let run = |words: &str| project.locker(&format!("{state} {words}"));
            project.rewrite(&file(""));
            run("up --yes").exits(0);
            run("exec web -- sh -c 'echo before > /state/f'").exits(0);
            project.rewrite(&file("    idmap: auto\n"));
            let told = run("plan").exits(0);
            assert!(
                told.err.contains("chown -R 1000000:1000000"),
                "{}",
                told.err
            );
            let asked = run("up </dev/null").exits(2);
            let owners = "the owners of all that the named volume state holds";
            for text in [&told.out, &asked.err] {
                assert_eq!(text.contains(owners), state.is_empty(), "{text}");
            }
            run("up --yes").exits(0);
            run("exec web -- sh -c 'echo inside >> /state/f; chown 70 /state/f'").exits(0);
            let at = if state.is_empty() {
                "/var/lib/locker"
            } else {
                "/var/lib/lxc/state/lib"
            };
            let id = if state.is_empty() { "1000070" } else { "70" };
            assert_eq!(
                host.sh(&format!("stat -c %u {at}/volumes/shop/state/f")),
                id,
                "{state}"
            );
            assert_eq!(run("plan").exits(0).out.trim(), "nothing to do");
            run("down --yes --volumes").exits(0);
        }
        // The root of an id map cannot pass; a closed source is handed over all the same.
        host.sh("mkdir -p -m 700 /opt/closed/data && chmod 700 /opt/closed && rm -rf /var/lib/lxc/state");
        let refused = project.locker("--lxcpath /opt/closed/lxc up").exits(1);
        assert!(
            refused.err.contains("cannot pass through `/opt/closed`"),
            "{}",
            refused.err
        );
        host.sh("test ! -e /opt/closed/lxc && chown 1000000:1000000 /opt/closed/data");
        project.rewrite("  web:\n    template: busybox\n    idmap: auto\n    volumes: [\"/opt/closed/data:/data\"]\n");
        project.up();
        project.inside("web", "echo x > /data/f").exits(0);
        assert_eq!(
            host.sh("ls /tmp/.tmp* 2>/dev/null || true"),
            "",
            "a creation left a file"
        );
    });
}

/// `c` of `a_b` and `b_c` of `a` are one name to the engine.
#[test]
fn what_another_project_has_in_the_engine_is_told_as_that() {
    on_a_host(|host| {
        host.docker();
        let file = |word: &str| {
            let web = "image: 'busybox:test', stop_signal: KILL";
            format!(
                "  web: {{{web}, networks: [{word}], volumes: ['{word}:/data']}}\nnetworks: {{{word}: {{}}}}\n"
            )
        };
        let other = Project::new(host, "a_b", &file("c"));
        other.up();
        let project = Project::new(host, "a", &file("b_c"));
        let refused = project.locker("plan").exits(1).says(&[
            "the volume `a_b_c` is of locker's project `a_b` in `/srv/a_b`",
            "a network `a_b_c` is on the host, of locker's project `a_b` in `/srv/a_b`",
            "rename the volume or the project",
            "rename the network or the project",
        ]);
        for cure in ["external", "docker network rm", "did not make"] {
            assert!(!refused.err.contains(cure), "{}", refused.err);
        }
        other.locker("plan --exit-code").exits(0);
        other.locker("down --yes --volumes").exits(0);
        project.up();
        project.locker("down --yes --volumes").exits(0);
    });
}

#[test]
fn containers_that_are_made_side_by_side_share_what_is_missing_on_the_host() {
    on_a_host(|host| {
        make_tree(host);
        host.sh("for n in $(seq 400); do echo $n > /opt/tree/data/sub/$n; done");
        let all = host.sh("find /opt/tree/data | wc -l");
        for source in ["pool", "./deep/er/still"] {
            let one = |name: &str| {
                format!(
                    "  {name}:\n    rootfs: /opt/tree\n    config: [\"lxc.signal.halt = SIGUSR1\"]\n    \
                     volumes: [\"{source}:/data\"]\n"
                )
            };
            let names = ["a", "b", "c", "d", "e", "f"];
            let file: String = names.into_iter().map(one).collect();
            let project = Project::new(host, "shop", &format!("{file}volumes: {{pool: {{}}}}\n"));
            project.up();
            for name in names {
                let seen = project.inside(name, "find /data | wc -l").exits(0).out;
                assert_eq!(seen.trim(), all, "{source}, {name}");
            }
            project.locker("down --yes --volumes").exits(0);
        }
    });
}

#[test]
fn a_volume_in_which_something_is_mounted_is_not_removed_nor_what_is_mounted() {
    on_a_host(|host| {
        host.sh("mkdir -p /srv/precious; echo gold > /srv/precious/gold");
        let file = "  web:\n    template: {name: tiny}\n    stop_grace_period: 0s\n    volumes: [\"pool:/pool\"]\n\
                    volumes: {pool: {}}\n";
        let project = Project::new(host, "shop", file);
        project.up();
        let volume = "/var/lib/locker/volumes/shop/pool";
        for place in ["sub", "."] {
            host.sh(&format!(
                "mkdir -p {volume}/sub; echo own > {volume}/own; mount --bind /srv/precious {volume}/{place}"
            ));
            project
                .locker("down --volumes --yes")
                .exits(1)
                .says(&["is still mounted in it", "umount"]);
            assert_eq!(host.sh("cat /srv/precious/gold"), "gold", "{place}");
            host.sh(&format!("umount {volume}/{place}; cat {volume}/own"));
        }
        project.locker("down --volumes --yes").exits(0);
        host.sh(&format!("! test -e {volume}"));
    });
}

/// An engine lets go of a volume whenever its last container stops: not of what the host has mounted in it.
#[test]
fn what_is_mounted_in_a_volume_stays_when_its_containers_stop() {
    crate::beside::on_a_host_with_docker(|host| {
        let file = "  lx:\n    template: {name: tiny}\n    volumes: [\"data:/data\"]\n  app:\n    image: busybox:test\n    \
                    stop_grace_period: 1s\n    volumes: [\"data:/data\"]\n";
        let project = Project::new(host, "shop", file);
        project.up();
        let inside = "/var/lib/locker/volumes/shop/data/m";
        host.sh(&format!(
            "mkdir {inside} && mount -t tmpfs none {inside} && echo kept > {inside}/f"
        ));
        for words in ["restart", "stop", "start", "up --yes --force-recreate"] {
            project.locker(words).exits(0);
            assert_eq!(
                host.sh(&format!("cat {inside}/f")).trim(),
                "kept",
                "{words}"
            );
        }
        project.locker("down --yes").exits(0);
        assert_eq!(host.sh(&format!("cat {inside}/f")).trim(), "kept");
        host.sh(&format!("umount {inside}"));
    });
}

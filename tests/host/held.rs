//! Ports that were not written down, and ports that somebody else has.

use crate::beside::{answers, on_a_host_with_docker};
use crate::machine::Host;
use crate::on_a_host;
use crate::project::{Project, eventually};

/// The host port that `port list` shows for `web`, which `status` must show, too, and which answers.
#[track_caller]
fn shown(host: &Host, project: &Project) -> u16 {
    let list = project.locker("port list").exits(0).out;
    let port = list.split_whitespace().find_map(|word| {
        let host_port = word.strip_suffix(":80/tcp")?;
        host_port.parse::<u16>().ok()
    });
    let port = port.unwrap_or_else(|| panic!("no host port in:\n{list}"));
    let status = project.locker("status").exits(0).out;
    assert!(
        status.contains(&format!("{port}:80/tcp")),
        "`status` does not show {port}:\n{status}"
    );
    eventually(Some("web".to_owned()), || host.fetch_from_outside(port));
    port
}

#[test]
fn a_picked_port_is_shown_answers_and_stays_the_same() {
    on_a_host(|host| {
        let project = Project::new(
            host,
            "shop",
            "  web:\n    template: {name: tiny}\n    ports: [\"0:80\"]\n",
        );
        project.up();
        let first = shown(host, &project);
        project.locker("down --yes").exits(0);
        // With the first choice taken, only what was written down can bring the second back.
        host.sh(&format!(
            "systemd-run --unit=holder busybox httpd -f -p {first} -h /srv"
        ));
        eventually(0, || {
            host.try_sh(&format!("ss -ltn | grep -q ':{first} '")).code
        });
        project.up();
        let picked = shown(host, &project);
        assert_ne!(picked, first);
        host.sh("systemctl stop holder");
        let again: [&[&str]; 3] = [&["restart"], &["stop", "start"], &["down --keep", "up"]];
        for commands in again {
            for words in commands {
                project.locker(words).exits(0);
            }
            assert_eq!(shown(host, &project), picked, "after {commands:?}");
        }
    });
}

#[test]
fn a_port_held_by_a_unit_is_refused_with_process_pid_and_unit() {
    on_a_host(|host| {
        host.sh("systemd-run --unit=holder busybox httpd -f -p 8080 -h /srv");
        eventually(0, || host.try_sh("ss -ltn | grep -q ':8080 '").code);
        let pid = host.sh("systemctl show -P MainPID holder");
        let project = Project::new(
            host,
            "shop",
            "  web:\n    template: {name: tiny}\n    ports: [\"8080:80\"]\n",
        );
        project
            .locker("up")
            .exits(1)
            .says(&["8080", &format!("busybox (pid {pid}, holder.service)")]);
        assert_eq!(project.state("web"), "ABSENT");
        host.sh("systemctl stop holder");
        project.up();
        eventually(Some("web".to_owned()), || host.fetch_from_outside(8080));
    });
}

/// A project of one container that publishes `port`, on demand or not.
fn one<'h>(host: &'h Host, name: &'static str, (on_demand, port): (bool, &str)) -> Project<'h> {
    let held = if on_demand {
        "    on_demand: true\n"
    } else {
        ""
    };
    let text = format!("  web:\n    template: {{name: tiny}}\n{held}    ports: [\"{port}\"]\n");
    Project::new(host, name, &text)
}

/// Brings `shop` and `blog` up in the same moment: their exit codes, and all that they said.
pub fn both_up(host: &Host) -> (Vec<String>, String) {
    let codes = host.sh(
        "cd /tmp; for p in shop blog; do (cd /srv/$p; locker up >/tmp/$p.out 2>&1; echo $? >/tmp/$p.rc) & done; \
         wait; cat shop.rc blog.rc",
    );
    let codes = codes.split_whitespace().map(str::to_owned).collect();
    (codes, host.sh("cat /tmp/shop.out /tmp/blog.out"))
}

/// Which of the two failed; one of them must.
#[track_caller]
pub fn loser(codes: &[String], told: &str) -> usize {
    match codes {
        [first, second] if first == "0" && second == "1" => 1,
        [first, second] if first == "1" && second == "0" => 0,
        _ => panic!("{codes:?}: {told}"),
    }
}

const LXC: &str = "template: {name: tiny}";
const DOCKER: &str = "image: busybox:test\n    stop_grace_period: 0s";

/// A project of one container of a kind that publishes `port` the plain way.
fn plain<'h>(
    host: &'h Host,
    name: &'static str,
    (source, port): (&str, &str),
    supervisor: &str,
) -> Project<'h> {
    let text =
        format!("  web:\n    {source}\n    supervisor: {supervisor}\n    ports: [\"{port}\"]\n");
    Project::new(host, name, &text)
}

/// What a project that was undone has left in engines, on the network, in the rules and on disk.
pub fn left_of(host: &Host, name: &str) -> String {
    host.sh(&format!(
        "ls -d /var/lib/lxc/{name}_* 2>/dev/null; docker ps -aq --filter name={name}_; docker network ls -q --filter name={name}_; \
         ip -o link | grep -w 'alias locker:{name}'; nft list ruleset | grep -w 'locker:{name}'; \
         ls /etc/systemd/system /var/lib/locker/projects | grep -w {name}; true"
    ))
}

#[test]
fn of_two_projects_that_publish_one_plain_port_at_once_one_gets_it_and_the_other_leaves_nothing() {
    on_a_host_with_docker(|host| {
        let any = "8080:80";
        let races = [
            ((LXC, any), (LXC, any), "systemd"),
            ((LXC, any), (DOCKER, any), "systemd"),
            ((DOCKER, any), (LXC, any), "none"),
            ((LXC, any), (LXC, any), "none"),
            // Rules that nft itself would take side by side.
            ((DOCKER, "127.0.0.1:8080:80"), (LXC, any), "none"),
            ((LXC, "127.0.0.1:8080:80"), (LXC, any), "none"),
            ((LXC, "127.0.0.1:8080:80"), (LXC, any), "systemd"),
        ];
        for (first, second, supervisor) in races {
            let names = ["shop", "blog"];
            let projects = [
                plain(host, names[0], first, supervisor),
                plain(host, names[1], second, supervisor),
            ];
            let (codes, told) = both_up(host);
            let loser = loser(&codes, &format!("{first:?} {second:?}: {told}"));
            let error = host.sh(&format!("cat /tmp/{}.out", names[loser]));
            let by = names[1 - loser];
            for said in [
                ":80/tcp` of container `web` is in use by container `web`",
                &format!("of project `{by}`"),
            ] {
                assert!(error.contains(said), "{first:?} {second:?}: {error}");
            }
            assert!(!error.contains("nft"), "{error}");
            assert_eq!(
                left_of(host, names[loser]),
                "",
                "{first:?} {second:?}: {error}"
            );
            projects[1 - loser].locker("plan --exit-code").exits(0);
            projects[1 - loser].locker("down --yes").exits(0);
        }
    });
}

#[test]
fn one_port_on_two_addresses_protocols_or_families_is_no_clash() {
    on_a_host_with_docker(|host| {
        let own = host.address();
        let (here, there) = ("127.0.0.1:8080:80", format!("{own}:8080:80"));
        for (first, second) in [
            ((LXC, here), (DOCKER, there.as_str())),
            ((DOCKER, "8080:80"), (LXC, "8080:80/udp")),
            ((LXC, "0.0.0.0:8080:80"), (LXC, "[::]:8080:80")),
        ] {
            let projects = [
                plain(host, "shop", first, "systemd"),
                plain(host, "blog", second, "systemd"),
            ];
            let (codes, told) = both_up(host);
            assert_eq!(codes, ["0", "0"], "{first:?} {second:?}: {told}");
            if first.1 == here {
                answers(host, 8080, "hello");
                let page = "curl -s --max-time 2 http://127.0.0.1:8080/";
                eventually("web".to_owned(), || host.try_sh(page).out.trim().to_owned());
            }
            for project in projects {
                project.locker("plan --exit-code").exits(0);
                project.locker("down --yes").exits(0);
            }
        }
    });
}

#[test]
fn of_two_projects_that_hold_or_publish_one_port_at_once_one_gets_it() {
    on_a_host(|host| {
        let any = "8080:80";
        for (first, second) in [
            ((true, any), (true, any)),
            ((true, "0.0.0.0:8080:80"), (true, "127.0.0.1:8080:80")),
            ((true, "[::]:8080:80"), (true, any)),
            ((true, any), (false, any)),
            ((false, "127.0.0.1:8080:80"), (true, any)),
        ] {
            let names = ["shop", "blog"];
            let projects = [one(host, names[0], first), one(host, names[1], second)];
            let (codes, told) = both_up(host);
            let loser = loser(&codes, &format!("{first:?} {second:?}: {told}"));
            let winner = &projects[1 - loser];
            let said = format!(
                "/tcp` of container `web` is in use by container `web` of project `{}`",
                names[1 - loser]
            );
            let error = host.sh(&format!("cat /tmp/{}.out", names[loser]));
            assert!(error.contains(&said), "{first:?} {second:?}: {error}");
            assert!(error.contains("--> locker.yaml:"), "{error}");
            assert!(!error.contains("did not start"), "{error}");
            assert_eq!(projects[loser].state("web"), "ABSENT");
            let left = host.sh(&format!(
                "ls /etc/systemd/system /var/lib/locker/projects | grep -w {} || true",
                names[loser]
            ));
            assert_eq!(left, "", "the loser left something");
            // It gets the port when the other is gone.
            winner.locker("down --yes").exits(0);
            projects[loser].up();
            projects[loser].locker("down --yes").exits(0);
        }
    });
}

#[test]
fn a_held_port_becomes_a_plain_one_and_back_with_one_up() {
    on_a_host(|host| {
        // Each family is its own: neither is in the other's way.
        let four = one(host, "blog", (true, "127.0.0.1:8080:80"));
        four.up();
        let six = one(host, "wiki", (true, "[::]:8080:80"));
        six.up();
        for address in ["127.0.0.1", "[::1]"] {
            let url = format!("curl -gs --noproxy '*' -m 20 http://{address}:8080/");
            assert_eq!(host.sh(&url), "web", "{address}");
        }
        for project in [six, four] {
            project.locker("down --yes").exits(0);
        }
        for held in [true, false, true] {
            let project = one(host, "shop", (held, "8080:80"));
            project.up();
            eventually(Some("web".to_owned()), || host.fetch_from_outside(8080));
            let plan = project.locker("plan").exits(0).out;
            assert_eq!(plan.trim(), "nothing to do");
        }
    });
}

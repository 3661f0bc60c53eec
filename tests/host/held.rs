//! Ports that were not written down, and ports that somebody else has.

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

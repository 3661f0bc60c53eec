//! What runs in a system container meets a system that has come up.

use crate::on_a_host;
use crate::project::{Project, eventually};

/// A system whose first process is called systemd, that takes two seconds to come up, and says so as systemd does.
/// Its sign is in `/dev`, which is new at each start; libraries are those of the host, as the template has it.
const SLOW: &str = r#"#!/bin/sh
set -e
/usr/share/lxc/templates/lxc-busybox "$@"
for word; do case "$word" in --rootfs=*) root=${word#--rootfs=};; esac; done
mkdir -p "$root/srv"
cp /bin/dash "$root/srv/systemd"
cp /bin/dash "$root/srv/other"
cat > "$root/boot" <<'EOR'
trap 'exit 0' PWR
sleep 2
echo > /dev/up
while :; do sleep 0.1; done
EOR
cat > "$root/bin/systemctl" <<'EOR'
#!/bin/sh
[ "$1" = is-system-running ] || exit 9
[ -e /dev/up ] && { echo running; exit; }
echo starting
exit 1
EOR
chmod 755 "$root/bin/systemctl"
"#;

#[test]
fn setup_and_post_start_wait_until_the_system_inside_has_come_up() {
    on_a_host(|host| {
        host.write("/usr/share/lxc/templates/lxc-slow", SLOW);
        host.sh("chmod 755 /usr/share/lxc/templates/lxc-slow");
        for supervisor in ["systemd", "none"] {
            let file = format!(
                "  web:\n    template: {{name: slow}}\n    supervisor: {supervisor}\n    stop_grace_period: 3s\n    \
                 config: [\"lxc.init.cmd = /srv/systemd /boot\"]\n    \
                 setup: [\"cat /dev/up >> /was-up\"]\n    \
                 post_start: [{{command: [sh, -c, \"cat /dev/up && echo again >> /was-up\"]}}]\n"
            );
            let project = Project::new(host, "shop", &file);
            project.up();
            project.locker("restart").exits(0);
            let wait = "for i in $(seq 50); do locker exec web -- grep -c again /was-up | grep -q '[2-9]' && exit 0; sleep 0.2; done; exit 1";
            host.sh(&format!("cd /srv/shop; {wait}"));
            if supervisor == "systemd" {
                waits_for_the_system(&project, &file);
            }
            project.locker("plan --exit-code").exits(0);
            project.locker("down --yes").exits(0);
        }
        host.sh("rm /usr/share/lxc/templates/lxc-slow");
    });
}

#[test]
fn an_init_that_cannot_be_asked_has_come_up_when_the_files_own_test_says_so() {
    on_a_host(|host| {
        host.write("/usr/share/lxc/templates/lxc-slow", SLOW);
        host.sh("chmod 755 /usr/share/lxc/templates/lxc-slow");
        for supervisor in ["systemd", "none"] {
            let file = |keys: &str| {
                format!(
                    "  web:\n    template: {{name: slow}}\n    supervisor: {supervisor}\n    stop_grace_period: 3s\n    \
                     config: [\"lxc.init.cmd = /srv/other /boot\"]\n{keys}"
                )
            };
            let project = Project::new(
                host,
                "shop",
                &file(
                    "    ready: test -e /dev/up\n    setup: [\"cat /dev/up && echo setup >> /order\"]\n    \
                     post_start: [{command: [sh, -c, \"cat /dev/up && echo follows >> /order\"]}]\n",
                ),
            );
            project.up();
            let order = || project.inside("web", "cat /order").exits(0).out;
            assert_eq!(order(), "setup\nfollows\n");
            // At a later start it is waited for by the start itself.
            project.locker("restart").exits(0);
            eventually("setup\nfollows\nfollows\n".to_owned(), order);
            project.locker("plan --exit-code").exits(0);
            project.locker("down --yes").exits(0);
            let never = "    ready: {test: \"echo not yet; false\", within: 1s}\n";
            for more in ["", "    setup: [\"true\"]\n"] {
                project.rewrite(&file(&format!("{never}{more}")));
                let told = ["did not become ready within 1 s", "exit code 1: not yet"];
                project.locker("up").exits(1).says(&told);
                assert_eq!(project.state("web"), "ABSENT");
            }
        }
        host.sh("rm /usr/share/lxc/templates/lxc-slow");
    });
}

/// `--wait` is over when the system has come up, and fails when it has not in time.
fn waits_for_the_system(project: &Project, file: &str) {
    // Without a command after each start nothing else waits for it.
    let (plain, _) = file.split_once("    post_start").unwrap();
    project.rewrite(plain);
    project.locker("up").exits(0);
    project.locker("stop").exits(0);
    let late = project.locker("up --wait-timeout 300ms");
    assert_ne!(late.code, 0);
    let told = "its system has not come up in time";
    assert!(late.err.contains(told), "{}", late.err);
    project.locker("restart --wait").exits(0);
    project
        .inside("web", "systemctl is-system-running")
        .exits(0);
}

#[test]
fn a_command_inside_has_the_variables_of_a_login() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", "  web:\n    template: {name: tiny}\n");
        project.up();
        project.inside("web", "echo 'web:x:33:34::/srv:/bin/sh' >> /etc/passwd; mkdir -p /etc/default; echo LANG=de_DE.UTF-8 > /etc/default/locale");
        let seen = project.locker("exec -u web web -- env").exits(0).out;
        for line in [
            "USER=web",
            "LOGNAME=web",
            "HOME=/srv",
            "SHELL=/bin/sh",
            "LANG=de_DE.UTF-8",
        ] {
            assert!(seen.lines().any(|seen| seen == line), "{line}:\n{seen}");
        }
        let seen = project.locker("exec web -- env").exits(0).out;
        assert!(seen.contains("USER=root\n"), "{seen}");
    });
}

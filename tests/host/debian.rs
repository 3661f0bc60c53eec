//! System containers with the real thing inside: Debian with systemd, ifupdown, sshd and cron.

use std::net::UdpSocket;

use crate::machine::Host;
use crate::on_a_host_with_debian;
use crate::project::{Project, eventually};

/// The machine id of a container.
fn machine_id(project: &Project, name: &str) -> String {
    let seen = project.locker(&format!("exec {name} -- cat /etc/machine-id"));
    seen.exits(0).out.trim().to_owned()
}

/// What the sshd inside says who it is, on its port, once it is there: each key with its type.
fn host_keys(project: &Project, name: &str) -> Vec<String> {
    let scan = format!(
        "exec {name} -- sh -c 'ssh-keyscan 127.0.0.1 2>/dev/null | cut -d\" \" -f2- | sort'"
    );
    let look = || -> Vec<String> {
        let seen = project.locker(&scan).exits(0).out;
        seen.lines().map(str::to_owned).collect()
    };
    eventually(3, || look().len());
    look()
}

fn source_key(host: &Host) -> String {
    host.sh("cut -d' ' -f1,2 /opt/debian/etc/ssh/ssh_host_ed25519_key.pub")
}

const OLD: &str = "00112233445566778899aabbccddeeff";

#[test]
fn each_copy_is_a_machine_of_its_own_unless_it_is_to_be_the_same() {
    on_a_host_with_debian(|host| {
        host.sh("mkdir -p /opt/bare/etc/ssh; echo key > /opt/bare/etc/ssh/ssh_host_rsa_key");
        host.sh("tar -C /opt/bare -cf /opt/bare.tar .");
        let project = Project::new(host, "shop", "  one:\n    rootfs: /opt/bare\n");
        for (source, told) in [
            ("bare", "the program `ssh-keygen`"),
            ("bare.tar", "`ssh-keygen` is not installed"),
        ] {
            project.rewrite(&format!("  one:\n    rootfs: /opt/{source}\n"));
            let refused = project.locker("up").exits(1);
            refused.says(&[told, "apt-get install openssh-client"]);
            assert_eq!(project.state("one"), "ABSENT");
        }
        host.sh("cp /opt/debian/usr/bin/ssh-keygen /usr/bin/");
        let file = "  one:\n    rootfs: /opt/debian\n  two:\n    rootfs: /opt/debian\n    idmap: auto\n  \
                    kept:\n    rootfs: /opt/debian\n    identity: keep\n";
        project.rewrite(file);
        project.up();
        let later =
            format!("{file}  late:\n    clone: one\n  same:\n    clone: one\n    identity: keep\n");
        project.rewrite(&later);
        project.up();
        project.locker("plan --exit-code").exits(0);
        let id = |name| machine_id(&project, name);
        let all = ["one", "two", "late", "kept"].map(|name| (id(name), host_keys(&project, name)));
        for (at, (id, keys)) in all.iter().enumerate() {
            for (other_id, other_keys) in &all[at + 1..] {
                assert_ne!(id, other_id);
                assert!(keys.iter().all(|key| !other_keys.contains(key)), "{keys:?}");
            }
        }
        assert_eq!(id("kept"), OLD);
        assert!(host_keys(&project, "kept").contains(&source_key(host)));
        assert_eq!((id("same"), host_keys(&project, "same")), all[0]);
        let owner = "stat -c %u:%a /etc/ssh/ssh_host_rsa_key /etc/machine-id";
        assert_eq!(
            project.locker(&format!("exec two -- {owner}")).exits(0).out,
            "0:600\n0:644\n"
        );
        // They stay what they are from then on.
        project.locker("restart one two").exits(0);
        assert_eq!((id("one"), host_keys(&project, "one")), all[0]);
        assert_eq!((id("two"), host_keys(&project, "two")), all[1]);
        project.rewrite(&later.replace("  one:\n", "  one:\n    identity: keep\n"));
        let plan = project.locker("plan").exits(0);
        assert!(
            plan.err.contains("`identity` of container `one` changed"),
            "{}",
            plan.err
        );
        project.locker("plan --exit-code").exits(0);
        project.rewrite(&later);
    });
}

/// What systemd inside says of the whole system, once it has come up.
fn system_state(project: &Project, name: &str) -> String {
    let said = project.locker(&format!(
        "exec {name} -- systemctl is-system-running --wait"
    ));
    said.out.trim().to_owned()
}

/// A name server of the machine outside that knows one address for every name.
fn answer_names(host: &Host) {
    let socket =
        UdpSocket::bind((host.outer_address(), 53)).expect("port 53 of the bridge is free");
    std::thread::spawn(move || {
        let mut packet = [0u8; 512];
        while let Ok((length, asker)) = socket.recv_from(&mut packet) {
            let question_end = 12
                + packet[12..length]
                    .iter()
                    .position(|byte| *byte == 0)
                    .unwrap_or(0)
                + 5;
            let is_a = packet[question_end - 4..question_end - 2] == [0, 1];
            let mut answer = packet[..question_end].to_vec();
            answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
            if is_a {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 192, 0, 2, 77]);
            }
            let _ = socket.send_to(&answer, asker); // who does not hear it asks again
        }
    });
}

#[test]
fn a_container_without_dns_resolves_what_the_host_does() {
    on_a_host_with_debian(|host| {
        answer_names(host);
        host.sh("cp /opt/debian/usr/bin/ssh-keygen /usr/bin/");
        // As a host is that runs systemd-resolved.
        host.write("/etc/resolv.conf", "nameserver 127.0.0.53\n");
        host.sh(&format!(
            "mkdir -p /run/systemd/resolve; echo nameserver {} > /run/systemd/resolve/resolv.conf",
            host.outer_address()
        ));
        let file = "  plain:\n    rootfs: /opt/debian\n    idmap: auto\n  copied:\n    rootfs: /opt/debian\n    dns: [\"$copy\"]\n  own:\n    rootfs: /opt/debian\n    dns: none\n    \
                    setup:\n      - systemctl enable --quiet systemd-networkd\n      \
                    - ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf\n";
        let project = Project::new(host, "shop", file);
        project.up();
        let later = format!("{file}  cloned:\n    clone: own\n    links: [\"plain:sibling\"]\n");
        project.rewrite(&later);
        // Without `--wait`, `up` ends while the system inside still starts its services.
        project.locker("up --wait").exits(0);
        let resolve = |name: &str, what: &str| {
            let asked = format!("exec {name} -- getent ahostsv4 {what}");
            let seen = project.locker(&asked).out;
            seen.split_whitespace().next().map(str::to_owned)
        };
        project
            .locker("exec cloned -- systemctl is-active systemd-networkd")
            .exits(0);
        for name in ["plain", "copied", "cloned"] {
            assert_eq!(
                resolve(name, "host.example").as_deref(),
                Some("192.0.2.77"),
                "{name}"
            );
        }
        assert_eq!(resolve("cloned", "sibling"), Some(project.ip("plain")));
        let link = "exec own -- readlink /etc/resolv.conf";
        assert_eq!(
            project.locker(link).exits(0).out,
            "../run/systemd/resolve/stub-resolv.conf\n"
        );
        // The host gets another server; what somebody wrote inside stays.
        project
            .inside("plain", "echo nameserver 9.9.9.9 > /etc/resolv.conf")
            .exits(0);
        host.sh("echo nameserver 192.0.2.54 > /run/systemd/resolve/resolv.conf");
        let plan = project.locker("plan").out;
        assert!(
            plan.contains("without `dns` it has the name servers of the host"),
            "{plan}"
        );
        project.up();
        project.locker("plan --exit-code").exits(0);
        let file_of = |name| project.inside(name, "cat /etc/resolv.conf").exits(0).out;
        assert_eq!(file_of("plain"), "nameserver 9.9.9.9\n");
        assert_eq!(file_of("cloned"), "nameserver 192.0.2.54\n");
        host.sh("rm -r /run/systemd/resolve; echo nameserver 192.0.2.53 > /etc/resolv.conf");
    });
}

/// Runs a command in `web` by the host's own ssh client through the published port; none when it cannot.
fn by_ssh(host: &Host, command: &str) -> Option<String> {
    let client = "ssh -i /root/id -o BatchMode=yes -o ConnectTimeout=2 -o UserKnownHostsFile=/root/known \
                  -o StrictHostKeyChecking=yes -p 2222 root@127.0.0.1";
    let ran = host.try_sh(&format!("{client} '{command}'"));
    (ran.code == 0).then(|| ran.out.trim().to_owned())
}

#[test]
fn a_debian_system_lives_in_a_container_as_on_a_machine() {
    on_a_host_with_debian(|host| {
        host.sh("cp /opt/debian/usr/bin/ssh /opt/debian/usr/bin/ssh-keygen /usr/bin/; ssh-keygen -q -t ed25519 -N '' -f /root/id");
        let key = host.sh("cat /root/id.pub");
        let web = format!(
            "  web:\n    rootfs: /opt/debian\n    idmap: auto\n    restart: always\n    autostart: true\n    ports: [\"2222:22\"]\n    \
             healthcheck: {{test: \"systemctl is-system-running\", interval: 500ms, retries: 60}}\n    \
             setup:\n      - mkdir -m 700 -p /root/.ssh && echo '{key}' > /root/.ssh/authorized_keys\n      \
             - systemctl disable --quiet --now cron && ! systemctl is-active cron\n"
        );
        let others = [
            ("once", "no"),
            ("failing", "on-failure"),
            ("unless", "unless-stopped"),
        ];
        let policies = others.map(|(name, policy)| {
            format!("  {name}:\n    rootfs: /opt/debian\n    restart: \"{policy}\"\n")
        });
        let project = Project::new(host, "shop", &(web + &policies.concat()));
        project.locker("up --wait").exits(0);
        for name in ["web", "once"] {
            assert_eq!(system_state(&project, name), "running", "{name}");
        }
        let keys = "exec web -- cat /etc/ssh/ssh_host_ed25519_key.pub";
        let known = format!("[127.0.0.1]:2222 {}", project.locker(keys).exits(0).out);
        host.write("/root/known", &known);
        let answers = || by_ssh(host, "hostname; systemctl is-active cron");
        // The exit code is that of the last command.
        assert_eq!(by_ssh(host, "hostname").as_deref(), Some("web"));
        assert_eq!(answers(), None, "the setup switched cron off");

        // Its init; nothing while it has none.
        let init = |name: &str| host.try_sh(&format!("lxc-info -n shop_{name} -pH")).out;
        let before = init("web");
        by_ssh(host, "systemctl reboot");
        eventually(true, || {
            !["", before.as_str()].contains(&init("web").as_str())
        });
        eventually(Some("web".into()), || by_ssh(host, "hostname"));

        for (name, comes_back) in [
            ("web", true),
            ("once", false),
            ("failing", false),
            ("unless", true),
        ] {
            let before = init(name);
            project
                .locker(&format!("exec {name} -- systemctl poweroff"))
                .exits(0);
            match comes_back {
                true => eventually(true, || {
                    !["", before.as_str()].contains(&init(name).as_str())
                }),
                false => eventually("STOPPED".to_owned(), || project.state(name)),
            }
        }
        eventually(Some("web".into()), || by_ssh(host, "hostname"));

        host.reboot();
        eventually(Some("web".into()), || by_ssh(host, "hostname"));
        assert_eq!(system_state(&project, "web"), "running");
    });
}

/// A place of packages of its own, with one in it.
const PACKAGES: &str = r#"set -e
mkdir -p /repo/probe/DEBIAN; cd /repo
printf 'Package: probe\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x.x>\nDescription: x\n' > probe/DEBIAN/control
dpkg-deb -b probe probe.deb
{ cat probe/DEBIAN/control; echo Filename: ./probe.deb; echo Size: $(stat -c %s probe.deb); echo SHA256: $(sha256sum probe.deb | cut -d' ' -f1); } > Packages
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:/repo ./' > /etc/apt/sources.list"#;

/// Holds a lock as apt does, for four seconds, when it is there.
const HOLD: &str = r#"use Fcntl;
for (@ARGV) { my $l = pack("s s x4 q q i x4", F_WRLCK, 0, 0, 0, 0); open(my $f, ">>", $_) or die; fcntl($f, F_SETLK, $l) or die; push @f, $f; }
open(my $there, ">", "/run/held"); sleep 4;
"#;

#[test]
fn packages_wait_for_another_one_at_work_and_go_on_where_dpkg_was_stopped() {
    on_a_host_with_debian(|host| {
        host.sh("cp /opt/debian/usr/bin/ssh-keygen /usr/bin/");
        let file = |packages: &str| {
            format!("  web:\n    rootfs: /opt/debian\n    packages: [{packages}]\n")
        };
        let project = Project::new(host, "shop", &file(""));
        project.up();
        project.inside("web", PACKAGES).exits(0);
        let put = format!("cat > /root/hold.pl <<'END'\n{HOLD}END");
        project.inside("web", &put).exits(0);
        let held = "dpkg-query -s cron > /var/lib/dpkg/updates/0000; rm -f /run/held
                    systemd-run -q perl /root/hold.pl /var/lib/apt/lists/lock /var/lib/dpkg/lock-frontend
                    for i in $(seq 50); do [ -e /run/held ] && exit 0; sleep 0.1; done; exit 1";
        project.inside("web", held).exits(0);
        project.rewrite(&file("cron, probe"));
        project.up();
        let look = "dpkg-query -W -f '${db:Status-Status}' probe; ls /var/lib/dpkg/updates";
        assert_eq!(project.inside("web", look).exits(0).out.trim(), "installed");
        project.locker("plan --exit-code").exits(0);
        // A mirror that is away.
        let away = "echo 'deb http://127.0.0.1:9/debian bookworm main' > /etc/apt/sources.list";
        project.inside("web", away).exits(0);
        project.rewrite(&file("cron, probe, nginx"));
        let told = [
            "`packages cron probe nginx` in `web`",
            "Failed to fetch",
            "127.0.0.1",
        ];
        project.locker("up").exits(1).says(&told);
        assert_eq!(project.state("web"), "RUNNING");
        project.rewrite(&file("cron"));
        project.up();
    });
}

#[test]
fn users_are_given_what_the_file_says_and_nothing_of_theirs_is_lost() {
    on_a_host_with_debian(|host| {
        host.sh("cp /opt/debian/usr/bin/ssh-keygen /usr/bin/");
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ al@desk";
        let file = |users: &str| format!("  web:\n    rootfs: /opt/debian\n    users: {users}\n");
        let project = Project::new(
            host,
            "shop",
            &file(&format!("{{al: {{ssh_keys: [\"{key}\"]}}}}")),
        );
        project.up();
        let look = |script: &str| project.inside("web", script).exits(0).out.trim().to_owned();
        look("echo mine > /home/al/file; groupadd bo");
        // Who knows what lives in a home moves it.
        project.rewrite(&file("{al: {home: /srv/people/al}, bo: }"));
        let told = ["nothing is moved", "usermod -d /srv/people/al -m al"];
        project.locker("up").exits(1).says(&told);
        assert_eq!(look("cat /home/al/file"), "mine");
        look("mkdir -p /srv/people; usermod -d /srv/people/al -m al");
        project.rewrite(&file(&format!(
            "{{al: {{home: /srv/people/al, shell: /bin/sh, ssh_keys: [\"{key}\"]}}, bo: }}"
        )));
        project.up();
        let seen =
            look("getent passwd al | cut -d: -f6-; cat /srv/people/al/file; ls /home; id -gn bo");
        assert_eq!(seen, "/srv/people/al:/bin/sh\nmine\nbo\nbo");
        project.rewrite(&file("{al: {uid: 4242}, bo: }"));
        project
            .locker("up")
            .exits(1)
            .says(&["not 4242", "write `uid: 1000`"]);
        // It has left the file, and somebody has taken it away inside.
        look("userdel al; id al && exit 1 || exit 0");
        project.rewrite(&file("[bo]"));
        project.up();
        assert_eq!(look("cat /srv/people/al/file"), "mine");
        project.locker("plan --exit-code").exits(0);
    });
}

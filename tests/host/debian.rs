//! System containers with the real thing inside: Debian with systemd, ifupdown, sshd and cron.

use crate::machine::Host;
use crate::on_a_host_with_debian;
use crate::project::Project;

/// The machine id of a container.
fn machine_id(project: &Project, name: &str) -> String {
    let seen = project.locker(&format!("exec {name} -- cat /etc/machine-id"));
    seen.exits(0).out.trim().to_owned()
}

/// What the sshd inside says who it is, on its port: each key with its type.
fn host_keys(project: &Project, name: &str) -> Vec<String> {
    let scan = "exec NAME -- sh -c 'ssh-keyscan -q 127.0.0.1 | cut -d\" \" -f2- | sort'";
    let seen = project.locker(&scan.replace("NAME", name)).exits(0).out;
    let keys: Vec<String> = seen.lines().map(str::to_owned).collect();
    assert_eq!(keys.len(), 3, "sshd of `{name}` has these keys: {keys:?}");
    keys
}

fn source_key(host: &Host) -> String {
    host.sh("cut -d' ' -f1,2 /opt/debian/etc/ssh/ssh_host_ed25519_key.pub")
}

const OLD: &str = "00112233445566778899aabbccddeeff";

#[test]
fn each_copy_is_a_machine_of_its_own_unless_it_is_to_be_the_same() {
    on_a_host_with_debian(|host| {
        let file = "  one:\n    rootfs: /opt/debian\n  two:\n    rootfs: /opt/debian\n    idmap: auto\n  \
                    early:\n    clone: one\n  kept:\n    rootfs: /opt/debian\n    identity: keep\n";
        let project = Project::new(host, "shop", file);
        let refused = project.locker("up").exits(1).err;
        assert!(
            refused.contains(
                "`ssh-keygen` is not installed on the host: `apt-get install openssh-client`"
            ),
            "{refused}"
        );
        assert_eq!(
            (project.state("one"), project.state("kept")),
            ("ABSENT".into(), "RUNNING".into())
        );
        host.sh("cp /opt/debian/usr/bin/ssh-keygen /usr/bin/");
        project.up();
        let later =
            format!("{file}  late:\n    clone: one\n  same:\n    clone: one\n    identity: keep\n");
        project.rewrite(&later);
        project.up();
        project.locker("plan --exit-code").exits(0);
        let id = |name| machine_id(&project, name);
        let all = ["one", "two", "early", "late", "kept"]
            .map(|name| (id(name), host_keys(&project, name)));
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

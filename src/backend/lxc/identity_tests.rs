//! What a copy keeps of its source and what not, and that no link leads anything out of it.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use super::*;
use crate::backend::lxc::render::tests::spec;

const OLD: &str = "0123456789abcdef0123456789abcdef\n";

struct Copy {
    dir: tempfile::TempDir,
}

impl Copy {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for path in ["rootfs/etc/ssh", "rootfs/var/lib/dbus", "host"] {
            std::fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        Self { dir }
    }

    fn rootfs(&self) -> PathBuf {
        self.dir.path().join("rootfs")
    }

    fn write(&self, path: &str, text: &str) {
        std::fs::write(self.dir.path().join(path), text).unwrap();
    }

    fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.dir.path().join(path)).ok()
    }
}

#[test]
fn an_id_is_drawn_anew_and_both_files_of_it_agree() {
    let copy = Copy::new();
    copy.write("rootfs/etc/machine-id", OLD);
    copy.write("rootfs/var/lib/dbus/machine-id", OLD);
    let path = copy.rootfs().join("etc/machine-id");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444)).unwrap();
    renew_machine_id(&copy.rootfs()).unwrap();
    let fresh = copy.read("rootfs/etc/machine-id").unwrap();
    assert_ne!(fresh, OLD);
    assert!(
        fresh.len() == 33
            && fresh
                .trim_end()
                .chars()
                .all(|c| matches!(c, '0'..='9' | 'a'..='f'))
    );
    assert_eq!(&fresh[12..13], "4", "{fresh}");
    assert_eq!(copy.read("rootfs/var/lib/dbus/machine-id"), Some(fresh));
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o444);
}

#[test]
fn an_id_that_the_system_inside_draws_itself_is_left_to_it() {
    for word in ["", "\n", "uninitialized\n"] {
        let copy = Copy::new();
        copy.write("rootfs/etc/machine-id", word);
        renew_machine_id(&copy.rootfs()).unwrap();
        assert_eq!(copy.read("rootfs/etc/machine-id").as_deref(), Some(word));
        assert_eq!(copy.read("rootfs/var/lib/dbus/machine-id"), None);
    }
}

#[test]
fn links_stay_and_lead_to_nothing_of_the_host() {
    let copy = Copy::new();
    let (root, host) = (copy.rootfs(), copy.dir.path().join("host"));
    for name in ["id", "ssh_host_rsa_key", "ssh_host_rsa_key.pub"] {
        copy.write(&format!("host/{name}"), OLD);
    }
    symlink(host.join("id"), root.join("etc/machine-id")).unwrap();
    symlink("/etc/machine-id", root.join("var/lib/dbus/machine-id")).unwrap();
    std::fs::remove_dir(root.join("etc/ssh")).unwrap();
    symlink(&host, root.join("etc/ssh")).unwrap();
    renew_machine_id(&root).unwrap();
    renew_keys(&root, &spec()).unwrap();
    std::fs::remove_file(root.join("etc/ssh")).unwrap();
    std::fs::create_dir(root.join("etc/ssh")).unwrap();
    symlink(
        host.join("ssh_host_rsa_key"),
        root.join("etc/ssh/ssh_host_rsa_key"),
    )
    .unwrap();
    renew_keys(&root, &spec()).unwrap(); // one that is kept elsewhere
    for name in ["id", "ssh_host_rsa_key", "ssh_host_rsa_key.pub"] {
        assert_eq!(copy.read(&format!("host/{name}")).as_deref(), Some(OLD));
    }
    assert!(root.join("etc/machine-id").is_symlink());
}

#[test]
fn a_key_is_replaced_with_what_belongs_to_it_and_others_stay() {
    let copy = Copy::new();
    let at = |name: &str| format!("rootfs/etc/ssh/{name}");
    for name in [
        "ssh_host_rsa_key",
        "ssh_host_rsa_key.pub",
        "ssh_host_rsa_key-cert.pub",
        "ssh_host_old_key",
        "sshd_config",
    ] {
        copy.write(&at(name), "old");
    }
    let path = copy.rootfs().join("etc/ssh/ssh_host_rsa_key");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let way = regular(&copy.rootfs(), "/etc/ssh/ssh_host_rsa_key")
        .unwrap()
        .unwrap();
    let pair = Pair {
        private: "private".into(),
        public: "public".into(),
    };
    renew_key(&way, &pair).unwrap();
    for (name, text) in [
        ("ssh_host_rsa_key", Some("private")),
        ("ssh_host_rsa_key.pub", Some("public")),
        ("ssh_host_rsa_key-cert.pub", None),
        ("ssh_host_old_key", Some("old")),
        ("sshd_config", Some("old")),
    ] {
        assert_eq!(copy.read(&at(name)).as_deref(), text, "{name}");
    }
    let mode = |name: &str| {
        std::fs::metadata(copy.dir.path().join(at(name)))
            .unwrap()
            .mode()
            & 0o7777
    };
    assert_eq!(
        (mode("ssh_host_rsa_key"), mode("ssh_host_rsa_key.pub")),
        (0o640, 0o644)
    );
}

#[test]
fn a_key_that_openssh_has_given_up_only_goes() {
    let copy = Copy::new();
    for name in ["ssh_host_dsa_key", "ssh_host_dsa_key.pub"] {
        copy.write(&format!("rootfs/etc/ssh/{name}"), "old");
    }
    renew_keys(&copy.rootfs(), &spec()).unwrap();
    assert_eq!(
        std::fs::read_dir(copy.rootfs().join("etc/ssh"))
            .unwrap()
            .count(),
        0
    );
}

//! The scripts, each run for a made-up root file system whose programs are notes of how they were called.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

/// Programs of this machine that do no harm.
const HARMLESS: &str = "cat chmod cp cut date grep head ln ls mkdir mv rm sed stat tr";

/// `id` by the root's own accounts.
const ID: &str = r#"what=; case $1 in -*) what=$1; shift ;; esac
line=$(grep "^$1:" /etc/passwd) || exit 1
case $what in -u) echo "$line" | cut -d: -f3 ;; -g) echo "$line" | cut -d: -f4 ;; *) echo "$line" ;; esac"#;

struct Root(tempfile::TempDir);

impl Root {
    /// With those programs, which do nothing but to be called.
    fn new(programs: &str) -> Self {
        let root = Self(tempfile::tempdir().unwrap());
        for dir in ["bin", "etc", "home", "lib", "usr/share/zoneinfo"] {
            fs::create_dir_all(root.path(dir)).unwrap();
        }
        for name in HARMLESS.split(' ') {
            let dirs = ["/usr/bin", "/bin"].iter();
            let found = dirs
                .map(|dir| Path::new(dir).join(name))
                .find(|p| p.exists());
            std::os::unix::fs::symlink(found.unwrap(), root.path("bin").join(name)).unwrap();
        }
        root.program("id", ID);
        for name in programs.split_whitespace().chain(["chown", "sleep"]) {
            root.program(name, "");
        }
        root.write("etc/group", "");
        root
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.0.path().join(inside.trim_start_matches('/'))
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    /// The text with paths below this root.
    fn moved(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for dir in ["/etc/", "/lib/", "/usr/share/"] {
            let below = self.path(dir).display().to_string() + "/";
            text = text.replace(dir, &below);
        }
        text.replace("//", "/")
    }

    /// A program that notes how it was called, and then does `what`.
    fn program(&self, name: &str, what: &str) {
        let quiet = name == "id" || name == "locale" || name == "dpkg-query";
        let note = match quiet {
            true => String::new(),
            false => format!("echo {name} \"$@\" >> {}", self.path("asked").display()),
        };
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{note}\n{}\n", self.moved(what))).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// An account of the user who runs this test, with a file in its home.
    fn account(&self, name: &str, home: &str, shell: &str) {
        let uid = rustix::process::getuid().as_raw();
        let home = self.path(home);
        fs::create_dir_all(&home).unwrap();
        fs::write(home.join("file"), "mine").unwrap();
        let home = home.display();
        let line = format!("{name}:x:{uid}:100::{home}:{shell}\n");
        self.write(
            "etc/passwd",
            &format!("first:x:1:1::/:/bin/sh\n{line}last:x:2:2::/:"),
        );
    }

    /// Fulfils the wish; its exit code and what it said.
    fn run(&self, wish: &Provision) -> (i32, String) {
        let _ = fs::remove_file(self.path("asked"));
        let argv = commands(wish)[0].command.argv();
        let mut command = Command::new(&argv[0]);
        command
            .arg(&argv[1])
            .arg(self.moved(&argv[2]))
            .args(&argv[3..]);
        let ran = command.env("PATH", self.path("bin")).output().unwrap();
        let said = [ran.stdout, ran.stderr].concat();
        (ran.status.code().unwrap(), String::from_utf8(said).unwrap())
    }

    fn passes(&self, wish: &Provision) -> String {
        let (code, said) = self.run(wish);
        assert_eq!(code, 0, "{said}");
        said
    }

    /// What fails says all of it.
    fn fails(&self, wish: &Provision, told: &[&str]) {
        let (code, said) = self.run(wish);
        assert_ne!(code, 0, "{said}");
        for word in told {
            assert!(said.contains(word), "{word}: {said}");
        }
    }

    fn asked(&self) -> String {
        self.read("asked")
    }
}

fn user(name: &str) -> User {
    User {
        name: name.into(),
        uid: None,
        shell: None,
        home: None,
        groups: Vec::new(),
    }
}

fn packages(names: &[&str]) -> Provision {
    Provision::Packages(names.iter().map(|name| (*name).into()).collect())
}

fn locale(name: &str) -> Provision {
    Provision::Locale(name.into())
}

#[test]
fn values_are_arguments_and_never_part_of_the_script() {
    let user = User {
        uid: Some(1000),
        home: Some("/srv/al".into()),
        groups: vec!["sudo".into()],
        ..user("al")
    };
    let argv = commands(&Provision::User(user))[0].command.argv();
    assert_eq!(argv[..2], ["/bin/sh", "-c"]);
    assert_eq!(argv[3..], ["locker", "al", "1000", "", "/srv/al", "sudo"]);
    assert!(!argv[2].contains("al1000"));
}

#[test]
fn keys_are_taken_from_nobody_who_is_gone() {
    let keys = |keys: &[String]| Provision::SshKeys {
        user: "al".into(),
        keys: keys.to_vec(),
    };
    let command = needed(&keys(&[])).unwrap();
    assert_eq!(command.command.argv(), ["id", "al"]);
    assert_eq!(needed(&keys(&["k".into()])), None);
    let root = Root::new("");
    root.write("etc/passwd", "");
    root.fails(
        &keys(&["k".into()]),
        &["no user al any more", "useradd -m al"],
    );
}

#[test]
fn a_new_user_has_the_group_of_its_name_that_is_there_already() {
    for (tool, plain, with) in [
        (
            "useradd groupadd usermod",
            "useradd -m -u 7 al\n",
            "useradd -m -u 7 -g al al\n",
        ),
        (
            "adduser addgroup",
            "adduser -D -u 7 al\n",
            "adduser -D -u 7 -G al al\n",
        ),
    ] {
        let root = Root::new(tool);
        root.write("etc/passwd", "root:x:0:0::/root:/bin/sh\n");
        let wish = Provision::User(User {
            uid: Some(7),
            ..user("al")
        });
        root.passes(&wish);
        // A shell of this machine, which the script finds as well.
        assert_eq!(root.asked().replace(" -s /bin/bash", ""), plain);
        root.write("etc/group", "alan:x:8:\nal:x:9:\n");
        root.passes(&wish);
        assert_eq!(root.asked().replace(" -s /bin/bash", ""), with);
    }
}

#[test]
fn another_id_than_the_wanted_one_is_told_with_a_cure() {
    let root = Root::new("useradd usermod");
    root.write("etc/passwd", "al:x:1001:1001::/home/al:/bin/sh\n");
    let wish = |name: &str, uid| {
        Provision::User(User {
            uid: Some(uid),
            ..user(name)
        })
    };
    let told = [
        "with the id 1001, not 7",
        "write `uid: 1001`",
        "usermod -u 7 al",
    ];
    root.fails(&wish("al", 7), &told);
    root.fails(
        &wish("bo", 1001),
        &["the id 1001 is that of user al", "another `uid`"],
    );
    assert_eq!(root.asked(), "");
    root.passes(&wish("al", 1001));
}

#[test]
fn a_shell_changes_with_and_without_usermod_and_groups_are_added() {
    let wish = Provision::User(User {
        shell: Some("/bin/ash".into()),
        groups: vec!["www".into()],
        ..user("al")
    });
    let root = Root::new("usermod groupadd");
    root.account("al", "home/al", "/bin/sh");
    root.passes(&wish);
    let asked = "usermod -s /bin/ash al\ngroupadd www\nusermod -aG www al\n";
    assert_eq!(root.asked(), asked);
    let root = Root::new("addgroup");
    root.account("al", "home/al", "/bin/sh");
    let before = root.read("etc/passwd");
    root.passes(&wish);
    let after = before.replace("home/al:/bin/sh", "home/al:/bin/ash") + "\n";
    assert_eq!(root.read("etc/passwd"), after);
    assert_eq!(root.asked(), "addgroup www\naddgroup al www\n");
    root.passes(&wish);
    assert_eq!(root.read("etc/passwd"), after);
}

/// A wish for a home of this root.
fn moving(root: &Root, to: &str) -> Provision {
    Provision::User(User {
        home: Some(root.path(to)),
        ..user("al")
    })
}

#[test]
fn the_home_of_a_user_who_is_there_is_never_moved_and_another_one_is_told_with_what_moves_it() {
    let root = Root::new("usermod");
    root.account("al", "home/al", "/bin/sh");
    let before = root.read("etc/passwd");
    let (had, wanted) = (root.path("home/al"), root.path("srv/al"));
    let told = [
        format!("write `home: {}`", had.display()),
        format!("usermod -d {} -m al", wanted.display()),
    ];
    root.fails(&moving(&root, "srv/al"), &[&told[0], &told[1]]);
    assert_eq!(root.read("home/al/file"), "mine");
    assert!(!wanted.exists());
    assert_eq!(root.read("etc/passwd"), before);
    root.passes(&moving(&root, "home/al"));
    assert_eq!(root.asked(), "");
}

/// A C library that has those locales.
fn has(root: &Root, locales: &str) {
    root.program("locale", &format!("printf '%s\\n' C {locales}"));
}

#[test]
fn a_locale_is_made_by_what_its_distribution_has_for_it() {
    for (programs, asked, maker) in [
        ("locale-gen apt-get", "locale-gen\n", "locale-gen"),
        ("dnf", "dnf -y --refresh install glibc-langpack-de\n", "dnf"),
        (
            "microdnf",
            "microdnf -y install glibc-langpack-de\n",
            "microdnf",
        ),
        (
            "zypper",
            "zypper --non-interactive refresh\nzypper --non-interactive install glibc-locale\n",
            "zypper",
        ),
        (
            "yum localedef",
            "localedef -i de_DE -f UTF-8 de_DE.UTF-8\n",
            "localedef",
        ),
    ] {
        let root = Root::new(programs);
        has(&root, "");
        root.fails(&locale("de_DE.UTF-8"), &["still has no locale de_DE.UTF-8"]);
        assert_eq!(root.read("etc/locale.conf"), "");
        let made = root.path("made").display().to_string();
        root.program("locale", &format!("echo C; cat {made} 2>/dev/null || :"));
        root.program(maker, &format!("echo de_DE.utf8 > {made}"));
        root.passes(&locale("de_DE.UTF-8"));
        assert_eq!(root.asked(), asked);
        assert_eq!(root.read("etc/locale.conf"), "LANG=de_DE.UTF-8\n");
        if maker == "locale-gen" {
            assert_eq!(root.read("etc/locale.gen"), "de_DE.UTF-8 UTF-8\n");
        }
        // What is there is not made.
        root.passes(&locale("de_DE.UTF-8"));
        assert_eq!(root.asked(), "");
    }
}

#[test]
fn a_locale_that_cannot_be_made_is_told_and_musl_takes_any_of_utf_8() {
    let root = Root::new("");
    root.fails(
        &locale("de_DE.UTF-8"),
        &["nothing here can make", "C.UTF-8"],
    );
    root.passes(&locale("C.UTF-8"));
    assert_eq!(root.read("etc/locale.conf"), "LANG=C.UTF-8\n");
    root.write("etc/debian_version", "");
    root.passes(&locale("C.UTF-8"));
    assert_eq!(root.read("etc/default/locale"), "LANG=C.UTF-8\n");
    let musl = Root::new("apk");
    musl.write("lib/ld-musl-x86_64.so.1", "");
    musl.fails(
        &locale("de_DE.ISO-8859-15"),
        &["UTF-8 alone", "write de_DE.UTF-8"],
    );
    musl.passes(&locale("de_DE.UTF-8"));
    let profile = musl.read("etc/profile.d/00-locker-locale.sh");
    assert_eq!(profile, "export LANG=de_DE.UTF-8\n");
    assert_eq!(musl.asked(), "");
}

#[test]
fn packages_are_installed_from_fresh_lists_and_nothing_is_asked() {
    for (manager, asked) in [
        ("apk", "apk add -U --wait 300 a b\n"),
        ("dnf", "dnf -y --refresh install a b\n"),
        ("yum", "yum -y install a b\n"),
        (
            "zypper",
            "zypper --non-interactive refresh\nzypper --non-interactive install a b\n",
        ),
        ("pacman", "pacman -Syu --noconfirm --needed a b\n"),
    ] {
        let root = Root::new(manager);
        root.passes(&packages(&["a", "b"]));
        assert_eq!(root.asked(), asked);
        root.program(manager, "echo no mirror answers; exit 4");
        root.fails(&packages(&["a"]), &["no mirror answers"]);
    }
    let zypper = Root::new("");
    zypper.program("zypper", "case $2 in install) exit 102 ;; esac");
    zypper.passes(&packages(&["a"]));
    Root::new("").fails(&packages(&["a"]), &["no package manager is known"]);
}

#[test]
fn apt_get_installs_what_is_missing_and_waits_for_another_one() {
    let root = Root::new("apt-get dpkg");
    root.program("dpkg-query", "[ \"$4\" != there ] || printf installed");
    root.passes(&packages(&["there"]));
    assert_eq!(root.asked(), "");
    let lists = root.path("lists").display().to_string();
    let busy = format!(
        "case \"$*\" in *update) [ -e {lists} ] || {{ echo > {lists}; echo 'E: Could not get lock /var/lib/apt/lists/lock.'; exit 100; }} ;; esac"
    );
    root.program("apt-get", &busy);
    root.passes(&packages(&["new", "there", "other"]));
    let update = "apt-get -q -o DPkg::Lock::Timeout=300 -o APT::Update::Error-Mode=any update\n";
    let install = "apt-get -q -o DPkg::Lock::Timeout=300 -y --no-install-recommends -o Dpkg::Options::=--force-confdef \
                   -o Dpkg::Options::=--force-confold install new other\n";
    assert_eq!(root.asked(), format!("{update}sleep 2\n{update}{install}"));
    root.program("apt-get", "echo E: Failed to fetch it; exit 100");
    root.fails(&packages(&["new"]), &["Failed to fetch it"]);
    assert_eq!(root.asked(), update);
}

#[test]
fn dpkg_that_was_stopped_half_way_goes_on_first() {
    let root = Root::new("");
    let mended = root.path("mended").display().to_string();
    let stuck = format!(
        "case \"$*\" in *install*) [ -e {mended} ] || {{ echo 'E: dpkg was interrupted, you must'; exit 100; }} ;; esac"
    );
    root.program("dpkg-query", "");
    root.program("apt-get", &stuck);
    root.program("dpkg", "echo half; exit 1");
    root.fails(&packages(&["a"]), &["half", "`dpkg --configure -a`"]);
    root.program("dpkg", &format!("echo > {mended}"));
    root.passes(&packages(&["a"]));
    let asked = root.asked();
    let verbs: Vec<&str> = asked
        .lines()
        .filter_map(|line| {
            line.split(' ')
                .find(|word| ["update", "install", "dpkg"].contains(word))
        })
        .collect();
    assert_eq!(verbs, ["update", "install", "dpkg", "install"], "{asked}");
}

#[test]
fn a_time_zone_that_is_missing_has_its_package_installed() {
    let zone = || Provision::Timezone("Europe/Berlin".into());
    for (manager, package) in [("zypper", "timezone"), ("apk", "tzdata"), ("dnf", "tzdata")] {
        let root = Root::new(manager);
        root.fails(&zone(), &["no time zone Europe/Berlin in"]);
        assert!(
            root.asked().ends_with(&format!(" {package}\n")),
            "{}",
            root.asked()
        );
        fs::create_dir(root.path("usr/share/zoneinfo/Europe")).unwrap();
        root.write("usr/share/zoneinfo/Europe/Berlin", "zone");
        root.passes(&zone());
        assert_eq!(root.read("etc/localtime"), "zone");
        assert_eq!(root.asked(), "");
    }
}

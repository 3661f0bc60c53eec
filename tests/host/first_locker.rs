//! Containers and files of the first Locker, taken over as docs/from-the-first-locker.md says.

use crate::machine::Host;
use crate::on_a_host;
use crate::project::Project;

/// Two containers as the first Locker left them on a host whose LXC has been upgraded since: volumes in
/// a file of mounts, host name and links in the root file system, started with the host.
const LEFT: &str = r#"
set -e
for name in db web; do
  dir=/var/lib/lxc/shop_$name
  lxc-create -n shop_$name -t tiny >/dev/null
  printf 'lxc.start.auto = 1\nlxc.start.delay = 5\nlxc.group = onboot\nlxc.mount.fstab = %s/fstab\n' $dir >> $dir/config
  mkdir -p /opt/data/shop_$name/log $dir/rootfs/log $dir/rootfs/etc
  echo $name > /opt/data/shop_$name/log/file
  echo "/opt/data/shop_$name/log log none bind 0 0" > $dir/fstab
done
cd /var/lib/lxc
printf '127.0.0.1 localhost\n127.0.1.1 db.example.net db\n' > shop_db/rootfs/etc/hosts
printf 'db\\d' > shop_db/rootfs/etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 oldweb\n10.1.1.9 db.example.net db database # shop_db\n' > shop_web/rootfs/etc/hosts
printf 'oldweb\n' > shop_web/rootfs/etc/hostname
"#;

/// Its file, in the layout of its last version.
const FILE: &str = r#"
defaults:
    dns:
        - "9.9.9.9"
containers:
    db:
        template:
            name: "tiny"
        volumes:
            - "/opt/data/$project_$name/log:/log"
        fqdn: 'db.example.net'
    web:
        template:
            name: "tiny"
        ports:
            - "8080:80"
            - "8080:80/udp"
        volumes:
            - "/opt/data/$project_$name/log:/log"
        links:
            - "db:database"
"#;

/// The lines of a container's hosts file that have this name, in their order.
fn lines_of(project: &Project<'_>, container: &str, name: &str) -> Vec<String> {
    let hosts = project.inside(container, "cat /etc/hosts").exits(0).out;
    let has = |line: &&str| line.split_whitespace().skip(1).any(|word| word == name);
    hosts.lines().filter(has).map(str::to_owned).collect()
}

/// What a container of the first Locker is after it has been taken over.
fn check(host: &Host, project: &Project<'_>) {
    for name in ["db", "web"] {
        let file = project.inside(name, "cat /log/file").exits(0).out;
        assert_eq!(file.trim(), name, "its volume is where it was");
        let config = host.sh(&format!("cat /var/lib/lxc/shop_{name}/config"));
        for gone in ["lxc.start.auto", "lxc.group", "lxc.start.delay", "old_"] {
            assert!(!config.contains(gone), "{gone} in {config}");
        }
    }
    let (db, own) = (project.ip("db"), lines_of(project, "db", "db"));
    assert!(
        own[0].starts_with(&format!("{db} db.example.net db")),
        "{own:?}"
    );
    assert_eq!(project.inside("db", "hostname").exits(0).out.trim(), "db");
    let links = lines_of(project, "web", "database");
    assert!(
        links[0].starts_with(&format!("{db} db.example.net db database")),
        "{links:?}"
    );
    let hosts = project.inside("web", "cat /etc/hosts").exits(0).out;
    assert!(!hosts.contains("10.1.1.9"), "{hosts}");
    // The name that LXC itself has not changed at the renaming is below ours.
    let at = |word: &str| hosts.find(word).unwrap_or(usize::MAX);
    assert!(at("oldweb") > at("# <<< locker:shop"), "{hosts}");
    assert_eq!(project.inside("web", "hostname").exits(0).out.trim(), "web");
}

#[test]
fn containers_of_the_first_locker_are_taken_over_with_names_links_and_volumes() {
    on_a_host(|host| {
        host.sh(LEFT);
        let project = Project::new(host, "shop", "  x: {template: {name: tiny}}\n");
        host.write("/srv/shop/locker.yaml", FILE);
        // They are nobody's whom locker knows: nothing happens to them, and the message says why.
        let said = project.locker("up").exits(1);
        said.says(&["a container `shop_db` is on the host and is not of this project"]);
        project
            .locker("start shop_web")
            .exits(2)
            .says(&["named as in the file: `web`"]);
        host.sh("for name in db web; do lxc-copy -n shop_$name -N old_$name -R; done");
        host.remember_as_clean();
        let mut taken = FILE.to_owned();
        for name in ["db", "web"] {
            let template = "template:\n            name: \"tiny\"";
            taken = taken.replacen(template, &format!("clone: old_{name}"), 1);
        }
        host.write("/srv/shop/locker.yaml", &taken);
        project.up();
        check(host, &project);
        project.locker("plan --exit-code").exits(0);
        project.locker("restart").exits(0);
        check(host, &project);
        // The clones are whole: they need their origins no more.
        host.sh("mkdir /opt/kept && mv /var/lib/lxc/old_* /opt/kept");
        project.locker("restart").exits(0);
        check(host, &project);
        host.sh("mv /opt/kept/old_* /var/lib/lxc");
        // A group that systemd has started leaves nothing there either.
        taken.push_str("groups: {all: [db, web]}\n");
        host.write("/srv/shop/locker.yaml", &taken);
        project.up();
        host.sh("systemctl start locker-shop-all.target");
        project.locker("down --yes").exits(0);
        host.sh("test -e /opt/data/shop_db/log/file");
    });
}

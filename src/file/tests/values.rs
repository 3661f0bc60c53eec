//! Values that their keys cannot have.

use super::errors::{titles, with};

#[test]
fn a_value_of_the_wrong_shape_is_refused() {
    for (keys, expected) in [
        (
            "ports: \"24001:80\"",
            "`ports` takes a list, not a single value",
        ),
        ("ports: {a: b}", "`ports` takes a list, not a map"),
        ("ports: [80: 80]", "this is a map for YAML, not a port"),
        (
            "ports: [\"80\"]",
            "`80` names one port only; a published port is `HOST_PORT:CONTAINER_PORT`",
        ),
        ("ports: [[80]]", "`ports` takes a single value, not a list"),
        ("ports: [{published: 80}]", "a port needs `target`"),
        (
            "ports: [{published: 80, target: 80, allow: [x]}]",
            "`x` is neither a subnet nor an IP address",
        ),
        (
            "ports: [\"80-82:80-81\"]",
            "the host's range has 3 ports and the container's has 2",
        ),
        (
            "volumes: [/a]",
            "`/a` is not a volume; it is `HOST_PATH:CONTAINER_PATH[:ro]`",
        ),
        ("volumes: [\"/a:/b\", \"/c:/b/\"]", "two volumes on `/b`"),
        ("volumes: [{source: /a}]", "a volume needs `target`"),
        (
            "volumes: [\"/data/$fqdn:/b\"]",
            "`$fqdn` has no meaning here: the container has no `fqdn`",
        ),
        ("fqdn: ", "`fqdn` has no value"),
        (
            "fqdn: $fqdn",
            "`$fqdn` has no meaning here: the container has no `fqdn`",
        ),
        (
            "dns: [dns.example]",
            "`dns.example` is not a name server; write an IP address, `$bridge`, `$copy` or `none`",
        ),
        ("cgroup: [memory.mx=1]", "`memory.mx` is not a cgroup key"),
        (
            "cgroup: [memory.max]",
            "`memory.max` is not a limit; it is `KEY=VALUE`, as in `memory.max=512M`",
        ),
        (
            "config: [lxc.uts.name = x]",
            "`lxc.uts.name` is written by locker; use the key `fqdn`",
        ),
        (
            "config: [lxc.mnt.entry = x]",
            "`lxc.mnt.entry` is not a key of lxc.container.conf",
        ),
        (
            "config: [\"lxc.tty.max = 1\\nlxc.include = /x\"]",
            "the value of `lxc.tty.max` holds a control character",
        ),
        (
            "environment: {1A: x}",
            "`1A` is not the name of a variable; it is made of letters, digits, `_`, `.` and `-`, and starts with no digit",
        ),
        (
            "environment: {A: \"x\\ny\"}",
            "the value of `A` holds a control character",
        ),
        (
            "environment: {A: [x]}",
            "`A` takes a single value, not a list",
        ),
        (
            "labels: [\"=x\"]",
            "`` is not the key of a label; it must not be empty nor hold blanks, `=` or control characters",
        ),
        (
            "idmap: maybe",
            "`idmap` is `auto` or a list of id ranges, not `maybe`",
        ),
        (
            "idmap: [\"u 0 1 2\", \"u 1 9 9\"]",
            "the id ranges `u 0 1 2` and `u 1 9 9` overlap",
        ),
        (
            "autostart: yes",
            "`autostart` is `true` or `false`, not `yes`",
        ),
        (
            "restart: allways",
            "`allways` is not a restart policy; it is `no`, `always`, `unless-stopped`, `on-failure[:TIMES]` or `on-unhealthy`",
        ),
        ("setup: echo", "`setup` takes a list, not a single value"),
        ("setup: [\"\"]", "a command of `setup` is empty"),
        ("setup: [\"echo ${1}\"]", "`${1}` is not a variable"),
        (
            "healthcheck: {test: x, interval: 5}",
            "`interval` is a time such as `30s` or `1m30s`, not `5`",
        ),
        (
            "healthcheck: {interval: 5s}",
            "`healthcheck` has neither `test` nor `port`",
        ),
        (
            "healthcheck: {test: x, port: 80}",
            "`healthcheck` has both `test` and `port`",
        ),
        ("healthcheck: {port: 0}", "a port is 1 to 65535, not 0"),
        (
            "healthcheck: {port: 65536}",
            "a port is 1 to 65535, not 65536",
        ),
        (
            "healthcheck: {test: [x]}",
            "a list as `test` begins with `CMD`, `CMD-SHELL` or `NONE`",
        ),
        ("depends_on: [a]", "`a` waits for itself"),
        (
            "depends_on: [b]",
            "depends on `b`, which this project does not have",
        ),
        (
            "depends_on: {a: healthy}",
            "the dependency on `a` is a map, not a single value",
        ),
        (
            "image: nginx",
            "`image` is for Docker containers, and container `a` is an LXC container",
        ),
        ("template: y", "the key `template` stands here twice"),
        (
            "env_file: nosuch.env",
            "cannot read the variables in `/srv/shop/nosuch.env`: No such file or directory (os error 2)",
        ),
        (
            "group: a b",
            "`a b` holds ' '; a name is made of letters, digits, `_`, `.` and `-`",
        ),
    ] {
        titles(&with(keys), &[expected]);
    }
}

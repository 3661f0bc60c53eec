//! Values that keys of application containers cannot have: each is one error at its place.

use super::errors::titles;
use super::{drawn, read_text};

/// A service `a` with these keys.
fn service(keys: &str) -> String {
    format!("services:\n  a:\n    image: x\n    {keys}\n")
}

#[test]
fn a_value_of_the_wrong_shape_is_refused() {
    for (keys, expected) in [
        (
            "ports: [\"80:80/sctp\"]",
            "`sctp` is not a protocol; it is `tcp` or `udp`",
        ),
        (
            "ports: [\"99999\"]",
            "`99999` is not a port; ports are 1 to 65535",
        ),
        ("ports: [{published: 80}]", "a port needs `target`"),
        (
            "ports: [{target: 80, mode: x}]",
            "`x` is not a mode of a port; it is `host` or `ingress`",
        ),
        (
            "ports: [{target: 80, host_ip: x}]",
            "`x` is not an IP address",
        ),
        ("expose: [x]", "`x` is not a port; ports are 1 to 65535"),
        (
            "volumes: [\"a:b:c:d\"]",
            "`a:b:c:d` is not a volume; it is `HOST_PATH:CONTAINER_PATH[:ro]`",
        ),
        (
            "volumes: [\"/a:/b:rx\"]",
            "`rx` is not a mode of a volume; it is `ro` or `rw`",
        ),
        (
            "volumes: [data]",
            "`data` cannot be a mount point: it must be an absolute path of the container",
        ),
        (
            "volumes: [\"data:/d\"]",
            "there is no volume `data` below `volumes`",
        ),
        (
            "volumes: [\"/a:/b\", {type: tmpfs, target: /b}]",
            "two volumes on `/b`",
        ),
        ("volumes: [\"/a:/b\"]\n    tmpfs: /b", "two volumes on `/b`"),
        (
            "volumes: [{type: npipe, source: x, target: /y}]",
            "locker does not mount `npipe`; it mounts `bind`, `volume` and `tmpfs`",
        ),
        (
            "volumes: [{type: x, source: x, target: /y}]",
            "`x` is not a type of a volume; it is `bind`, `volume` or `tmpfs`",
        ),
        (
            "volumes: [{type: volume, source: ./x, target: /y}]",
            "`./x` is a path, not the name of a volume",
        ),
        (
            "volumes: [{type: bind, target: /y}]",
            "a volume needs `source`",
        ),
        (
            "volumes: [{type: volume, target: /y, volume: {subpath: a}}]",
            "locker does not have `subpath`: the engine mounts whole volumes",
        ),
        (
            "volumes: [{type: tmpfs, target: /y, tmpfs: {size: big}}]",
            "`big` is not a size; it is a number of bytes, or one with a unit such as `512m` or `2g`",
        ),
        ("command: \"a 'b\"", "a quote in `command` is not closed"),
        (
            "command: {a: b}",
            "`command` takes a single value, not a map",
        ),
        (
            "command: [[a]]",
            "`command` takes a single value, not a list",
        ),
        ("command: [\"a\\0\"]", "`command` holds a zero byte"),
        (
            "environment: {\"A=\": b}",
            "`A=` is not the name of a variable; it is made of letters, digits, `_`, `.` and `-`, and starts with no digit",
        ),
        (
            "environment: {A: \"b\\0\"}",
            "the value of `A` holds a control character",
        ),
        (
            "env_file: [{required: false}]",
            "a file of variables needs `path`",
        ),
        (
            "env_file: [{path: /x, format: toml, required: false}]",
            "`toml` is not a format of variables; it is `raw`",
        ),
        (
            "labels: {locker.mark: x}",
            "`locker.mark` is a label that locker writes itself; labels that begin with `locker.` are its own",
        ),
        (
            "user: \"a\\nb\"",
            "`user` is empty or holds a control character",
        ),
        (
            "hostname: \"a b\"",
            "`a b` is not a host name: it may hold letters, digits, `-` and dots only",
        ),
        (
            "container_name: a/b",
            "`a/b` is not the name of a container",
        ),
        ("init: maybe", "`init` is `true` or `false`, not `maybe`"),
        (
            "pull_policy: sometimes",
            "`sometimes` is not when an image is fetched",
        ),
        (
            "post_start: [echo]",
            "an entry of `post_start` is a map, not a single value",
        ),
        (
            "post_start: [{user: root}]",
            "an entry of `post_start` has no `command`",
        ),
        (
            "pre_stop: [{command: 'sh -c \"x'}]",
            "a quote in a command of `pre_stop` is not closed",
        ),
        (
            "pre_stop: [{command: []}]",
            "a command of `pre_stop` is empty",
        ),
        (
            "pull_policy: every_day",
            "`day` is not a time; it is numbers with units, such as `30s` or `1m30s`",
        ),
        (
            "pull_policy: refresh",
            "`refresh` does not say after what time",
        ),
        (
            "pull_policy: never\n    pull_refresh_after: 1h",
            "`pull_refresh_after` has no sense with `never`",
        ),
        (
            "pull: always\n    pull_policy: always",
            "`pull` and `pull_policy` mean the same",
        ),
        (
            "platform: amd64/linux/x/y",
            "`amd64/linux/x/y` is not a platform; it is `linux/ARCHITECTURE`, as in `linux/amd64`",
        ),
        (
            "isolation: hyperv",
            "`isolation: hyperv` is for Windows; on Linux it is `default`",
        ),
        (
            "mem_limit: 1x",
            "`1x` is not a size; it is a number of bytes, or one with a unit such as `512m` or `2g`",
        ),
        (
            "mem_limit: 99999999999999999999999999g",
            "`99999999999999999999999999g` is more than any machine has",
        ),
        (
            "mem_swappiness: 101",
            "`mem_swappiness` is from 0 to 100, not 101",
        ),
        (
            "memswap_limit: -2",
            "`-2` is not a size; it is a number of bytes, or one with a unit such as `512m` or `2g`",
        ),
        (
            "cpus: two",
            "`two` is not a number of processors, such as `0.5` or `2`",
        ),
        (
            "cpuset: 3-1",
            "`3-1` is not a list of processors; it is numbers and ranges, as in `0-2,4`",
        ),
        ("cpu_shares: -1", "`cpu_shares` is a whole number, not `-1`"),
        (
            "cpu_period: soon",
            "`cpu_period` is microseconds, or a time such as `50ms`, not `soon`",
        ),
        (
            "oom_score_adj: -1001",
            "`oom_score_adj` is from -1000 to 1000, not -1001",
        ),
        (
            "pids_limit: -2",
            "`pids_limit` is from -1 to 9223372036854775807, not -2",
        ),
        (
            "ulimits: {nofiles: 1}",
            "`nofiles` is not a resource limit; these are core, cpu, data, fsize, locks, memlock, msgqueue, nice, nofile, nproc, rss, rtprio, rttime, sigpending, stack",
        ),
        (
            "ulimits: {nofile: {soft: 2, hard: 1}}",
            "the soft limit 2 is above the hard one 1",
        ),
        (
            "ulimits: {nofile: {soft: 2}}",
            "the limit `nofile` needs `soft` and `hard`",
        ),
        ("ulimits: [nofile]", "`ulimits` takes a map, not a list"),
        (
            "sysctls: {net: 1}",
            "`net` is not a kernel parameter; it is words with dots, as in `net.core.somaxconn`",
        ),
        (
            "sysctls: [net.core.somaxconn]",
            "`net.core.somaxconn` of `sysctls` has no value",
        ),
        (
            "cap_add: [NET-ADMIN]",
            "`NET-ADMIN` is not a capability; it is a word such as `NET_ADMIN`, or `ALL`",
        ),
        (
            "devices: [fuse]",
            "`fuse:fuse:rwm` is not a device; it is `/dev/HOST[:/dev/INSIDE[:rwm]]`",
        ),
        (
            "devices: [nvidia.com/gpu=all]",
            "`nvidia.com/gpu=all` is a device of a CDI plugin, which locker cannot hand out",
        ),
        (
            "device_cgroup_rules: [x]",
            "`x` is not a device rule; it is `TYPE MAJOR:MINOR ACCESS`, as in `c 1:3 mr`",
        ),
        ("security_opt: [x]", "`x` is not an option of security"),
        (
            "security_opt: [\"seccomp=/nosuch\"]",
            "cannot read the seccomp profile `/nosuch`: No such file or directory (os error 2)",
        ),
        (
            "logging: journald",
            "`logging` takes a map, not a single value",
        ),
        (
            "extra_hosts: [db]",
            "`db` is not a host; it is `NAME=ADDRESS`, and the address may be `host-gateway`",
        ),
        (
            "stop_signal: TERMINATE NOW",
            "`TERMINATE NOW` is not a signal; it is a name such as `SIGTERM`, or a number from 1 to 64",
        ),
        (
            "stop_grace_period: 30",
            "`stop_grace_period` is a time such as `30s` or `1m30s`, not `30`",
        ),
        (
            "restart: on-failure:x",
            "`x` is not how often it may be restarted; it is a number from 1 up",
        ),
        (
            "pid: other",
            "`pid` is `host` or `service:NAME` or `container:NAME`, not `other`",
        ),
        ("uts: private", "`uts` is `host`, not `private`"),
        (
            "cgroup: shared",
            "`cgroup` is `host` or `private`, not `shared`",
        ),
        (
            "ipc: \"service:b\"",
            "shares with `b`, which this project does not have",
        ),
        (
            "network_mode: bridge\n    mac_address: 02:42:ac:11:00:35",
            "`mac_address` needs a network of the project, which `network_mode` takes away",
        ),
        (
            "working_dir: rel",
            "`rel` is not an absolute path in the container",
        ),
        (
            "user: a:b:c",
            "`a:b:c` is not a user; it is `USER[:GROUP]`, names or numbers from 0 to 2147483647",
        ),
        (
            "sysctls: {vm.swappiness: 1}",
            "`vm.swappiness` is a parameter of the whole host; a container has its own of `net.*`, `fs.mqueue.*`, `kernel.domainname`, and of `kernel.` those of System V IPC",
        ),
        (
            "network_mode: host\n    sysctls: {net.core.somaxconn: 1}",
            "`net.core.somaxconn` is the host's with `network_mode: host`",
        ),
        (
            "ipc: host\n    sysctls: {kernel.shmmax: 65536}",
            "`kernel.shmmax` is the host's with `ipc: host`",
        ),
        (
            "logging: {driver: json-file, options: {max-sizee: 5m}}",
            "`max-sizee` is not an option of the log driver `json-file`; it has max-size, max-file, compress, labels, labels-regex, env, env-regex, tag, mode, max-buffer-size",
        ),
        (
            "logging: {driver: local, options: {max-size: abc}}",
            "`abc` is no value of the log option `max-size`",
        ),
        ("mem_limit: 1m", "a container has at least 6 MiB of memory"),
        (
            "memswap_limit: 20m",
            "`memswap_limit` needs a limit of the memory",
        ),
        (
            "mem_limit: 10m\n    mem_reservation: 20m",
            "more memory is kept for the container than it may have",
        ),
        (
            "network_mode: mynet",
            "`mynet` is not a network mode; it is `host`, `none`, `bridge`, `service:NAME` or `container:NAME`",
        ),
        (
            "network_mode: \"service:a\"",
            "`a` cannot share with itself",
        ),
        (
            "network_mode: none\n    networks: [default]",
            "`network_mode` and `networks` exclude each other",
        ),
        (
            "networks: [back]",
            "there is no network `back` below `networks`",
        ),
        (
            "networks: {default: {ipv4_address: x}}",
            "`x` is not an IPv4 address",
        ),
        (
            "networks: {default: {aliases: [\"a b\"]}}",
            "`a b` is not a name that others can use",
        ),
        (
            "mac_address: \"01:00:00:00:00:01\"",
            "`01:00:00:00:00:01` is not a hardware address; it is six bytes as in `02:42:ac:11:65:43`, none of a group",
        ),
        ("secrets: [s]", "there is no `s` below `secrets`"),
        (
            "volumes_from: [\"b:ro\"]",
            "shares with `b`, which this project does not have",
        ),
        (
            "blkio_config: {weight: 5}",
            "`weight` is from 10 to 1000, not 5",
        ),
        (
            "blkio_config: {device_read_bps: [{path: /dev/x}]}",
            "a limit of a device needs `rate`",
        ),
        (
            "deploy: {resources: {limits: {memory: 16m}}}\n    mem_limit: 32m",
            "`mem_limit` of this container says something else",
        ),
        (
            "deploy: {resources: {reservations: {generic_resources: []}}}",
            "locker does not have `generic_resources`: there is no swarm here",
        ),
        (
            "deploy: {restart_policy: {condition: sometimes}}",
            "`sometimes` is not a condition; it is `none`, `on-failure`, `unless-stopped` or `any`",
        ),
        (
            "deploy: {mode: job}",
            "`job` is not a mode of `deploy`; it is `replicated` or `global`",
        ),
        ("deploy: [a]", "`deploy` takes a map, not a list"),
        (
            "build: [a]",
            "`build` takes a directory or a map, not a list",
        ),
        (
            "build: \"https://example.net/x.git\"",
            "locker builds from directories, not from addresses",
        ),
        (
            "build: {context: ., ssh: [default]}",
            "locker does not have `ssh`: the classic builder cannot pass them on",
        ),
        (
            "build: {context: ., platforms: [linux/amd64, linux/arm64]}",
            "an image is built for one platform at a time",
        ),
        (
            "build: {context: ., dockerfile: a, dockerfile_inline: b}",
            "`dockerfile` and `dockerfile_inline` exclude each other",
        ),
        ("build: {contxt: .}", "unknown key `contxt` in `build`"),
        (
            "depends_on: {a: {condition: ready}}",
            "`ready` is not a condition; it is `started`, `healthy` or `completed_successfully`",
        ),
        (
            "healthcheck: {test: x, start_interval: 1us}",
            "`start_interval` is at least one millisecond",
        ),
        ("on_demand: 1", "`on_demand` is `true` or `false`, not `1`"),
        (
            "idle: soon",
            "`idle` is a time such as `30s` or `1m30s`, not `soon`",
        ),
        (
            "supervisor: runit",
            "`runit` is not a supervisor; it is `auto`, `systemd` or `none`",
        ),
        ("ipsc: host", "unknown key `ipsc` in service `a`"),
    ] {
        titles(&service(keys), &[expected]);
    }
}

#[test]
fn names_of_images_are_checked() {
    for (image, expected) in [
        (
            "Nginx",
            "`Nginx` is not the name of an image: the engine takes no capital letters in it",
        ),
        (
            "\"a b\"",
            "`a b` is not the name of an image; it is `[REGISTRY/]NAME[:TAG]`, as in `nginx:1.27`",
        ),
        ("\"\"", "the name of an image must not be empty"),
    ] {
        titles(
            &format!("services: {{a: {{image: {image}}}}}\n"),
            &[expected],
        );
    }
}

#[test]
fn what_the_top_level_defines_is_checked() {
    let file = |top: &str| format!("services: {{a: {{image: x}}}}\n{top}\n");
    for (top, expected) in [
        (
            "networks: {n: {driver: overlay}}",
            "locker does not make networks of the driver `overlay`; it makes bridges",
        ),
        (
            "networks: {n: {external: true, name: host}}",
            "`host` is no network that can be joined",
        ),
        (
            "networks: {n: {ipam: {config: [{subnet: 10.0.0.1/24}]}}}",
            "`10.0.0.1/24` is an address within a subnet; the subnet is `10.0.0.0/24`",
        ),
        (
            "networks: {n: {ipam: {config: [{subnet: 10.0.0.0/24, gateway: 10.0.1.9}]}}}",
            "the gateway `10.0.1.9` is no address of a host in `10.0.0.0/24`",
        ),
        (
            "networks: {n: {ipam: {config: [{subnet: 10.0.0.0/24}, {subnet: 10.1.0.0/24}]}}}",
            "a network has one IPv4 subnet here",
        ),
        (
            "networks: {n: {enable_ipv4: false}}",
            "every network of locker has IPv4",
        ),
        (
            "networks: [n]",
            "`networks` takes a map of names, not a list",
        ),
        (
            "networks: {n: {drivr: x}}",
            "unknown key `drivr` in network `n`",
        ),
        (
            "volumes: {v: {external: true, name: a/b}}",
            "`a/b` is not the name of a volume or network of the engine",
        ),
        ("volumes: {v: x}", "volume `v` is a map, not a single value"),
        ("secrets: {s: x}", "secret `s` is a map, not a single value"),
        ("configs: {c: {}}", "config `c` has no content"),
        (
            "models: {}",
            "locker does not have `models`: there is no model runner here",
        ),
    ] {
        titles(&file(top), &[expected]);
    }
}

#[test]
fn kinds_do_not_mix() {
    for (text, expected) in [
        (
            "containers: {a: {image: x, template: y}}",
            "`template` is for LXC containers, and container `a` is a Docker container",
        ),
        (
            "containers: {a: {template: y, image: x}}",
            "`image` is for Docker containers, and container `a` is an LXC container",
        ),
        (
            "containers: {a: {image: x, config: [lxc.tty.max = 1]}}",
            "`config` is for LXC containers, and container `a` is a Docker container",
        ),
        (
            "containers: {a: {template: x, command: y}}",
            "`command` is for Docker containers, and container `a` is an LXC container",
        ),
        (
            "containers: {a: {template: x}, b: {image: x, network_mode: \"service:a\"}}",
            "`a` is an LXC container, with which a Docker container cannot share",
        ),
        (
            "containers: {a: {template: x, volumes: [\"v:/v\"]}}\nvolumes: {v: {external: true}}",
            "an LXC container cannot mount `v`, which the engine of Docker keeps",
        ),
        (
            "defaults: {cgroup: [memory.max=1G]}\ncontainers: {a: {image: x, cgroup: host}}",
            "`cgroup` is a word here, and limits in `defaults`",
        ),
        (
            "network: {subnet: 10.0.0.0/24}\nnetworks: {default: {}}\ncontainers: {a: {image: x}}",
            "`network` and `networks.default` both tell of the project's own network",
        ),
    ] {
        titles(text, &[expected]);
    }
}

#[test]
fn what_is_read_and_has_no_effect_is_told() {
    for (keys, expected) in [
        (
            "volumes: [\"/a:/b:z\"]",
            "`z` has no effect here: locker leaves marks of SELinux alone",
        ),
        (
            "container_name: my-app",
            "the container is called `shop_a` on the host; `my-app` is a further name for it on its networks",
        ),
        (
            "depends_on: {gone: {required: false}}",
            "depends on `gone`, which this project does not have",
        ),
        (
            "deploy: {update_config: {order: start-first}}",
            "`update_config` has no effect here: there is no swarm here",
        ),
        (
            "networks: {default: {link_local_ips: [169.254.1.1]}}",
            "`link_local_ips` has no effect here: the kernel picks them",
        ),
        (
            "build: {context: ., cache_from: [\"type=local,src=x\"]}",
            "`type=local,src=x` has no effect here: the engine's classic builder does not know it",
        ),
    ] {
        let text = service(keys);
        let said = drawn(&text);
        assert!(
            said.starts_with(&format!("warning: {expected}\n")),
            "{keys}: {said}"
        );
        assert!(read_text(&text).is_ok(), "{said}");
    }
}

#[test]
fn an_error_of_a_service_is_drawn_with_its_line_and_what_to_do() {
    assert_eq!(
        drawn("services:\n  web:\n    image: nginx\n    network_mode: lan\n    models: {}\n"),
        "\
error: `lan` is not a network mode; it is `host`, `none`, `bridge`, `service:NAME` or `container:NAME`
 --> locker.yaml:4:19
  |
4 |     network_mode: lan
  |                   ^^^
  |
  = help: to join a network that is there, name it below `networks` with `external: true`

error: locker does not have `models`: there is no model runner here
 --> locker.yaml:5:5
  |
5 |     models: {}
  |     ^^^^^^
"
    );
}

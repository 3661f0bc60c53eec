//! Every syntax takes what the engine takes and refuses the rest.

use super::*;

/// `check` takes all of `good` and none of `bad`.
#[track_caller]
fn table<T>(check: impl Fn(&str) -> Result<T, AppValueError>, good: &[&str], bad: &[&str]) {
    for text in good {
        assert!(check(text).is_ok(), "{text:?} was refused");
    }
    let hostile = [
        "",
        "\0",
        "a\nb",
        "é",
        "99999999999999999999999",
        "../..",
        "$(id)",
        "\u{202e}",
    ];
    for text in bad.iter().chain(&hostile) {
        assert!(check(text).is_err(), "{text:?} was taken");
    }
}

#[test]
fn names_of_the_kernel() {
    table(
        check_sysctl,
        &["net.core.somaxconn", "net/ipv4/ip_forward"],
        &["net", "net..x", ".a", "a b.c", "a.b="],
    );
    table(
        capability,
        &["NET_ADMIN", "cap_sys_ptrace", "ALL"],
        &[
            "A",
            "NET ADMIN",
            "NET-ADMIN",
            "X1X",
            "NOSUCH",
            "CAP_FOO_BAR",
            "CAP_ALL_",
        ],
    );
    table(
        check_signal,
        &["SIGTERM", "INT", "9", "SIGRTMIN+3", "sigterm", "RTMAX-14"],
        &[
            "0",
            "65",
            "SIGFOO",
            "-9",
            "+9",
            "SIG",
            "TERM;",
            "SIGRTMIN+40",
            "RTMIN+03",
        ],
    );
    table(
        check_user,
        &[
            "root",
            "1000",
            "1000:",
            ":5",
            "a:b",
            "u@dom",
            "2147483647:0",
        ],
        &["", ":", "a:b:c", "-1", "99999999999", "a b", "1:-2"],
    );
    table(check_working_dir, &["/", "/a/../b"], &["", "rel", "./a"]);
    assert!(check_tmpfs("").is_ok());
    let tmpfs = |text: &str| match text {
        "" => Err(AppValueError::Tmpfs(String::new())),
        text => check_tmpfs(text),
    };
    table(
        tmpfs,
        &[
            "rw,nosuid,size=64k,uid=5,gid=5,mode=700",
            "size=10%",
            "nr_inodes=1k,noexec",
        ],
        &[
            "size=abc", "foo=bar", "mode=999", "uid=x", "size=", "nosuch", "size=1 m",
        ],
    );
    table(
        sysctl_of,
        &[
            "net.core.somaxconn",
            "net/ipv4/ip_forward",
            "fs.mqueue.msg_max",
            "kernel.shmmax",
            "kernel.domainname",
        ],
        &["vm.swappiness", "kernel.hostname", "fs.file-max", "net"],
    );
    table(
        check_device_rule,
        &["c 1:3 mr", "a *:* rwm", "b 8:* r"],
        &["c 1:3", "x 1:3 r", "c 1 r", "c 1:3 x", "c +1:3 r"],
    );
    table(
        Ulimit::check_name,
        &["nofile", "core"],
        &["files", "NOFILE", "nofile "],
    );
}

#[test]
fn devices() {
    let shown = |text: &str| {
        Device::parse(text).map(|d| {
            format!(
                "{}:{}:{}",
                d.host.display(),
                d.target.display(),
                d.permissions
            )
        })
    };
    assert_eq!(shown("/dev/a").unwrap(), "/dev/a:/dev/a:rwm");
    assert_eq!(shown("/dev/a:/dev/b").unwrap(), "/dev/a:/dev/b:rwm");
    assert_eq!(shown("/dev/a:r").unwrap(), "/dev/a:/dev/a:r");
    assert_eq!(shown("/dev/a:/dev/b:rw").unwrap(), "/dev/a:/dev/b:rw");
    assert_eq!(
        Device::parse("nvidia.com/gpu=all"),
        Err(AppValueError::Cdi("nvidia.com/gpu=all".into()))
    );
    table(
        Device::parse,
        &[],
        &[
            "dev/a",
            "/dev/a:b/c:r:w",
            "/dev/a:/dev/b:",
            "/dev/a:/dev/b:rr",
            "/dev/a:/dev/b:x",
        ],
    );
}

#[test]
fn resource_limits() {
    table(
        Ulimit::value,
        &["0", "1024", "-1", "unlimited"],
        &["-2", "+1", "1k", "x"],
    );
    assert!(Ulimit::new(1, 2).is_ok() && Ulimit::new(1, -1).is_ok() && Ulimit::new(-1, -1).is_ok());
    assert!(Ulimit::new(3, 2).is_err() && Ulimit::new(-1, 2).is_err());
    assert_eq!(nano_cpus("0.5"), Ok(500_000_000));
    assert_eq!(nano_cpus("2"), Ok(2_000_000_000));
    assert_eq!(nano_cpus(".25"), Ok(250_000_000));
    table(
        nano_cpus,
        &["1.5"],
        &["0", ".", "-1", "+1", "1.5.0", "1e3", "0.0000000001"],
    );
    table(
        check_cpuset,
        &["0", "0-3", "0,2-4"],
        &["3-1", "0,", "a", "-1", "0-", "1 2", "65536"],
    );
}

#[test]
fn what_others_are_told() {
    assert_eq!(
        extra_host("db:10.0.0.1").unwrap(),
        ("db".into(), "10.0.0.1".into())
    );
    assert_eq!(
        extra_host("db=[fd00::1]").unwrap(),
        ("db".into(), "fd00::1".into())
    );
    assert_eq!(extra_host("db:::1").unwrap(), ("db".into(), "::1".into()));
    assert_eq!(extra_host("h:host-gateway").unwrap().1, "host-gateway");
    table(
        extra_host,
        &["a_b=1.2.3.4"],
        &[
            "db",
            "db:",
            ":1.2.3.4",
            "a b:1.2.3.4",
            "db:x",
            "db:1.2.3.4\n::1 x",
        ],
    );
    assert_eq!(
        mac_address("02-42-AC-11-65-43").unwrap(),
        "02:42:ac:11:65:43"
    );
    table(
        mac_address,
        &[],
        &[
            "02:42:ac:11:65",
            "01:42:ac:11:65:43",
            "02:42:ac:11:65:4g",
            "0242ac116543",
        ],
    );
    table(
        check_platform,
        &["linux/amd64", "linux/arm/v7", "linux"],
        &["/", "linux/", "Linux/amd64", "a/b/c/d"],
    );
    table(
        check_propagation,
        &["rslave", "shared"],
        &["RSLAVE", "unbindable"],
    );
}

#[test]
fn permissions_are_octal() {
    assert_eq!(file_mode("0440"), Ok(0o440));
    assert_eq!(file_mode("440"), Ok(0o440));
    assert_eq!(file_mode("0o600"), Ok(0o600));
    table(
        file_mode,
        &["7777"],
        &["288", "0x1", "10000", "77777", "-1", "rw"],
    );
}

#[test]
fn plain_texts_have_no_control_characters() {
    assert!(check_plain("user", "1000:1000").is_ok());
    for text in ["", "a\n", "a\0b", "\u{7f}"] {
        assert_eq!(check_plain("user", text), Err(AppValueError::Plain("user")));
    }
}

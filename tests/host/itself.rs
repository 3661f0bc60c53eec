//! The test host itself, without locker: when this fails, the fault is in the ring, not in the program.

use crate::on_a_host;
use crate::project::eventually;

#[test]
fn a_test_host_runs_lxc_with_the_tests_own_template() {
    on_a_host(|host| {
        host.sh(
            "ip link add br0 type bridge && ip addr add 192.0.2.1/24 dev br0 && ip link set br0 up && \
             lxc-create -n raw -t tiny >/dev/null && printf '%s\\n' 'lxc.net.0.type = veth' 'lxc.net.0.link = br0' \
             'lxc.net.0.flags = up' 'lxc.net.0.ipv4.address = 192.0.2.2/24' >> /var/lib/lxc/raw/config && lxc-start -n raw",
        );
        eventually("raw".to_owned(), || {
            host.try_sh("curl -s --max-time 2 http://192.0.2.2/")
                .out
                .trim()
                .to_owned()
        });
        assert_eq!(host.sh("lxc-attach -n raw -- cat /srv/boots"), "boot");
        host.sh("lxc-stop -k -n raw && lxc-destroy -n raw && ip link delete br0");
    });
}

#[test]
fn a_test_host_runs_docker_which_closes_the_forward_chain() {
    on_a_host(|host| {
        host.sh("systemctl unmask docker docker.socket containerd && systemctl start docker");
        host.sh("iptables -S FORWARD | grep -q -- '-P FORWARD DROP'");
        host.remember_as_clean();
    });
}

#[test]
fn a_test_host_cannot_write_to_the_shared_root_file_system() {
    on_a_host(|host| {
        host.sh("touch /usr/bin/mark && rm /usr/bin/curl");
        let lower = crate::image::rootfs();
        assert!(!lower.join("usr/bin/mark").exists() && lower.join("usr/bin/curl").exists());
    });
}

//! What to write in place of a key that does not work where it stands.

/// The hint, where there is one.
pub(super) fn instead_of(name: &str) -> Option<&'static str> {
    Some(match name {
        "command" | "entrypoint" => "a system container runs its own init; see `setup`",
        "cpus" | "cpuset" | "cpu_shares" | "cpu_period" | "cpu_quota" | "mem_limit"
        | "mem_reservation" | "memswap_limit" | "pids_limit" | "blkio_config" | "deploy" => {
            "write the limit in `cgroup`"
        }
        "hostname" | "domainname" => "write it in `fqdn`",
        "networks" | "network_mode" => "an LXC container is on the project's own network",
        "userns_mode" => "write `idmap`",
        "cap_add" | "cap_drop" | "devices" | "privileged" | "security_opt" | "sysctls"
        | "tmpfs" | "ulimits" | "mac_address" => "write the lines for LXC in `config`",
        "extra_hosts" => "use `links` for containers of this project",
        "external_links" => "make both use an external network; see `networks`",
        "dns_search" | "dns_opt" => "write them into the container's own resolv.conf with `setup`",
        "secrets" | "configs" => "mount the file with `volumes`",
        "pull" | "pull_policy" | "pull_refresh_after" | "platform" => {
            "an LXC container is not made from an image"
        }
        "config" => "see `sysctls`, `cap_add`, `devices`, `security_opt` and `ulimits`",
        "idmap" => "see `userns_mode`",
        "template" | "clone" | "download" | "rootfs" => {
            "its `image` or `build` is what it is made from"
        }
        "use_api_socket" => "mount it: `volumes: [\"/var/run/docker.sock:/var/run/docker.sock\"]`",
        "gpus" => "write the lines for LXC in `config`",
        "pre_start" => {
            "make it a service of its own, and wait for it: `depends_on: {NAME: {condition: service_completed_successfully}}`"
        }
        "additional_contexts" => "copy what is needed below `context`",
        "ssh" | "entitlements" => {
            "the engine's classic builder is used; fetch what needs a key before"
        }
        "subpath" => "mount the directory itself with `type: bind`",
        _ => return None,
    })
}

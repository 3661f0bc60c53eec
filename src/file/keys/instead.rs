//! What to write in place of a key that does not work where it stands.

/// The hint, where there is one.
pub(super) fn instead_of(name: &str) -> Option<&'static str> {
    Some(match name {
        "command" | "entrypoint" => "a system container runs its own init; see `setup`",
        "network_mode" => "an LXC container is on a network of the project; see `networks`",
        "userns_mode" => "write `idmap`",
        "security_opt" => {
            "write `lxc.apparmor.profile`, `lxc.seccomp.profile` or `lxc.no_new_privs` in `config`"
        }
        "user" | "group_add" | "working_dir" => {
            "its init runs as root in `/`; `exec -u` and `exec -w` say it for a command"
        }
        "init" => "a system container runs its own init",
        "tty" | "stdin_open" => "a system container has a console; see `locker shell`",
        "external_links" => "make both use an external network; see `networks`",
        "secrets" | "configs" => "mount the file with `volumes`",
        "pull" | "pull_policy" | "pull_refresh_after" | "platform" => {
            "an LXC container is not made from an image"
        }
        "ready" => "see `healthcheck`",
        "nesting" => "write `privileged: true`, or mount the engine's socket with `volumes`",
        "config" => "see `sysctls`, `cap_add`, `devices`, `security_opt` and `ulimits`",
        "idmap" => "see `userns_mode`",
        "template" | "clone" | "download" | "rootfs" => {
            "its `image` or `build` is what it is made from"
        }
        "use_api_socket" => "mount it: `volumes: [\"/var/run/docker.sock:/var/run/docker.sock\"]`",
        "gpus" => "name the devices in `devices`",
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

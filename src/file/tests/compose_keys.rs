//! Every key of the Compose Specification does something, or is told not to: the promise of
//! docs/compose.md, key by key.

use super::{drawn, read_text};
use crate::file::keys::{CONTAINER, For, Treatment};
use crate::model::{Container, Place};

/// An example of each key that works for application containers.
const EXAMPLES: &[(&str, &str)] = &[
    ("ports", "[\"80:80\"]"),
    ("volumes", "[\"/a:/b\"]"),
    ("fqdn", "a.example"),
    ("links", "[other]"),
    ("dns", "8.8.8.8"),
    ("cgroup", "host"),
    ("environment", "{A: b}"),
    ("env_file", "/nosuch"),
    ("depends_on", "[other]"),
    ("healthcheck", "{test: x}"),
    ("restart", "always"),
    ("labels", "{a: b}"),
    ("group", "front"),
    ("setup", "[x]"),
    ("autostart", "true"),
    ("image", "redis"),
    ("build", "."),
    ("pull", "always"),
    ("pull_policy", "build"),
    ("pull_refresh_after", "24h"),
    ("platform", "linux/arm64"),
    ("command", "x"),
    ("entrypoint", "x"),
    ("user", "root"),
    ("group_add", "[1]"),
    ("working_dir", "/x"),
    ("hostname", "x"),
    ("domainname", "x"),
    ("container_name", "x"),
    ("init", "true"),
    ("tty", "true"),
    ("stdin_open", "true"),
    ("read_only", "true"),
    ("privileged", "true"),
    ("ulimits", "{nofile: 1024}"),
    ("sysctls", "{net.b: 1}"),
    ("cap_add", "[ALL]"),
    ("cap_drop", "[ALL]"),
    ("devices", "[/dev/x]"),
    ("device_cgroup_rules", "[\"c 1:3 r\"]"),
    ("tmpfs", "/x"),
    ("shm_size", "1m"),
    ("security_opt", "[\"no-new-privileges:true\"]"),
    ("logging", "{driver: none}"),
    ("extra_hosts", "{a: 1.1.1.1}"),
    ("dns_search", "example"),
    ("dns_opt", "[use-vc]"),
    ("stop_signal", "SIGINT"),
    ("stop_grace_period", "1s"),
    ("pid", "host"),
    ("ipc", "host"),
    ("uts", "host"),
    ("userns_mode", "host"),
    ("cgroup_parent", "x"),
    ("runtime", "x"),
    ("oom_score_adj", "5"),
    ("oom_kill_disable", "true"),
    ("storage_opt", "{size: 1G}"),
    ("mem_limit", "64m"),
    ("mem_reservation", "64m"),
    ("memswap_limit", "-1"),
    ("mem_swappiness", "5"),
    ("cpus", "0.5"),
    ("cpu_shares", "5"),
    ("cpu_period", "50ms"),
    ("cpu_quota", "50000"),
    ("cpu_rt_runtime", "400ms"),
    ("cpu_rt_period", "1400us"),
    ("cpuset", "0"),
    ("pids_limit", "5"),
    ("blkio_config", "{weight: 300}"),
    ("deploy", "{resources: {limits: {memory: 16m}}}"),
    ("network_mode", "none"),
    ("networks", "[back]"),
    ("mac_address", "02:42:ac:11:65:43"),
    ("secrets", "[s]"),
    ("configs", "[c]"),
    ("volumes_from", "[other]"),
    ("label_file", "/nosuch"),
    ("profiles", "[x]"),
    ("scale", "2"),
    ("extends", "other"),
    ("post_start", "[{command: x}]"),
    ("pre_stop", "[{command: x}]"),
    ("supervisor", "none"),
    ("expose", "[\"80\"]"),
    ("gpus", "all"),
    ("isolate", "true"),
    ("on_demand", "true"),
    ("idle", "1m"),
];

/// Files with one key each, for those that name nothing outside.
pub(super) fn files() -> impl Iterator<Item = String> {
    let examples = EXAMPLES.iter().filter(|(_, value)| *value != "/nosuch");
    examples.map(|(key, value)| file(key, value))
}

/// Keys that are checked, and of which nothing can come.
const CHECKED_ONLY: &[(&str, &str, &str)] = &[
    ("attach", "false", "maybe"),
    ("isolation", "default", "hyperv"),
];

fn file(key: &str, value: &str) -> String {
    let image = if key == "image" { "" } else { "image: x, " };
    format!(
        "services: {{a: {{{image}{key}: {value}}}, other: {{image: y, user: o}}}}\n\
         networks: {{back: }}\nsecrets: {{s: {{environment: TAG}}}}\nconfigs: {{c: {{content: x}}}}\n"
    )
}

/// The containers without their places, or what was said instead.
fn containers(text: &str) -> Result<Vec<Container>, String> {
    let loaded = read_text(text).map_err(|_| drawn(text))?;
    let mut all: Vec<Container> = loaded.project.containers.into_values().collect();
    for container in &mut all {
        container.place = Place::nowhere();
        container.places.clear();
    }
    Ok(all)
}

#[test]
fn every_key_that_works_changes_what_is_made() {
    let plain = containers(&file("x-nothing", "1"));
    for spec in CONTAINER {
        let works = spec.treatment == Treatment::Works && spec.of != For::System;
        let checked = CHECKED_ONLY.iter().find(|(key, ..)| *key == spec.name);
        if !works {
            continue;
        }
        if let Some((key, good, bad)) = checked {
            assert_eq!(containers(&file(key, good)), plain, "{key}");
            assert!(containers(&file(key, bad)).is_err(), "{key}");
            continue;
        }
        let example = EXAMPLES.iter().find(|(key, _)| *key == spec.name);
        let (key, value) = example.unwrap_or_else(|| panic!("no example of `{}`", spec.name));
        let text = file(key, value);
        match containers(&text) {
            Ok(all) => assert_ne!(Ok(all), plain, "`{key}` was dropped"),
            // A file that is named is asked for.
            Err(said) => assert!(said.contains("/nosuch"), "{key}: {said}"),
        }
    }
}

#[test]
fn every_other_key_is_told_by_name_with_its_line() {
    for spec in CONTAINER {
        let text = format!("services:\n  a:\n    image: x\n    {}: {{}}\n", spec.name);
        let said = drawn(&text);
        let (start, loads) = match (spec.treatment, spec.of) {
            (Treatment::Warned(reason), _) => (
                format!("warning: `{}` has no effect here: {reason}", spec.name),
                true,
            ),
            (Treatment::Refused(reason), _) => (
                format!("error: locker does not have `{}`: {reason}", spec.name),
                false,
            ),
            (Treatment::Works, For::System) => (
                format!(
                    "error: `{}` is for LXC containers, and service `a` is a Docker container",
                    spec.name
                ),
                false,
            ),
            (Treatment::Works, For::Both | For::Application) => continue,
        };
        assert!(said.contains(&start), "{said}");
        assert!(said.contains(":4:5"), "{said}");
        assert_eq!(read_text(&text).is_ok(), loads, "{said}");
    }
}

#[test]
fn a_system_container_refuses_every_key_of_the_other_kind() {
    for spec in CONTAINER.iter().filter(|spec| spec.of == For::Application) {
        let text = format!("containers:\n  a:\n    template: x\n    {}: \n", spec.name);
        let said = drawn(&text);
        let expected = format!(
            "error: `{}` is for Docker containers, and container `a` is an LXC container",
            spec.name
        );
        assert!(said.contains(&expected), "{said}");
    }
}

#[test]
fn labels_that_mark_what_is_lockers_or_docker_composes_are_refused_on_networks_and_volumes() {
    for (key, word) in [
        ("locker.project", "is a label that locker writes itself"),
        (
            "com.docker.compose.project",
            "by which docker compose knows its own",
        ),
        ("a b", "is not the key of a label"),
    ] {
        for kind in ["networks", "volumes"] {
            let text = format!(
                "services: {{a: {{image: x}}}}\n{kind}: {{n: {{labels: {{\"{key}\": x}}}}}}\n"
            );
            let told = drawn(&text);
            assert!(told.contains(word), "{kind} {key}: {told}");
        }
    }
}

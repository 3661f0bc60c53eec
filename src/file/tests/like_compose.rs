//! Files whose meaning docker compose has settled: each line is one that it loads, with what it makes
//! of it.

use std::time::Duration;

use super::{Home, drawn, project, read_text};
use crate::model::*;

fn app(text: &str) -> App {
    *project(text).containers["a"].app.clone().unwrap()
}

fn environment(text: &str) -> Vec<String> {
    let all = project(text).containers["a"].environment.clone();
    all.into_iter().map(|(k, v)| format!("{k}={v}")).collect()
}

#[test]
fn a_dollar_that_begins_no_variable_stays() {
    let text = r#"services: {a: {image: x, command: ["sh", "-c", "echo $(date) $1"], environment: ["R=^https?://(localhost)(:[0-9]+)?$", "C=a $ b"]}}"#;
    assert_eq!(app(text).command.unwrap()[2], "echo $(date) $1");
    assert_eq!(
        environment(text),
        ["C=a $ b", "R=^https?://(localhost)(:[0-9]+)?$"]
    );
}

#[test]
fn an_empty_single_value_counts_as_not_given() {
    let plain = app("services: {a: {image: x}}");
    for key in [
        "platform",
        "user",
        "hostname",
        "domainname",
        "restart",
        "network_mode",
        "container_name",
        "working_dir",
        "dns",
        "dns_search",
        "pull_policy",
        "stop_signal",
        "stop_grace_period",
        "mem_limit",
        "cpus",
        "cpuset",
        "pids_limit",
        "shm_size",
        "runtime",
        "cgroup_parent",
        "pid",
        "ipc",
        "uts",
        "userns_mode",
        "mac_address",
        "oom_score_adj",
        "tty",
        "init",
        "privileged",
        "read_only",
        "env_file",
        "tmpfs",
        "gpus",
        "cgroup",
    ] {
        let text = format!("services:\n  a:\n    image: x\n    {key}: ${{EMPTY:-}}\n");
        assert_eq!(app(&text), plain, "{key}");
    }
    for keys in [
        "networks: {default: {ipv4_address: '${EMPTY}', mac_address: '${EMPTY}'}}",
        "deploy: {resources: {limits: {memory: '${EMPTY}', cpus: '${EMPTY}'}}}",
    ] {
        assert_eq!(
            app(&format!("services: {{a: {{image: x, {keys}}}}}")),
            plain,
            "{keys}"
        );
    }
    // What cannot be left out is asked for.
    for keys in [
        "image: '${EMPTY}'",
        "image: x, volumes: [{type: bind, source: /a, target: '${EMPTY}'}]",
        "image: x, ports: [{target: '${EMPTY}'}]",
    ] {
        let text = format!("services: {{a: {{{keys}}}}}");
        assert!(read_text(&text).is_err(), "{keys}");
    }
}

#[test]
fn a_source_that_begins_with_a_dot_is_a_path() {
    let text = "services: {a: {image: x, volumes: ['.env:/e:ro', '.config/x:/x', {type: bind, source: .hidden, target: /h}]}}";
    let all = project(text).containers["a"].volumes.clone();
    let hosts: Vec<VolumeSource> = all.into_iter().map(|(volume, _)| volume.source).collect();
    let expected = ["/srv/shop/.env", "/srv/shop/.config/x", "/srv/shop/.hidden"];
    assert_eq!(hosts, expected.map(|path| VolumeSource::Host(path.into())));
}

#[test]
fn exposed_ports_are_kept_in_order_and_once() {
    let text = "services: {a: {image: x, expose: ['3000', '53/udp', '8000-8002', 3000]}}";
    assert_eq!(
        app(text).expose,
        ["53/udp", "3000/tcp", "8000/tcp", "8001/tcp", "8002/tcp"]
    );
    let said = drawn("services: {a: {image: x, expose: ['80/http']}}");
    assert!(said.contains("`http` is not a protocol"), "{said}");
}

#[test]
fn times_of_a_check_count_for_the_test_of_the_image_too() {
    let text = "services: {a: {image: x, healthcheck: {interval: 2s, retries: 7}}}";
    let times = HealthTimes {
        interval: Some(Duration::from_secs(2)),
        retries: Some(7),
        ..HealthTimes::default()
    };
    assert_eq!(app(text).health_times, times);
    assert_eq!(project(text).containers["a"].healthcheck, None);
    let text =
        "services: {a: {image: x, healthcheck: {test: y, timeout: 3s, interval: 0s, retries: 0}}}";
    let times = HealthTimes {
        timeout: Some(Duration::from_secs(3)),
        ..HealthTimes::default()
    };
    assert_eq!(app(text).health_times, times);
    let said = drawn("services: {a: {image: x, healthcheck: {interval: 1us}}}");
    assert!(
        said.contains("`interval` is at least one millisecond"),
        "{said}"
    );
}

#[test]
fn options_of_logging_alone_are_for_the_engines_own_driver() {
    let logging = app("services: {a: {image: x, logging: {options: {max-size: 5m}}}}")
        .logging
        .unwrap();
    assert_eq!(logging.driver, None);
    assert_eq!(logging.options["max-size"], "5m");
    let old: Logging = serde_json::from_str(r#"{"driver": "journald", "options": {}}"#).unwrap();
    assert_eq!(old.driver.as_deref(), Some("journald"));
}

#[test]
fn the_same_port_twice_counts_once() {
    let ports = |list: &str| {
        let project = project(&format!("services: {{a: {{image: x, ports: {list}}}}}"));
        project.containers["a"].ports.len()
    };
    for list in [
        "['80:80', '80:80']",
        "['80:80', {published: '80', target: 80}]",
        "['80:80', '0.0.0.0:80:80']",
        "['80-80:80-80', '80:80']",
    ] {
        assert_eq!(ports(list), 1, "{list}");
    }
    let range = ports("['81-83:91-93']");
    assert_eq!(ports("['81-83:91-93', '82:92']"), range);
    assert_eq!(ports("['82:92', '81-83:91-93']"), range);
    let said = drawn("services: {a: {image: x, ports: ['81-83:91-93', '82:91']}}");
    assert!(
        said.contains("host port 82/tcp is published twice"),
        "{said}"
    );
    assert_eq!(ports("['80:80', '80:80/udp', '81:80']"), 3);
    let said = drawn("services: {a: {image: x, ports: ['80:80', '80:81']}}");
    assert!(
        said.contains("host port 80/tcp is published twice"),
        "{said}"
    );
}

#[test]
fn permissions_are_a_number_unquoted_and_octal_digits_quoted() {
    for (mode, expected) in [
        ("448", 0o700),
        ("0700", 0o700),
        ("0o700", 0o700),
        ("\"0700\"", 0o700),
        ("'700'", 0o700),
        ("\"${EMPTY:-0640}\"", 0o640),
    ] {
        let text = format!(
            "services: {{a: {{image: x, configs: [{{source: c, mode: {mode}}}], volumes: [{{type: tmpfs, target: /t, tmpfs: {{mode: {mode}}}}}]}}}}\nconfigs: {{c: {{content: x}}}}"
        );
        let app = app(&text);
        assert_eq!(app.files[0].mode, expected, "{mode}");
        assert_eq!(
            app.granted.tmpfs.values().next().unwrap(),
            &format!("mode={expected:o}"),
            "{mode}"
        );
    }
    let said = drawn(
        "services: {a: {image: x, volumes: [{type: tmpfs, target: /t, tmpfs: {mode: 4096}}]}}",
    );
    assert!(said.contains("`4096` are not permissions"), "{said}");
    // In locker's own layout they are octal, quoted or not.
    let own = project(
        "containers: {a: {image: x, configs: [{source: c, mode: 0440}]}}\nconfigs: {c: {content: x}}",
    );
    assert_eq!(
        own.containers["a"].app.as_ref().unwrap().files[0].mode,
        0o440
    );
}

#[test]
fn plain_booleans_and_numbers_are_spelled_as_compose_does() {
    let text = "services: {a: {image: x, environment: {DEBUG: True, MODE: 0755, RATIO: 1.50, Q: '0755', V: $TAG, Y: yes}, labels: {on: TRUE}, sysctls: {net.x: 0x10}}}";
    assert_eq!(
        environment(text),
        [
            "DEBUG=true",
            "MODE=493",
            "Q=0755",
            "RATIO=1.5",
            "V=bookworm",
            "Y=yes"
        ]
    );
    let all = project(text);
    assert_eq!(all.containers["a"].labels["on"], "true");
    let built = project("services: {a: {build: {context: ., args: {X: True, N: 0755}}}}");
    let crate::model::Source::Build(build) = &built.containers["a"].source else {
        panic!("{:?}", built.containers["a"].source)
    };
    let args = &build.args;
    assert_eq!(args["X"].as_deref(), Some("true"));
    assert_eq!(args["N"].as_deref(), Some("493"));
    // A list holds texts already, and locker's own layouts keep what is written.
    assert_eq!(
        environment("services: {a: {image: x, environment: ['M=0755']}}"),
        ["M=0755"]
    );
    assert_eq!(
        environment("containers: {a: {image: x, environment: {M: 0755, B: True}}}"),
        ["B=True", "M=0755"]
    );
    // They are spelled before files are merged, since a list has no numbers.
    let home = Home::new(&[
        (
            "compose.yaml",
            "services: {a: {image: x, environment: {M: 0755}}}\n",
        ),
        (
            "compose.override.yaml",
            "services: {a: {environment: ['N=1']}}\n",
        ),
    ]);
    let merged = home.project(&home.options());
    assert_eq!(merged.containers["a"].environment["M"], "493");
}

#[test]
fn the_short_form_of_a_dependency_wins_over_an_earlier_long_one() {
    let home = Home::new(&[
        (
            "compose.yaml",
            "services: {a: {image: x, depends_on: {b: {condition: service_healthy, required: false}}}, b: {image: x, healthcheck: {test: x}}}\n",
        ),
        (
            "compose.override.yaml",
            "services: {a: {depends_on: [b]}}\n",
        ),
    ]);
    let project = home.project(&home.options());
    let dependency = &project.containers["a"].depends_on[0];
    assert_eq!(
        (dependency.condition, dependency.required),
        (Condition::Started, true)
    );
}

#[test]
fn a_gateway_is_any_address_of_a_host_in_its_subnet() {
    let text = "services: {a: {image: x, networks: [n]}}\nnetworks: {n: {ipam: {config: [{subnet: 172.28.0.0/24, gateway: 172.28.0.254}, {subnet: 'fd77::/64', gateway: 'fd77::ff'}]}}}";
    let all = project(text);
    let wish = &all.networks["n"].wish;
    assert_eq!(wish.gateway, "172.28.0.254".parse().ok());
    assert_eq!(wish.gateway6, "fd77::ff".parse().ok());
    let own = project(
        "network: {subnet: 10.77.0.0/24, gateway: 10.77.0.9}\ncontainers: {a: {template: x}}",
    );
    assert_eq!(own.network.gateway, "10.77.0.9".parse().ok());
    for gateway in ["172.28.0.0", "172.28.0.255", "172.29.0.1", "'fd77::1'"] {
        let text = format!(
            "services: {{a: {{image: x}}}}\nnetworks: {{n: {{ipam: {{config: [{{subnet: 172.28.0.0/24, gateway: {gateway}}}]}}}}}}"
        );
        let said = drawn(&text);
        assert!(
            said.contains("is no address of a host in `172.28.0.0/24`"),
            "{gateway}: {said}"
        );
    }
}

#[test]
fn a_network_is_called_as_the_file_says() {
    let text = "services: {a: {image: x, networks: [px]}}\nnetworks: {px: {name: proxynet}}";
    assert_eq!(
        project(text).networks["px"].name.as_deref(),
        Some("proxynet")
    );
    let said = drawn("services: {a: {image: x}}\nnetworks: {px: {name: n}, py: {name: n}}");
    assert!(
        said.contains("the networks `px` and `py` are both called `n` on the host"),
        "{said}"
    );
    let said = drawn("services: {a: {image: x}}\nnetworks: {px: {name: bridge}}");
    assert!(
        said.contains("`bridge` is the engine's own network"),
        "{said}"
    );
}

#[test]
fn a_name_has_at_most_as_many_characters_as_a_label_of_a_host() {
    let long = "snuba-subscription-consumer-generic-metrics-counters";
    let all = project(&format!("services: {{{long}: {{image: x}}}}"));
    assert!(all.containers.contains_key(long));
    let said = drawn(&format!("services: {{{}: {{image: x}}}}", "x".repeat(64)));
    assert!(
        said.contains("has 64 characters; a name has at most 63"),
        "{said}"
    );
    let text = format!(
        "name: {}\nservices: {{{long}: {{image: x}}}}",
        "p".repeat(49)
    );
    let said = drawn(&text);
    assert!(said.contains("have 101 characters together"), "{said}");
}

#[test]
fn the_engines_own_bridge_is_a_network_mode() {
    assert_eq!(
        app("services: {a: {image: x, network_mode: bridge}}").network,
        AppNetwork::Bridge
    );
}

#[test]
fn devices_are_asked_of_the_engine_by_what_they_can_do() {
    let request =
        |driver: Option<&str>, count, ids: &[&str], capabilities: &[&str]| DeviceRequest {
            driver: driver.map(str::to_string),
            count,
            ids: ids.iter().map(ToString::to_string).collect(),
            capabilities: capabilities.iter().map(ToString::to_string).collect(),
            options: Default::default(),
        };
    for (keys, expected) in [
        (
            "deploy: {resources: {reservations: {devices: [{driver: nvidia, count: 1, capabilities: [gpu]}]}}}",
            request(Some("nvidia"), 1, &[], &["gpu"]),
        ),
        (
            "deploy: {resources: {reservations: {devices: [{capabilities: [gpu, utility]}]}}}",
            request(None, -1, &[], &["gpu", "utility"]),
        ),
        ("gpus: all", request(None, -1, &[], &["gpu"])),
        (
            "gpus: [{driver: nvidia, device_ids: ['0', '3']}]",
            request(Some("nvidia"), 0, &["0", "3"], &["gpu"]),
        ),
        (
            "gpus: [{count: all, capabilities: [utility]}]",
            request(None, -1, &[], &["utility", "gpu"]),
        ),
    ] {
        let app = app(&format!("services: {{a: {{image: x, {keys}}}}}"));
        assert_eq!(app.device_requests, [expected], "{keys}");
    }
    for (keys, expected) in [
        ("gpus: 2", "`gpus` is `all` or a list of maps, not `2`"),
        (
            "gpus: [{count: none}]",
            "`count` is `all` or a number of devices, not `none`",
        ),
        (
            "gpus: [{count: 1, device_ids: ['0']}]",
            "`count` and `device_ids` of a device exclude each other",
        ),
        (
            "deploy: {resources: {reservations: {devices: [{count: 1}]}}}",
            "needs `capabilities`",
        ),
    ] {
        let said = drawn(&format!("services: {{a: {{image: x, {keys}}}}}"));
        assert!(said.contains(expected), "{keys}: {said}");
    }
}

#[test]
fn what_runs_before_a_container_is_refused_with_what_to_write_instead() {
    let said = drawn("services: {a: {image: x, pre_start: [{image: y, command: [z]}]}}");
    assert!(
        said.contains("error: locker does not have `pre_start`: hooks run in the container itself"),
        "{said}"
    );
    assert!(
        said.contains("condition: service_completed_successfully"),
        "{said}"
    );
}

#[test]
fn a_name_of_compose_may_begin_with_x() {
    let home = Home::new(&[(
        "compose.yaml",
        "x-more: 1\nservices: {x-a: {image: x, networks: [x-n], volumes: [\"x-v:/v\"]}}\nnetworks: {x-n: }\nvolumes: {x-v: }\n",
    )]);
    let project = home.project(&home.options());
    assert_eq!(project.containers["x-a"].volumes.len(), 1);
    assert!(project.networks.contains_key("x-n"));
}

#[test]
fn a_condition_of_deploy_may_be_a_word_of_restart() {
    use crate::model::Restart;
    for (word, expected) in [
        ("unless-stopped", Restart::UnlessStopped),
        ("always", Restart::Always),
        ("\"no\"", Restart::No),
    ] {
        let text = format!(
            "services: {{a: {{image: x, deploy: {{restart_policy: {{condition: {word}}}}}}}}}\n"
        );
        let home = Home::new(&[("compose.yaml", &text)]);
        let project = home.project(&home.options());
        assert_eq!(project.containers["a"].restart, expected, "{word}");
    }
}

//! Which rule merges which key.

use super::identity::By;

/// How two values of one key become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Maps are merged, lists appended, single values replaced.
    Plain,
    /// The later one counts.
    Replace,
    /// A list of `key=value` or a map: by key.
    Pairs,
    /// A list without two of the same; what tells items apart, and the sign between key and value
    /// where one of the two is written as a map.
    Unique(By, char),
    /// A map whose short form is the value of this key.
    Long(&'static str),
    /// A map whose short form is a list of its keys; what each of those stands for.
    Names(&'static [(&'static str, &'static str)]),
    /// `logging`: options are merged only for the same driver.
    SameDriver,
    /// `ipam.config`: by subnet.
    Subnets,
}

/// What a name in the short form of `depends_on` stands for.
pub(super) const STARTED: &[(&str, &str)] =
    &[("condition", "service_started"), ("required", "true")];

/// The rule of a key of a container's body.
pub(super) fn of_body(path: &[&str]) -> Rule {
    match path {
        ["command" | "entrypoint"] | ["healthcheck", "test"] => Rule::Replace,
        ["environment" | "labels" | "annotations" | "sysctls" | "storage_opt"]
        | ["build", "args" | "labels" | "additional_contexts" | "ssh"]
        | ["deploy", "labels"]
        | ["volumes", _, "volume", "labels"] => Rule::Pairs,
        // Later lines of one key win, or add up, as the key has it.
        ["config" | "cgroup"] => Rule::Unique(By::Nothing, '='),
        ["extra_hosts"] | ["build", "extra_hosts"] => Rule::Unique(By::Host, '='),
        ["ports"] => Rule::Unique(By::Port, ':'),
        ["volumes"] => Rule::Unique(By::Target, ':'),
        ["devices"] => Rule::Unique(By::Target, ':'),
        ["tmpfs"] => Rule::Unique(By::Path, ':'),
        ["secrets"] | ["build", "secrets"] => Rule::Unique(By::Mount("/run/secrets/"), ':'),
        ["configs"] => Rule::Unique(By::Mount("/"), ':'),
        ["env_file" | "label_file"] | ["blkio_config", _] => Rule::Unique(By::Key("path"), ':'),
        [
            "expose"
            | "cap_add"
            | "cap_drop"
            | "dns"
            | "dns_opt"
            | "dns_search"
            | "profiles"
            | "links"
            | "external_links"
            | "security_opt"
            | "group_add"
            | "device_cgroup_rules"
            | "volumes_from"
            | "group",
        ]
        | ["networks", _, "aliases" | "link_local_ips"]
        | [
            "build",
            "tags" | "platforms" | "cache_from" | "cache_to" | "entitlements",
        ] => Rule::Unique(By::Text, ':'),
        ["build"] => Rule::Long("context"),
        ["extends"] => Rule::Long("service"),
        ["depends_on"] => Rule::Names(STARTED),
        ["networks"] => Rule::Names(&[]),
        ["logging"] => Rule::SameDriver,
        _ => Rule::Plain,
    }
}

/// The rule of any other key.
pub(super) fn rule(path: &[&str]) -> Rule {
    match path {
        ["networks" | "volumes" | "secrets" | "configs", _, "labels"] => Rule::Pairs,
        ["networks", _, "ipam", "config"] => Rule::Subnets,
        ["groups", _] => Rule::Unique(By::Text, ':'),
        _ => Rule::Plain,
    }
}

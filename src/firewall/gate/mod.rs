//! The way past foreign DROP policies.
//!
//! A verdict of ours ends only our own table: when the FORWARD chain of iptables has the policy DROP
//! (Docker and ufw set it), every packet is dropped there after we accepted it, and Docker drops by
//! rules of its own what goes between bridges that it knows, published or not. So our accepts must
//! also stand in that table: in a chain of ours, reached from the end of `DOCKER-USER` when that
//! chain exists (Docker keeps it over restarts), else from the end of `FORWARD`; at the end, so that
//! a deny of the administrator wins. Both kinds of iptables are looked at, the one on nf_tables and
//! the legacy one, each only when its table is there already: no kernel module is loaded for it.
//! firewalld has a door of its own kind, [`firewalld`]. What these tables deny to the host alone, where
//! published ports never pass, is told ([`denied`]).

mod denied;
mod firewalld;
mod foreign;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use futures_util::future::try_join_all;
use serde_json::Value;

use self::firewalld::Zones;
use self::foreign::Dropped;
use super::{FirewallError, apart, mark};
use crate::model::NetworkRules;
use crate::observed::{Denial, ForeignRules};
use crate::sys::{Exec, ExecError};

/// The chain of ours.
pub(super) const CHAIN: &str = "LOCKER-FORWARD";

/// What the names of locker's bridges begin with.
const OURS: &str = "lk-";

/// Docker's chain for the rules of others, before its own.
const USER: &str = "DOCKER-USER";

/// The bridge that Docker always has.
const ENGINE_BRIDGE: &str = "/sys/class/net/docker0";

/// One filter table that forwarded packets must pass.
#[derive(Clone, Debug)]
pub(super) struct Door {
    tool: &'static str,
    saved: String,
}

/// The doors of both families and both kinds that drop by policy or hold a chain of ours. `chains` is
/// what `nft -j list chains` printed; none where there is no nft.
///
/// `early` is what [`early`] gave.
pub(super) async fn doors(
    chains: Option<&Value>,
    early: Option<Door>,
) -> Result<Vec<Door>, FirewallError> {
    let (mut tools, mut open) = (Vec::new(), Vec::new());
    for (family, tool) in [("ip", "iptables-nft"), ("ip6", "ip6tables-nft")] {
        if !chains.is_some_and(|chains| matters(chains, family)) {
            continue;
        }
        match early.as_ref().filter(|door| door.tool == tool) {
            Some(_) => open.extend(early.clone()),
            None => tools.push(tool),
        }
    }
    tools.extend(legacy());
    // Side by side: each is a process, and every look waits for them.
    let doors = try_join_all(tools.into_iter().map(Door::open)).await?;
    open.extend(doors.into_iter().flatten());
    Ok(open)
}

/// The tools of the older kind whose filter tables are there.
fn legacy() -> impl Iterator<Item = &'static str> {
    let tables = [
        ("ip_tables_names", "iptables-legacy"),
        ("ip6_tables_names", "ip6tables-legacy"),
    ];
    let is_there = |names: &str| {
        let names = fs::read_to_string(format!("/proc/thread-self/net/{names}"));
        names.is_ok_and(|names| names.lines().any(|name| name == "filter"))
    };
    let there = tables.into_iter().filter(move |(names, _)| is_there(names));
    there.map(|(_, tool)| tool)
}

/// Whether there is a door of the older kind of iptables.
pub(super) fn has_legacy() -> bool {
    legacy().next().is_some()
}

/// The door that an engine makes, where there is one: asked for before it is known to matter, since two
/// processes side by side are done sooner than one after the other. Where it matters and cannot be opened,
/// [`doors`] tries once more and tells why.
pub(super) async fn early() -> Option<Door> {
    match Path::new(ENGINE_BRIDGE).exists() {
        true => Door::open("iptables-nft").await.ok().flatten(),
        false => None,
    }
}

/// Everything that forwarded packets must pass.
#[derive(Debug)]
pub(super) struct Gate {
    doors: Vec<Door>,
    zones: Option<Zones>,
    /// Chains of nftables that drop what is forwarded, by policy or by a rule, and have none for our bridges.
    closed: Vec<String>,
    /// Those that let published ports pass, and nothing that containers send by themselves.
    one_way: Vec<String>,
    /// Those that drop what published ports lead on, and may let out what containers send.
    led: Vec<String>,
}

impl Gate {
    /// Looks at `doors`, and at firewalld; `chains` is as for [`doors`].
    pub(super) async fn with(
        doors: Vec<Door>,
        chains: Option<&Value>,
    ) -> Result<Self, FirewallError> {
        let zones = match chains {
            Some(chains) => Zones::look(chains).await?,
            None => None,
        };
        let (mut closed, mut one_way, mut led) = (Vec::new(), Vec::new(), Vec::new());
        for ([family, table, chain], by_policy) in chains.map(foreign::passed).unwrap_or_default() {
            let words = ["list", "chain", &family, &table, &chain];
            // One that is gone by now closes nothing.
            let text = Exec::new("nft", words).output().await?;
            if text.code != Some(0) {
                continue;
            }
            let chain = format!("{family} {table} {chain}");
            match foreign::drops(&text.stdout, by_policy) {
                Dropped::Nothing => {}
                Dropped::Led => led.push(chain),
                Dropped::Sent => one_way.push(chain),
                Dropped::All => closed.push(chain),
            }
        }
        Ok(Self {
            doors,
            zones,
            closed,
            one_way,
            led,
        })
    }

    /// What others do that meets published ports.
    pub(super) fn foreign(&self) -> ForeignRules {
        let has_docker =
            |six: bool| move |door: &Door| door.is_ipv6() == six && door.has_chain(USER);
        let all = |read: fn(&str, bool) -> Vec<Denial>| {
            let doors = self.doors.iter();
            doors
                .flat_map(|door| read(&door.saved, door.is_ipv6()))
                .collect()
        };
        ForeignRules {
            closed: self.closed.clone(),
            one_way: self.one_way.clone(),
            led: self.led.clone(),
            denied: all(denied::to_host),
            on_way: all(denied::on_way),
            has_docker: self.doors.iter().any(has_docker(false)),
            has_docker6: self.doors.iter().any(has_docker(true)),
        }
    }

    /// Whether `network`, one of `all`, passes everywhere, and nothing that must not.
    pub(super) fn lets_through(&self, network: &NetworkRules, all: &[NetworkRules]) -> bool {
        let known = |zones: &Zones| zones.knows(&network.bridge);
        let mut doors = self.doors.iter();
        self.zones.as_ref().is_none_or(known) && doors.all(|door| door.lets_through(network, all))
    }

    /// Lets exactly `networks` through, one transaction for each door.
    pub(super) async fn sync(&self, networks: &[NetworkRules]) -> Result<(), FirewallError> {
        for door in &self.doors {
            if let Some(script) = door.script(networks)? {
                restore(door.tool, &script).await?;
            }
        }
        match &self.zones {
            Some(zones) => zones.sync(networks).await,
            None => Ok(()),
        }
    }
}

fn matters(chains: &Value, family: &str) -> bool {
    let objects = chains["nftables"].as_array().into_iter().flatten();
    objects.map(|object| &object["chain"]).any(|chain| {
        let name = &chain["name"];
        let drops = name == "FORWARD" && chain["policy"] == "drop";
        let matters =
            drops || name == CHAIN || name == USER || denied::INPUT.iter().any(|ufws| name == ufws);
        chain["family"] == family && chain["table"] == "filter" && matters
    })
}

impl Door {
    /// None where the table is there and its program is not: then its DROP is the administrator's own
    /// work in nft, and not ours to pass.
    async fn open(tool: &'static str) -> Result<Option<Self>, FirewallError> {
        match run(tool, "save", &["-t", "filter"], "").await {
            Ok(saved) => Ok(Some(Self { tool, saved })),
            Err(FirewallError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The door of `tool`, from what its `save` printed already.
    pub(super) fn of(tool: &'static str, saved: &str) -> Self {
        Self {
            tool,
            saved: saved.into(),
        }
    }

    /// `iptables-nft`, `ip6tables-legacy`, …
    pub(super) fn tool(&self) -> &'static str {
        self.tool
    }

    fn is_ipv6(&self) -> bool {
        self.tool.starts_with("ip6")
    }

    fn has_chain(&self, chain: &str) -> bool {
        let start = format!(":{chain} ");
        self.saved.lines().any(|line| line.starts_with(&start))
    }

    /// Whether somebody drops there: by policy, or Docker, which keeps its bridges apart with rules of
    /// its own whatever the policy is.
    fn drops(&self) -> bool {
        let policy = |line: &str| line.starts_with(":FORWARD DROP ");
        self.saved.lines().any(policy) || self.has_chain(USER)
    }

    fn rules<'a>(&'a self, chain: &'a str) -> impl Iterator<Item = &'a str> {
        let start = format!("-A {chain} ");
        self.saved
            .lines()
            .filter(move |line| line.starts_with(&start))
    }

    fn jumps(&self) -> impl Iterator<Item = &str> {
        let end = format!("-j {CHAIN}");
        self.saved
            .lines()
            .filter(move |line| line.starts_with("-A ") && line.ends_with(&end))
    }

    /// The bridges on which Docker has networks of others: its chains name each, also those that are internal. What the
    /// administrator has put into its chain for others counts for nothing here.
    fn engines_own(&self, networks: &[NetworkRules]) -> BTreeSet<&str> {
        let of_docker = |line: &&str| {
            let own = line.starts_with("-A DOCKER") && !line.starts_with(&format!("-A {USER} "));
            own || line.starts_with("-A FORWARD ") && line.ends_with(" -j DOCKER")
        };
        // Another project's may not be open yet, or not be any more.
        let is_ours = |bridge: &&str| {
            bridge.starts_with(OURS) || networks.iter().any(|network| network.bridge == *bridge)
        };
        let lines = self.saved.lines().filter(of_docker);
        lines
            .filter_map(bridge_to)
            .filter(|bridge| !is_ours(bridge))
            .collect()
    }

    /// Whether the rules of the project of `network` are all there. Counted, since each version of the
    /// program prints them in another way. A network of Docker's that has gone has left a rule that harms nobody.
    fn lets_through(&self, network: &NetworkRules, all: &[NetworkRules]) -> bool {
        if !self.drops() {
            return true;
        }
        let comment = format!("--comment {} -j ", mark::of_network(network));
        let is_of = |line: &str| line.replace('"', "").contains(&comment);
        let is_counted = |line: &str| is_of(line) && !line.ends_with(" -j RETURN");
        let there = self.rules(CHAIN).filter(|line| is_counted(line)).count();
        let wanted = rules(all, &BTreeSet::new());
        let wanted = wanted.iter().filter(|line| is_counted(line)).count();
        let leaves = |other: &&str| {
            let way = format!("-A {CHAIN} -i {} -o {other} ", network.bridge);
            let mut rules = self.rules(CHAIN);
            rules.any(|line| line.starts_with(&way) && line.ends_with(" -j RETURN"))
        };
        there == wanted && self.jumps().next().is_some() && self.engines_own(all).iter().all(leaves)
    }

    /// The restore script that lets exactly `networks` through; none when there is nothing to do.
    fn script(&self, networks: &[NetworkRules]) -> Result<Option<String>, FirewallError> {
        if !self.drops() || networks.is_empty() {
            return Ok(self.has_chain(CHAIN).then(|| self.removal()));
        }
        let mut script = format!("*filter\n:{CHAIN} - [0:0]\n");
        for network in networks {
            mark::interface(&network.bridge)?;
        }
        for rule in rules(networks, &self.engines_own(networks)) {
            script.push_str(&format!("-A {CHAIN} {rule}\n"));
        }
        if self.jumps().next().is_none() {
            script.push_str(&self.jump());
        }
        Ok(Some(script + "COMMIT\n"))
    }

    /// At the end of the chain, before the `RETURN` with which older Dockers end theirs.
    fn jump(&self) -> String {
        let rule = format!("-m comment --comment locker -j {CHAIN}\n");
        let chain = match self.has_chain(USER) {
            true => USER,
            false => "FORWARD",
        };
        let rules: Vec<&str> = self.rules(chain).collect();
        match rules.last() {
            Some(last) if *last == format!("-A {chain} -j RETURN") => {
                format!("-I {chain} {} {rule}", rules.len())
            }
            Some(_) | None => format!("-A {chain} {rule}"),
        }
    }

    fn removal(&self) -> String {
        let mut script = "*filter\n".to_string();
        for jump in self.jumps() {
            script.push_str(&jump.replacen("-A", "-D", 1));
            script.push('\n');
        }
        script + &format!("-F {CHAIN}\n-X {CHAIN}\nCOMMIT\n")
    }
}

/// The interface to which the packets of a rule go, as `iptables-save` prints it; none where it is one that they do not go to.
fn bridge_to(rule: &str) -> Option<&str> {
    let (before, to) = rule.split_once(" -o ")?;
    let name = to.split(' ').next()?;
    (!before.ends_with('!')).then_some(name)
}

/// The rules of all networks, each with the mark of one. What is kept apart is dropped here as well: an
/// accept in this place ends the table, so that no later chain is asked, be it ours. What goes to the bridges of others that
/// an engine has is the engine's to judge, unless it is led to a published port.
fn rules(networks: &[NetworkRules], engines_own: &BTreeSet<&str>) -> Vec<String> {
    let mut rules = Vec::new();
    let mut put = |network: &NetworkRules, matching: String, target: &str| {
        let mark = mark::of_network(network);
        rules.push(format!(
            "{matching} -m comment --comment \"{mark}\" -j {target}"
        ));
    };
    for network in networks {
        let bridge = &network.bridge;
        let answers = "-m conntrack --ctstate RELATED,ESTABLISHED";
        put(network, format!("-o {bridge} {answers}"), "ACCEPT");
        put(network, format!("-i {bridge} -o {bridge}"), "ACCEPT");
    }
    for network in networks.iter().filter(|network| network.internal) {
        put(network, format!("-i {}", network.bridge), "DROP");
        put(network, format!("-o {}", network.bridge), "DROP");
    }
    for network in networks {
        let published = "-m conntrack --ctstate DNAT";
        put(
            network,
            format!("-o {} {published}", network.bridge),
            "ACCEPT",
        );
    }
    for (from, to) in apart(networks) {
        put(from, format!("-i {} -o {}", from.bridge, to.bridge), "DROP");
    }
    for network in networks.iter().filter(|network| network.isolate) {
        put(network, format!("-o {}", network.bridge), "DROP");
    }
    for network in networks {
        for other in engines_own {
            let unasked = format!(
                "-i {} -o {other} -m conntrack ! --ctstate DNAT",
                network.bridge
            );
            put(network, unasked, "RETURN");
        }
    }
    for network in networks {
        put(network, format!("-i {}", network.bridge), "ACCEPT");
    }
    rules
}

/// One transaction of `tool`, waiting for other users of its lock for 10 s.
pub(super) async fn restore(tool: &str, script: &str) -> Result<(), FirewallError> {
    let args = ["--noflush", "--wait", "10"];
    run(tool, "restore", &args, script).await.map(|_| ())
}

/// Runs `<tool>-<verb>`. Where programs have no `-nft` in their names, the plain ones are meant.
pub(super) async fn run(
    tool: &str,
    verb: &str,
    args: &[&str],
    stdin: &str,
) -> Result<String, FirewallError> {
    let exec = |tool: &str| {
        let program = format!("{tool}-{verb}");
        let exec = Exec::new(&program, args.iter().copied());
        async move { exec.stdin(stdin).run().await }
    };
    let plain = tool.trim_end_matches("-nft").trim_end_matches("-legacy");
    match exec(tool).await {
        Err(ExecError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(exec(plain).await?.stdout)
        }
        other => Ok(other?.stdout),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::testing::{internal, network};

    const DOCKER: &str = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:DOCKER-USER - [0:0]\n\
        -A FORWARD -j DOCKER-USER\n-A DOCKER-USER -s 6.6.6.6/32 -j DROP\n-A DOCKER-USER -j RETURN\nCOMMIT\n";

    #[test]
    fn in_dockers_chain_we_stand_behind_the_administrator_and_before_the_return() {
        let script = Door::of("iptables-nft", DOCKER)
            .script(&[network("shop", false)])
            .unwrap();
        let script = script.unwrap();
        assert!(
            script.contains("-I DOCKER-USER 2 -m comment --comment locker -j LOCKER-FORWARD\n")
        );
        assert_eq!(
            script
                .matches("--comment \"locker:shop\" -j ACCEPT")
                .count(),
            4
        );
    }

    #[test]
    fn what_containers_send_to_networks_of_others_in_docker_is_dockers_to_judge() {
        // Docker 20.10; 28; an internal network; rules of others.
        let networks = "-A FORWARD -o docker0 -j DOCKER\n-A FORWARD -i docker0 ! -o docker0 -j ACCEPT\n\
            -A DOCKER-BRIDGE -o br-0123456789ab -j DOCKER\n-A FORWARD -o lk-shop -j DOCKER\n\
            -A DOCKER-ISOLATION-STAGE-1 ! -s 172.20.0.0/16 -o br-11 -j DROP\n\
            -A DOCKER-ISOLATION-STAGE-1 ! -d 172.20.0.0/16 -i br-11 -j DROP\n\
            -A DOCKER-ISOLATION-STAGE-1 -i br-11 ! -o br-12 -j DOCKER-ISOLATION-STAGE-2\n\
            -A DOCKER ! -i br-13 -o br-13 -j DROP\n\
            -A FORWARD -o br-lan -j ACCEPT\n-A DOCKER-USER -o br-wan -j ACCEPT\nCOMMIT\n";
        let mut door = Door::of("iptables-nft", &DOCKER.replace("COMMIT\n", networks));
        let all = [network("shop", false)];
        let script = door.script(&all).unwrap().unwrap();
        let own = ["br-0123456789ab", "br-11", "br-13", "docker0"].map(|other| {
            format!(
                "-A LOCKER-FORWARD -i lk-shop -o {other} -m conntrack ! --ctstate DNAT -m comment --comment \"locker:shop\" -j RETURN\n"
            )
        });
        let way_out = "-A LOCKER-FORWARD -i lk-shop -m comment";
        assert!(script.find(&own.concat()).unwrap() < script.find(way_out).unwrap());
        for line in script.lines().filter(|line| line.starts_with("-A ")) {
            door.saved += &format!("{line}\n");
        }
        door.saved += &format!("-A DOCKER-USER -j {CHAIN}\n");
        assert!(door.lets_through(&all[0], &all));
        door.saved = door.saved.replace("-A FORWARD -o docker0 -j DOCKER\n", "");
        assert!(door.lets_through(&all[0], &all), "one has gone");
        door.saved += "-A FORWARD -o lk-blog -j DOCKER\n";
        assert!(door.lets_through(&all[0], &all), "another project's");
        door.saved += "-A FORWARD -o br-fedcba987654 -j DOCKER\n";
        assert!(!door.lets_through(&all[0], &all), "a network came later");
    }

    #[test]
    fn without_docker_we_stand_at_the_end_of_forward() {
        let ufw = "*filter\n:FORWARD DROP [1:2]\n-A FORWARD -j ufw-before-forward\nCOMMIT\n";
        let script = Door::of("iptables-nft", ufw)
            .script(&[network("shop", false)])
            .unwrap();
        assert!(
            script
                .unwrap()
                .contains("\n-A FORWARD -m comment --comment locker -j LOCKER-FORWARD\n")
        );
    }

    #[test]
    fn a_table_that_accepts_is_left_alone() {
        let open = Door::of("iptables-nft", "*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n");
        assert_eq!(open.script(&[network("shop", false)]).unwrap(), None);
        assert!(open.lets_through(&network("shop", false), &[network("shop", false)]));
        assert!(
            !Door::of("iptables-nft", DOCKER)
                .lets_through(&network("shop", false), &[network("shop", false)])
        );
    }

    #[test]
    fn the_last_network_takes_chain_and_jump_with_it() {
        let ours = "*filter\n:FORWARD DROP [0:0]\n:LOCKER-FORWARD - [0:0]\n\
            -A FORWARD -m comment --comment locker -j LOCKER-FORWARD\nCOMMIT\n";
        let script = Door::of("iptables-nft", ours).script(&[]).unwrap().unwrap();
        let expected = "*filter\n-D FORWARD -m comment --comment locker -j LOCKER-FORWARD\n\
            -F LOCKER-FORWARD\n-X LOCKER-FORWARD\nCOMMIT\n";
        assert_eq!(script, expected);
    }

    #[test]
    fn what_is_kept_apart_is_dropped_before_anything_leaves_our_chain() {
        let (shop, back, other) = (network("shop", true), internal(), network("other", false));
        let lines = rules(&[shop, back.clone(), other], &BTreeSet::new());
        let at = |matching: &str, target: &str| {
            let is_it = |line: &String| {
                line.starts_with(&format!("{matching} -m")) && line.ends_with(target)
            };
            lines.iter().position(is_it).unwrap()
        };
        let inner = &back.bridge;
        let published = at("-o lk-shop -m conntrack --ctstate DNAT", "ACCEPT");
        assert!(at(&format!("-i {inner}"), "DROP") < published);
        assert!(
            at(&format!("-i {inner} -o {inner}"), "ACCEPT") < at(&format!("-o {inner}"), "DROP")
        );
        assert!(published < at(&format!("-i lk-shop -o {inner}"), "DROP"));
        assert!(published < at("-o lk-shop", "DROP"));
        assert!(at("-o lk-shop", "DROP") < at("-i lk-other", "ACCEPT"));
        let mut doors = Door::of("iptables-nft", DOCKER);
        let all = [network("shop", true), internal()];
        assert!(!doors.lets_through(&all[0], &all));
        for line in rules(&all, &BTreeSet::new()) {
            doors.saved += &format!("-A {CHAIN} {line}\n");
        }
        doors.saved += &format!("-A DOCKER-USER -j {CHAIN}\n");
        assert!(doors.lets_through(&all[0], &all) && doors.lets_through(&all[1], &all));
        assert!(!doors.lets_through(&all[0], &all[..1]));
    }
}

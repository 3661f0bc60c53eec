//! The driver of iptables and ip6tables: chains of ours, `LOCKER-*`, and one restore for each family.
//!
//! What shall be stands in a chain that no packet reaches, `LOCKER-NOTES`: one comment for each
//! network and rule ([`note`]). A change reads the notes, and writes all chains of ours anew.

mod note;
mod render;
mod saved;

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::Value;

pub(super) use self::note::CHAIN as NOTES;
use self::note::State;
#[cfg(test)]
pub(super) use self::note::parse_port;
use self::render::Family;
use super::gate::{self, Gate};
use super::{Firewall, FirewallChange, FirewallError, loopback6, refuse_held, refuse_taken};
use super::{elsewhere, flows};
use crate::model::{FirewallChoice, NetworkRules, PortRule};
use crate::observed::{Leftover, ObservedFirewall};
use crate::store::{Paths, acquire_host};
use crate::sys::Exec;

/// The driver.
#[derive(Clone, Debug)]
pub struct Iptables {
    paths: Paths,
}

impl Iptables {
    /// Two runs of locker never change the tables at once: the host's lock is under `paths`.
    pub fn new(paths: &Paths) -> Self {
        Self {
            paths: paths.clone(),
        }
    }
}

/// The two kinds of iptables, whose tables know nothing of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tools {
    /// On nf_tables.
    Nft,
    /// The older kind.
    Legacy,
}

impl Tools {
    /// What `iptables` is here.
    async fn here() -> Result<Self, FirewallError> {
        let version = Exec::new("iptables", ["--version"]).run().await?.stdout;
        Ok(match version.contains("nf_tables") {
            true => Self::Nft,
            false => Self::Legacy,
        })
    }

    /// The program for IPv4, and what the kind is called.
    pub(super) fn name(self) -> &'static str {
        self.both()[0]
    }

    fn both(self) -> [&'static str; 2] {
        match self {
            Self::Nft => ["iptables-nft", "ip6tables-nft"],
            Self::Legacy => ["iptables-legacy", "ip6tables-legacy"],
        }
    }
}

/// What the tables of a kind hold, for another driver.
pub(super) async fn held(
    tools: Tools,
) -> Result<(Vec<NetworkRules>, Vec<PortRule>), FirewallError> {
    let state = Saved::read(tools).await?.state();
    Ok((state.networks, state.rules))
}

/// Changes the tables of a kind for another driver; with the last of it our chains go.
pub(super) async fn change_held(
    tools: Tools,
    change: &FirewallChange,
) -> Result<(), FirewallError> {
    let saved = Saved::read(tools).await?;
    saved.put(&saved.state().after(change)).await
}

/// The tables of both families as `iptables-save` printed them.
#[derive(Debug)]
struct Saved {
    kind: Tools,
    tools: [&'static str; 2],
    text: [String; 2],
}

impl Saved {
    async fn read(kind: Tools) -> Result<Self, FirewallError> {
        let tools = kind.both();
        // Without `-t`, so that the legacy programs load no table.
        let (v4, v6) = tokio::join!(
            gate::run(tools[0], "save", &[], ""),
            gate::run(tools[1], "save", &[], ""),
        );
        Ok(Self {
            kind,
            tools,
            text: [v4?, v6?],
        })
    }

    /// What the notes say, on the host as it is now.
    fn state(&self) -> State {
        State {
            loopback6: loopback6(),
            ..State::parse(&self.text[0])
        }
    }

    async fn doors(&self, chains: Option<&Value>) -> Result<Gate, FirewallError> {
        let mut doors = gate::doors(None, None).await?;
        doors.retain(|door| !self.tools.contains(&door.tool()));
        for (tool, text) in self.tools.into_iter().zip(&self.text) {
            doors.push(gate::Door::of(tool, text));
        }
        Gate::with(doors, chains).await
    }

    /// Makes both families hold `state`; the first is put back when the second fails.
    async fn put(&self, state: &State) -> Result<(), FirewallError> {
        for (at, family) in [Family::V4, Family::V6].into_iter().enumerate() {
            let Some(script) = render::script(family, state, &self.text[at])? else {
                continue;
            };
            let done = gate::restore(self.tools[at], &script).await;
            if done.is_err() && at > 0 {
                let now = gate::run(self.tools[0], "save", &[], "").await?;
                if let Some(back) = render::script(Family::V4, &self.state(), &now)? {
                    gate::restore(self.tools[0], &back).await?;
                }
            }
            done?;
        }
        Ok(())
    }
}

#[async_trait]
impl Firewall for Iptables {
    async fn sweep(&self, left: &Leftover, back: bool) -> Result<(), FirewallError> {
        elsewhere::sweep(&self.paths, left, back).await
    }

    fn name(&self) -> &'static str {
        "iptables"
    }

    fn choice(&self) -> FirewallChoice {
        FirewallChoice::Iptables
    }

    async fn observe(&self) -> Result<ObservedFirewall, FirewallError> {
        let mut observed = ObservedFirewall {
            driver: self.name().into(),
            ..ObservedFirewall::default()
        };
        let saved = Saved::read(Tools::here().await?).await?;
        let chains = elsewhere::chains().await?;
        let own = Some(elsewhere::Place::Iptables(saved.kind));
        observed.left = elsewhere::look(own, chains.as_ref()).await?;
        let doors = saved.doors(chains.as_ref()).await?;
        observed.foreign = doors.foreign();
        let state = saved.state();
        let [v4, v6] = [Family::V4, Family::V6].map(|family| render::expected(family, &state));
        let [have4, have6] = saved.text.each_ref().map(|text| saved::count(text));
        let jumps = saved.text.each_ref().map(|text| saved::has_jumps(text));
        let [want4, want6, have4, have6] = [&v4, &v6, &have4, &have6].map(by_mark);
        let whole =
            |mark: &str| want4.get(mark) == have4.get(mark) && want6.get(mark) == have6.get(mark);
        // Without any network there is nothing that the chains are for.
        let base = !state.networks.is_empty() && jumps == [true, true] && whole("locker");
        let all = elsewhere::with(&state.networks, &observed.left);
        for network in &state.networks {
            let passes = doors.lets_through(network, &all);
            let list = match base && passes && whole(&note::mark_of_network(network)) {
                true => &mut observed.networks,
                false => &mut observed.torn.networks,
            };
            list.insert(network.bridge.clone(), network.clone());
        }
        let rules = state.rules.into_iter();
        (observed.rules, observed.torn.rules) =
            rules.partition(|rule| base && whole(&note::mark_of_rule(rule)));
        Ok(observed)
    }

    async fn apply(&self, change: &FirewallChange) -> Result<(), FirewallError> {
        if *change == FirewallChange::default() {
            return Ok(());
        }
        let _lock = acquire_host(&self.paths, "change the firewall").await?;
        let saved = Saved::read(Tools::here().await?).await?;
        let before = saved.state();
        refuse_taken(before.rules.iter(), change)?;
        refuse_held(&self.paths, change)?;
        let after = before.after(change);
        // What the doors look at is not changed by our own chains.
        let chains = elsewhere::chains().await?;
        let doors = saved.doors(chains.as_ref()).await?;
        let own = Some(elsewhere::Place::Iptables(saved.kind));
        let others = elsewhere::look(own, chains.as_ref()).await?;
        saved.put(&after).await?;
        let done = doors.sync(&elsewhere::with(&after.networks, &others)).await;
        if done.is_err() {
            Saved::read(saved.kind).await?.put(&before).await?;
        }
        done?;
        flows::follow(change)
    }
}

type Counts = BTreeMap<(String, String), usize>;

/// How many rules there are for a mark, by chain.
type ByMark<'a> = BTreeMap<&'a str, BTreeMap<&'a str, usize>>;

fn by_mark(counts: &Counts) -> ByMark<'_> {
    let mut marks = ByMark::new();
    for ((chain, mark), count) in counts {
        marks.entry(mark).or_default().insert(chain, *count);
    }
    marks
}

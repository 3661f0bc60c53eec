//! What was last seen of the project's containers: which object of the engine each name is.
//!
//! A container is addressed by its id, so that what bears its name by now is never touched in its
//! place. One look fills this; every change of ours keeps it true, since nobody else changes the
//! project while its lock is held. It must not be asked about states: those change by themselves.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;

use bollard::models::ContainerSummaryStateEnum;

use super::homes::Homes;
use super::list::Entry;
use super::mark::{self, Marked};
use super::site::Site;
use super::status;
use crate::backend::Body;
use crate::model::{EngineVolume, Name};
use crate::observed::{Mark, State, UnnamedVolume};

/// One container of ours as the engine's list shows it.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// The engine's id.
    pub(super) id: String,
    /// Tells where its files are.
    pub(super) token: String,
    /// Its mark, with what was changed since it was made.
    pub(super) mark: Mark,
    /// Half made or half destroyed.
    pub(super) wreck: bool,
    /// All its processes were frozen when it was seen.
    pub(super) frozen: bool,
    /// Its volumes without a name: path inside and the engine's word for it.
    pub(super) held: Vec<(PathBuf, String)>,
    /// The networks that it was made on and is not on.
    pub(super) unplugged: BTreeSet<String>,
}

/// The two selves that a name may have.
#[derive(Clone, Debug, Default)]
pub(super) struct Bodies {
    pub(super) present: Option<Known>,
    pub(super) aside: Option<Known>,
}

impl Bodies {
    pub(super) fn of(&self, body: Body) -> Option<&Known> {
        match body {
            Body::Present => self.present.as_ref(),
            Body::Aside => self.aside.as_ref(),
        }
    }

    pub(super) fn slot(&mut self, body: Body) -> &mut Option<Known> {
        match body {
            Body::Present => &mut self.present,
            Body::Aside => &mut self.aside,
        }
    }
}

/// All containers of the project.
pub(super) type All = BTreeMap<Name, Bodies>;

/// The name in an entry of the list; a container that others link to has more, with a path.
pub(super) fn name_of(entry: &Entry) -> Option<&str> {
    let names = entry.names.iter().flatten();
    let mut plain = names.map(|name| name.trim_start_matches('/'));
    plain.find(|name| !name.contains('/'))
}

/// The container of ours in an entry of the list, and which self it is.
pub(super) fn ours(site: &Site, homes: &Homes, entry: &Entry) -> Option<(Name, Body, Known)> {
    let Marked { name, token, mark } = site.marked(&entry.labels.0)?;
    let (id, called) = (entry.id.clone()?, name_of(entry)?);
    let body = if called == site.full(&name) {
        Body::Present
    } else if called == site.aside(&name) {
        Body::Aside
    } else {
        return None; // somebody renamed it; it is theirs now
    };
    let home = homes.of(site, &name, &token);
    let changed = home.changed.as_deref();
    let mut mark = changed
        .and_then(|text| mark::changed(text, &id))
        .unwrap_or(mark);
    let began = entry.state != Some(ContainerSummaryStateEnum::CREATED);
    // The commands run right after the first start, and a run that was killed there is the rare case:
    // running them twice can do harm, a missing one shows.
    mark.setup_done |= began && !mark.spec.setup.is_empty() && lost(site, &name, &token);
    let state = status::state(entry.state);
    let unplugged = unplugged(entry, &mark);
    let known = Known {
        // Older engines join them one after the other.
        wreck: state.is_none() || !(began || unplugged.is_empty()),
        frozen: state == Some(State::Frozen),
        held: held(entry, &mark),
        unplugged,
        id,
        token,
        mark,
    };
    Some((name, body, known))
}

/// The container of ours in an entry of the list that somebody renamed, and what it is called now.
pub(super) fn renamed(site: &Site, entry: &Entry) -> Option<(Name, String)> {
    let Marked { name, .. } = site.marked(&entry.labels.0)?;
    let called = name_of(entry)?;
    let own = called == site.full(&name) || called == site.aside(&name);
    (!own).then(|| (name, called.to_owned()))
}

/// Whether the place of its files is gone, and with it what was written down after it was made.
fn lost(site: &Site, name: &Name, token: &str) -> bool {
    !site.home(name, token).exists()
}

/// The networks of its mark that it is not on.
fn unplugged(entry: &Entry, mark: &Mark) -> BTreeSet<String> {
    let joined: HashSet<&str> = entry
        .network_settings
        .iter()
        .flat_map(|settings| settings.networks.iter().flatten())
        .map(|(name, _)| name.as_str())
        .collect();
    let wanted = mark.spec.app.iter().flat_map(|app| &app.attached);
    let wanted = wanted.map(|attached| &attached.network);
    wanted
        .filter(|network| !joined.contains(network.as_str()))
        .cloned()
        .collect()
}

fn held(entry: &Entry, mark: &Mark) -> Vec<(PathBuf, String)> {
    let unnamed = unnamed(entry, mark).into_iter();
    unnamed.map(|volume| (volume.target, volume.name)).collect()
}

/// Writable volumes without a name. The engine calls them by 64 digits of its own. One that the container was
/// made with by that name is somebody else's.
pub(super) fn unnamed(entry: &Entry, mark: &Mark) -> Vec<UnnamedVolume> {
    let app = mark.spec.app.iter();
    let kept = app.flat_map(|app| &app.settings.engine_volumes);
    let theirs: HashSet<&str> = kept
        .filter_map(|mount| match &mount.volume {
            EngineVolume::External(name) => Some(name.as_str()),
            EngineVolume::Anonymous | EngineVolume::Driver { .. } => None,
        })
        .collect();
    let mounts = entry.mounts.iter().flatten();
    mounts
        .filter(|mount| mount.r#type.as_deref() == Some("volume"))
        .filter_map(|mount| {
            Some(UnnamedVolume {
                target: mount.destination.clone()?.into(),
                name: mount
                    .name
                    .clone()
                    .filter(|name| is_anonymous(name) && !theirs.contains(name.as_str()))?,
                path: mount
                    .source
                    .clone()
                    .filter(|at| !at.is_empty())
                    .map(PathBuf::from),
            })
        })
        .collect()
}

/// Whether a volume's name is one that the engine made up.
pub(super) fn is_anonymous(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_one_of_several_names_counts() {
        let entry = Entry {
            names: Some(vec!["/other/db".into(), "/shop_db".into()]),
            ..Default::default()
        };
        assert_eq!(name_of(&entry), Some("shop_db"));
    }

    #[test]
    fn only_names_that_the_engine_made_up_are_anonymous() {
        assert!(is_anonymous(&"0a".repeat(32)));
        for named in ["shop_data", "", &"0g".repeat(32), &"0a".repeat(31)] {
            assert!(!is_anonymous(named), "{named}");
        }
    }
}

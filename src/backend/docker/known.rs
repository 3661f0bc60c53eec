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
use super::site::{ASIDE, Site};
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

    /// One is gone, and its volumes with it where `volumes` says so. Those of a whole new self have taken the place of the
    /// older one's: what is made next takes them over.
    pub(super) fn gone(&mut self, body: Body, volumes: bool) {
        let gone = self.slot(body).take().filter(|gone| !gone.wreck);
        let heir = self
            .aside
            .as_mut()
            .filter(|_| body == Body::Present && !volumes);
        if let (Some(gone), Some(heir)) = (gone, heir) {
            heir.held = gone.held;
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

/// The container of ours in an entry of the list `all`, and which self it is.
pub(super) fn ours(
    site: &Site,
    homes: &Homes,
    entry: &Entry,
    all: &[Entry],
) -> Option<(Name, Body, Known)> {
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
        held: held(entry, &mark, all),
        unplugged,
        id,
        token,
        mark,
    };
    Some((name, body, known))
}

/// The container of ours in an entry of the list that somebody renamed, and what it is called now.
pub(super) fn renamed(site: &Site, entry: &Entry) -> Option<(Name, String)> {
    let Marked { name, token, mark } = site.marked(&entry.labels.0)?;
    let called = name_of(entry)?;
    let own = called == site.full(&name) || called == site.aside(&name);
    // An image that was made of a container has its labels, and so has who is made from that: somebody else's.
    let ours = is_of(entry, &mark) && !lost(site, &name, &token);
    (!own && ours).then(|| (name, called.to_owned()))
}

/// Whether it was made from the image of its mark, as far as that can be told: of a name that leads to another image by
/// now the list has only the id.
fn is_of(entry: &Entry, mark: &Mark) -> bool {
    let made = mark.spec.source.image();
    let listed = entry.image.as_deref().filter(|image| {
        let id = image.strip_prefix("sha256:").unwrap_or(image);
        !(id.len() >= 12 && id.bytes().all(|b| b.is_ascii_hexdigit()))
    });
    made.zip(listed).is_none_or(|(made, listed)| made == listed)
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

fn held(entry: &Entry, mark: &Mark, all: &[Entry]) -> Vec<(PathBuf, String)> {
    let unnamed = unnamed(entry, mark, all).into_iter();
    unnamed.map(|volume| (volume.target, volume.name)).collect()
}

/// Volumes without a name. The engine calls them by 64 digits of its own. One that the container was
/// made with by that name is somebody else's, and so is one that it has from a container of `volumes_from`.
pub(super) fn unnamed(entry: &Entry, mark: &Mark, all: &[Entry]) -> Vec<UnnamedVolume> {
    let app = mark.spec.app.iter();
    let kept = app.flat_map(|app| &app.settings.engine_volumes);
    let mut own = HashSet::new();
    let mut theirs = of_partners(mark, all);
    for mount in kept {
        let _fresh = match &mount.volume {
            EngineVolume::External(name) => theirs.insert(name.as_str()),
            EngineVolume::Anonymous => own.insert(mount.target.as_path()),
            EngineVolume::Driver { .. } => false,
        };
    }
    let mounts = entry.mounts.iter().flatten();
    mounts
        .filter(|mount| mount.r#type.as_deref() == Some("volume"))
        .filter_map(|mount| {
            let target: PathBuf = mount.destination.clone()?.into();
            // Those that its image asks for can be written to.
            if mount.writable == Some(false) && !own.contains(target.as_path()) {
                return None;
            }
            let name = mount.name.clone();
            Some(UnnamedVolume {
                target,
                name: name.filter(|name| is_anonymous(name) && !theirs.contains(name.as_str()))?,
                path: mount
                    .source
                    .clone()
                    .filter(|at| !at.is_empty())
                    .map(PathBuf::from),
            })
        })
        .collect()
}

/// The volumes of those from which a container has some.
fn of_partners<'a>(mark: &Mark, all: &'a [Entry]) -> HashSet<&'a str> {
    let app = mark.spec.app.iter();
    let from: Vec<&String> = app
        .flat_map(|app| app.settings.volumes_from.iter().map(|(name, _)| name))
        .collect();
    if from.is_empty() {
        return HashSet::new();
    }
    let is_partner = |entry: &&Entry| {
        let (called, id) = (name_of(entry), entry.id.as_deref());
        // One that a killed run has set aside has them as well.
        let called = called.map(|called| called.strip_suffix(ASIDE).unwrap_or(called));
        let mut from = from.iter();
        from.any(|name| {
            called == Some(name.as_str()) || id.is_some_and(|id| id.starts_with(name.as_str()))
        })
    };
    let mounts = all.iter().filter(is_partner);
    let mounts = mounts.flat_map(|entry| entry.mounts.iter().flatten());
    mounts.filter_map(|mount| mount.name.as_deref()).collect()
}

/// Whether a volume's name is one that the engine made up.
pub(super) fn is_anonymous(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
#[path = "known_tests.rs"]
mod tests;

//! Volumes of the engine that are not what the file says, or that somebody else made.
//!
//! The engine gives whoever asks for a volume the one that bears the name, whatever it is. Both cases are
//! told before anything is touched: one hides data, the other puts a container on data of others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::model::{ContainerSpec, EngineVolume, Key, Name, host_name_of};
use crate::observed::{Observed, ObservedVolume, Owner};

use super::build::Builder;
use super::compose::InTheWay;
use super::intent::Settings;
use super::{Cause, Goal, Loss, Problem, Wish};

/// What the file wants under one name of the engine.
enum Wanted<'a> {
    /// A directory that locker keeps, which the engine's volume leads to.
    Ours { key: String, host: &'a Path },
    /// One that a driver keeps.
    Kept {
        driver: &'a str,
        options: &'a BTreeMap<String, String>,
        labels: &'a BTreeMap<String, String>,
    },
}

/// The volumes of the engine that a container is to have, by their name there; external ones are nobody's
/// business.
fn wanted(spec: &ContainerSpec) -> Vec<(String, Wanted<'_>)> {
    let Some(app) = &spec.app else {
        return Vec::new();
    };
    let ours = spec.mounts.iter().filter(|mount| mount.named);
    let ours = ours.filter_map(|mount| {
        let key = mount.host.file_name()?.to_string_lossy().into_owned();
        let host = &mount.host;
        Some((
            format!("{}_{key}", spec.project),
            Wanted::Ours { key, host },
        ))
    });
    let kept = app.settings.engine_volumes.iter();
    let kept = kept.filter_map(|mount| match &mount.volume {
        EngineVolume::Anonymous | EngineVolume::External(_) => None,
        EngineVolume::Driver {
            name,
            driver,
            options,
            labels,
        } => Some((
            name.clone(),
            Wanted::Kept {
                driver,
                options,
                labels,
            },
        )),
    });
    ours.chain(kept).collect()
}

/// What to do without what was written down of volumes that were taken over.
pub const WITHOUT_ADOPTED: &str = "put it back from a copy, or use the newer locker that wrote it; if it is lost, move it away and run \
    `locker adopt`: volumes with a name are taken over again, those without a name stay in the engine (`docker volume ls`), and can be \
    named in the file with `external: true`";

/// Refuses to make containers, and to remove volumes, while nobody knows which volumes were taken over from docker
/// compose: a new container would begin without the data of those that have no name.
pub(super) fn unknown(observed: &Observed, wish: &Wish) -> Option<Problem> {
    let damage = observed.adopted.damage.as_ref()?;
    let matters = matches!(
        wish.goal,
        Goal::Up | Goal::Create | Goal::Cleanup | Goal::Down { volumes: true, .. }
    );
    matters.then(|| Problem {
        message: format!(
            "{damage}; it says which volumes this project has taken over from docker compose, and without it they cannot be mounted \
             or removed"
        ),
        container: None,
        key: None,
        place: None,
        help: Some(WITHOUT_ADOPTED.into()),
    })
}

impl Builder<'_> {
    /// Refuses what the engine would take for the volume that the file means.
    pub(super) fn check_volumes(&mut self) {
        // Whose volumes these are is not known without what was written down; that is told.
        let unknown = self.observed.adopted.damage.is_some();
        if unknown || !matches!(self.wish.goal, Goal::Up | Goal::Create) {
            return;
        }
        let mut told = BTreeSet::new();
        let mut found: Vec<(Name, String, String, String)> = Vec::new();
        for (name, spec) in &self.desired {
            let intent = self.intents.get(name).copied().unwrap_or_default();
            if !intent.make && intent.settings != Settings::All {
                continue;
            }
            for (volume, wanted) in wanted(spec) {
                if let Some((message, help)) = self.in_the_way(name, &volume, &wanted)
                    && told.insert(volume.clone())
                {
                    found.push((name.clone(), volume, message, help));
                }
            }
        }
        for (name, volume, message, help) in found {
            let theirs = self.observed.engine.foreign_volumes.get(&volume);
            let theirs = theirs.and_then(|found| found.compose_project());
            let adopted = self.observed.adopted.volumes.contains(&volume);
            self.problem(&name, Some(Key::Volumes), message, &help);
            let own = theirs == Some(self.project.name.as_str());
            let other = theirs.filter(|name| self.observed.engine.compose_else.contains_key(*name));
            if (own || other.is_some()) && !adopted {
                let of = other.map(str::to_owned);
                self.in_the_way
                    .extend(self.problems.pop().map(|alone| InTheWay {
                        of,
                        what: format!("volume `{volume}`"),
                        alone,
                    }));
            }
        }
    }

    fn in_the_way(
        &self,
        container: &Name,
        volume: &str,
        wanted: &Wanted<'_>,
    ) -> Option<(String, String)> {
        let engine = &self.observed.engine;
        let adopted = self.observed.adopted.volumes.contains(volume);
        if let Some(foreign) = engine.foreign_volumes.get(volume).filter(|_| !adopted) {
            return Some(self.foreign(volume, foreign, wanted));
        }
        let found = engine
            .volumes
            .get(volume)
            .or_else(|| engine.foreign_volumes.get(volume))?;
        let differs = match wanted {
            Wanted::Ours { host, .. } => {
                let device = found.options.get("device");
                let same = device.is_some_and(|device| Path::new(device) == *host);
                (!same).then(|| "it is kept elsewhere".into())
            }
            Wanted::Kept {
                driver,
                options,
                labels,
            } => difference(found, driver, options, labels),
        }?;
        Some((
            format!(
                "the volume `{volume}` is not what the file says: {differs}; the engine cannot change a volume, and another one would begin without its data"
            ),
            format!(
                "undo the change in the file; or copy the data away, remove it (`locker rm {container}`, `docker volume rm {volume}`), and run `locker up`"
            ),
        ))
    }

    fn foreign(
        &self,
        volume: &str,
        found: &ObservedVolume,
        wanted: &Wanted<'_>,
    ) -> (String, String) {
        let external = match wanted {
            Wanted::Ours { key, .. } if host_name(self, key) == volume => {
                format!("`{key}: {{external: true, name: {volume}}}` below `volumes`")
            }
            Wanted::Ours { .. } | Wanted::Kept { .. } => {
                format!("`external: true` and `name: {volume}` below `volumes`")
            }
        };
        if let Some(owner) = found.owner() {
            return self.of_other(volume, &owner, &external);
        }
        match found.compose_project() {
            Some(project) if project == self.project.name.as_str() => (
                format!("the volume `{volume}` was made by docker compose for this project"),
                format!(
                    "take it over with its data: `locker adopt`; or use it as it is: {external}"
                ),
            ),
            Some(project) => (
                format!("the volume `{volume}` was made by docker compose for project `{project}`"),
                format!("use it as it is: {external}"),
            ),
            None => (
                format!("the engine has a volume `{volume}` that locker did not make"),
                format!("use it as it is: {external}; or give the file's another name"),
            ),
        }
    }

    /// A volume that another project of locker has: whoever used it as it is would work on the other's data.
    fn of_other(&self, volume: &str, owner: &Owner, external: &str) -> (String, String) {
        let message = format!("the volume `{volume}` is of {owner}");
        let rename = "rename the volume or the project, or give the volume a `name` of its own below `volumes`";
        let help = match owner.project == self.project.name.as_str() {
            true => {
                format!("if this project was there, use it as it is: {external}; else {rename}")
            }
            false => rename.into(),
        };
        (message, help)
    }

    /// What `down --volumes` takes of what was taken over from docker compose.
    pub(super) fn adopted_volumes(&mut self) {
        let adopted = &self.observed.adopted;
        let unnamed = adopted.unnamed.values().flat_map(BTreeMap::values);
        let all: BTreeSet<String> = adopted.volumes.iter().chain(unnamed).cloned().collect();
        for name in all {
            let Some(found) = self.observed.engine.foreign_volumes.get(&name) else {
                continue;
            };
            if self.is_held(&name) {
                continue;
            }
            self.losses.push(Loss {
                what: format!("the volume {name}, taken over from docker compose"),
                container: None,
                path: found.path.clone(),
                cause: Cause::Asked,
            });
            self.remove_volume(None, Some(name), true);
        }
    }

    /// The volumes without a name that go with a container.
    pub(super) fn tell_unnamed(&mut self, name: &Name) {
        if !matches!(self.wish.goal, Goal::Down { volumes: true, .. }) {
            return;
        }
        let found = self.observed.containers.get(name);
        for volume in found.iter().flat_map(|found| &found.unnamed) {
            let what = format!(
                "the volume without a name at {} of container {name}",
                volume.target.display()
            );
            if self.losses.iter().all(|loss| loss.what != what) {
                self.losses.push(Loss {
                    what,
                    container: None,
                    path: volume.path.clone(),
                    cause: Cause::Asked,
                });
            }
        }
    }
}

fn host_name(builder: &Builder<'_>, key: &str) -> String {
    Name::new(key).map_or_else(
        |_| String::new(),
        |key| host_name_of(&builder.project.name, &key),
    )
}

/// The first difference between a volume and what the file says of it. Values may be secret.
fn difference(
    found: &ObservedVolume,
    driver: &str,
    options: &BTreeMap<String, String>,
    labels: &BTreeMap<String, String>,
) -> Option<String> {
    if found.driver != driver {
        return Some(format!("its driver is `{}`, not `{driver}`", found.driver));
    }
    let differs = |had: &BTreeMap<String, String>, gets: &BTreeMap<String, String>| {
        let keys: BTreeSet<&String> = had.keys().chain(gets.keys()).collect();
        let mut keys = keys.into_iter();
        keys.find(|key| had.get(*key) != gets.get(*key)).cloned()
    };
    // With labels the engine keeps the volume itself, so its options are others as well: the label is the cause.
    let label =
        differs(&found.own_labels(), labels).map(|key| format!("its label `{key}` differs"));
    label.or_else(|| {
        differs(&found.options, options).map(|key| format!("its option `{key}` differs"))
    })
}

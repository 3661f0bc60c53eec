//! The marks that make a container, network or volume ours.
//!
//! They are labels, so they come and go with what they mark and cannot be changed later. What changes
//! in a container that lives on (limits, whether the setup has run) is kept in a file beside them, which
//! counts only for the container with the id that stands in it. A lost file loses nothing that matters.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::client::Client;
use super::known;
use super::list;
use super::site::{Site, write_whole};
use crate::backend::BackendError;
use crate::model::{App, EngineNetwork, IdRange, Name};
use crate::observed::{Mark, Owner};

/// The project's name.
pub(super) const PROJECT: &str = "locker.project";
/// The project's directory: another one's project of the same name is not ours.
pub(super) const DIRECTORY: &str = "locker.directory";
/// A container's short name.
pub(super) const NAME: &str = "locker.name";
/// A network's key in the file.
pub(super) const NETWORK: &str = "locker.network";
/// What a container was made as: a [`Mark`].
pub(super) const MARK: &str = "locker.mark";
/// Where its files are kept.
pub(super) const TOKEN: &str = "locker.token";

/// The project of locker that a network or a volume is of.
pub(super) fn owner(labels: &HashMap<String, String>) -> Option<Owner> {
    Owner::of(labels.get(PROJECT), labels.get(DIRECTORY))
}

/// Name of the file of what was changed since a container was made.
pub(super) const FILE: &str = "mark.json";

/// Name of the note that a container has been asked to end: the pid of its first process. Until it has ended the
/// engine shows it as if it ran, also when whoever asked is no more.
pub(super) const STOPPING: &str = "stopping";

/// Writes the note. Without it the next run takes the container for one that goes on, no more.
pub(super) fn begin_stop(home: &Path, init: Option<u32>) {
    if let Some(init) = init.filter(|_| home.exists()) {
        let _ = write_whole(&home.join(STOPPING), init.to_string().as_bytes());
    }
}

/// Takes the note away; one that stays is about a process that is gone.
pub(super) fn end_stop(home: &Path) {
    let _ = std::fs::remove_file(home.join(STOPPING));
}

/// Whether the running container with this first process was asked to end. The note of an earlier run means
/// nothing; a process that is not there any more has just ended.
pub(super) fn is_stopping(note: Option<&str>, init: Option<u32>) -> bool {
    let asked: Option<u32> = note.and_then(|note| note.parse().ok());
    asked.is_some_and(|asked| init.is_none_or(|init| init == asked))
}

/// The directories that the marks of `project`'s containers bear. An engine that is not there or does not answer knows
/// of none.
pub async fn directories_of(project: &Name) -> BTreeSet<PathBuf> {
    let client = Client::default();
    let Ok(link) = client.link().await else {
        return BTreeSet::new();
    };
    let list = list::containers(&link.endpoint).await.unwrap_or_default();
    let stem = format!("{project}_");
    // An image that was made of a container has its labels, and so has who is made from that.
    let named = list
        .iter()
        .filter(|entry| known::name_of(entry).is_some_and(|name| name.starts_with(&stem)));
    let labels = named.map(|entry| &entry.labels.0);
    let ours = labels.filter(|labels| labels.get(PROJECT).is_some_and(|of| of == project.as_str()));
    ours.filter_map(|labels| labels.get(DIRECTORY).map(PathBuf::from))
        .collect()
}

/// The labels of a container's marks.
#[derive(Clone, Debug)]
pub(super) struct Marked {
    pub(super) name: Name,
    pub(super) token: String,
    pub(super) mark: Mark,
}

/// The file of what was changed.
#[derive(Serialize, Deserialize)]
struct Changed {
    /// Of the container that it is about.
    id: String,
    mark: Mark,
}

impl Site {
    /// The labels that every object of ours has.
    pub(super) fn labels(&self) -> HashMap<String, String> {
        HashMap::from([
            (PROJECT.into(), self.project.to_string()),
            (
                DIRECTORY.into(),
                self.directory.to_string_lossy().into_owned(),
            ),
        ])
    }

    /// Whether these are labels of this project.
    pub(super) fn owns(&self, labels: &HashMap<String, String>) -> bool {
        let is = |key: &str, value: &str| labels.get(key).is_some_and(|found| found == value);
        is(PROJECT, self.project.as_str()) && is(DIRECTORY, &self.directory.to_string_lossy())
    }

    /// Whether a volume of the engine is this project's. The data outlive the project's containers, which may be moved
    /// meanwhile: one that leads to the project's own volumes is its, whatever directory it was made from.
    pub(super) fn keeps(
        &self,
        labels: &HashMap<String, String>,
        options: &HashMap<String, String>,
    ) -> bool {
        let ours = labels
            .get(PROJECT)
            .is_some_and(|found| *found == self.project.as_str());
        let kept = options.get("device").map(Path::new);
        let kept = kept.is_some_and(|path| path.starts_with(self.paths.volumes(&self.project)));
        self.owns(labels) || (ours && kept)
    }

    /// The labels of a container that is to be made, its user's own among them.
    pub(super) fn labels_of(
        &self,
        mark: &Mark,
        token: &str,
    ) -> Result<HashMap<String, String>, BackendError> {
        let text = brief(mark).map_err(|e| BackendError::Mark {
            path: self.homes(),
            reason: e.to_string(),
        })?;
        let user = mark.spec.labels.iter();
        let mut labels: HashMap<_, _> = user.map(|(k, v)| (k.clone(), v.clone())).collect();
        labels.extend(self.labels());
        labels.insert(NAME.into(), mark.spec.name.to_string());
        labels.insert(TOKEN.into(), token.into());
        labels.insert(MARK.into(), text);
        Ok(labels)
    }

    /// The labels of a network that is to be made.
    pub(super) fn labels_of_network(&self, network: &EngineNetwork) -> HashMap<String, String> {
        let user = network.labels.iter();
        let mut labels: HashMap<_, _> = user.map(|(k, v)| (k.clone(), v.clone())).collect();
        labels.extend(self.labels());
        labels.insert(NETWORK.into(), network.network.to_string());
        labels
    }

    /// What a container's labels say; none when it is not ours or when they cannot be read: such a
    /// container is nobody's, and left alone.
    pub(super) fn marked(&self, labels: &HashMap<String, String>) -> Option<Marked> {
        if !self.owns(labels) {
            return None;
        }
        let mark: Mark = serde_json::from_str(labels.get(MARK)?).ok()?;
        let name = Name::new(labels.get(NAME)?).ok()?;
        let token = labels.get(TOKEN)?.clone();
        let whole = mark.version == 1 && mark.spec.name == name && is_token(&token);
        whole.then_some(Marked { name, token, mark })
    }
}

/// The ids that a container of any project of locker has for itself, by its labels.
pub(super) fn ids_of(labels: &HashMap<String, String>) -> Vec<IdRange> {
    let mark = labels.get(MARK).filter(|_| labels.contains_key(PROJECT));
    let mark = mark.and_then(|text| serde_json::from_str::<Value>(text).ok());
    let ids = mark.and_then(|mut mark| mark.pointer_mut("/spec/idmap").map(Value::take));
    ids.and_then(|ids| serde_json::from_value(ids).ok())
        .unwrap_or_default()
}

/// A mark as a label: settings that are at their default are left out, since the engine's list brings
/// the labels of all containers to every look.
fn brief(mark: &Mark) -> serde_json::Result<String> {
    let mut value = serde_json::to_value(mark)?;
    let usual = serde_json::to_value(App::default())?;
    let settings = value
        .pointer_mut("/spec/app/settings")
        .and_then(Value::as_object_mut);
    if let Some(settings) = settings {
        settings.retain(|key, value| usual.get(key) != Some(value));
    }
    serde_json::to_string(&value)
}

/// Whether a label is a token as locker makes them, and so no way out of the directory.
fn is_token(word: &str) -> bool {
    word.len() == 16 && word.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The user's own labels among those of an object of ours.
pub(super) fn user_labels(
    labels: HashMap<String, String>,
) -> impl Iterator<Item = (String, String)> {
    const OURS: [&str; 6] = [PROJECT, DIRECTORY, NAME, NETWORK, MARK, TOKEN];
    labels
        .into_iter()
        .filter(|(key, _)| !OURS.contains(&key.as_str()))
}

/// The mark as it was last changed, from the file's text; none when it is not about the container `id`.
pub(super) fn changed(text: &str, id: &str) -> Option<Mark> {
    let changed: Changed = serde_json::from_str(text).ok()?;
    (changed.id == id && changed.mark.version == 1).then_some(changed.mark)
}

/// Writes down a change.
pub(super) fn change(home: &Path, id: &str, mark: &Mark) -> Result<(), BackendError> {
    let path = home.join(FILE);
    let changed = Changed {
        id: id.into(),
        mark: mark.clone(),
    };
    let text = serde_json::to_vec(&changed).map_err(|e| BackendError::Mark {
        path: path.clone(),
        reason: e.to_string(),
    })?;
    std::fs::create_dir_all(home).map_err(super::site::io("create", home))?;
    write_whole(&path, &text)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    fn site() -> Site {
        Site {
            project: Name::new("shop").unwrap(),
            directory: "/srv/shop".into(),
            here: "/srv/shop".into(),
            paths: crate::store::Paths::system(),
        }
    }

    pub(in super::super) fn mark(settings: &Value) -> Mark {
        serde_json::from_value(json!({
            "version": 1, "directory": "/srv/shop", "setup_done": false, "seeded": false,
            "spec": {"project": "shop", "name": "db", "source": {"image": "a"}, "idmap": [],
                "hostname": "db", "fqdn": null, "nic": null, "mounts": [], "environment": {},
                "config": [], "limits": [], "dns": [], "setup": [], "labels": {"tier": "x"},
                "app": {"settings": settings, "attached": [], "network_of": null, "healthcheck": null}}
        }))
        .unwrap()
    }

    #[test]
    fn the_ids_of_a_container_are_seen_whatever_project_it_is_of() {
        let ids = json!([{"kind": "user", "container": 0, "host": 1_000_000, "count": 65_536}]);
        let mut mark = mark(&json!({}));
        assert!(ids_of(&site().labels_of(&mark, "0123456789abcdef").unwrap()).is_empty());
        mark.spec.idmap = serde_json::from_value(ids).unwrap();
        let labels = site().labels_of(&mark, "0123456789abcdef").unwrap();
        assert_eq!(ids_of(&labels), mark.spec.idmap);
        let other = HashMap::from([(MARK.to_owned(), labels[MARK].clone())]);
        assert!(ids_of(&other).is_empty());
        let torn = HashMap::from([(PROJECT.into(), "x".into()), (MARK.into(), "{".into())]);
        assert!(ids_of(&torn).is_empty());
    }

    #[test]
    fn marks_are_read_as_they_were_written_and_hold_only_what_is_not_usual() {
        for settings in [
            json!({}),
            json!({"user": "1", "tty": true, "network": "host", "limits": {"memory": 5}}),
            json!({"command": [], "files": [{"target": "/s", "uid": 0, "gid": 0, "mode": 256, "digest": "d"}]}),
        ] {
            let (mark, token) = (mark(&settings), "0123456789abcdef");
            let labels = site().labels_of(&mark, token).unwrap();
            assert_eq!(labels["tier"], "x");
            assert!(labels[MARK].len() < 900, "{}", labels[MARK]);
            let read = site().marked(&labels).unwrap();
            assert_eq!((&read.mark, read.token.as_str()), (&mark, token));
            let left: Vec<_> = user_labels(labels).collect();
            assert_eq!(left, [("tier".to_owned(), "x".to_owned())]);
        }
    }

    #[test]
    fn what_is_not_whole_or_of_another_directory_is_nobodys() {
        let good = site()
            .labels_of(&mark(&json!({})), "0123456789abcdef")
            .unwrap();
        for (key, value) in [
            (DIRECTORY, "/srv/other"),
            (PROJECT, "other"),
            (NAME, "web"),
            (TOKEN, "../../../etc"),
            (MARK, "{"),
        ] {
            let mut bad = good.clone();
            bad.insert(key.into(), value.into());
            assert!(site().marked(&bad).is_none(), "{key}");
            bad.remove(key);
            assert!(site().marked(&bad).is_none(), "no {key}");
        }
    }

    /// The data outlive `down`, and the project may be moved then.
    #[test]
    fn a_volume_that_leads_to_the_projects_own_is_its_from_whatever_directory() {
        let labels = |project: &str| {
            let pairs = [(PROJECT, project), (DIRECTORY, "/srv/moved/away")];
            pairs
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into()
        };
        let to = |path: &str| [("device".to_owned(), path.to_owned())].into();
        let ours = "/var/lib/locker/volumes/shop/data";
        assert!(site().keeps(&labels("shop"), &to(ours)));
        assert!(!site().keeps(&labels("other"), &to(ours)));
        assert!(!site().keeps(&labels("shop"), &to("/var/lib/locker/volumes/shop-2/data")));
        assert!(!site().keeps(&labels("shop"), &HashMap::new()));
    }

    #[test]
    fn a_change_counts_only_for_the_container_that_it_was_written_for() {
        let home = tempfile::tempdir().unwrap();
        let mark = Mark {
            setup_done: true,
            setup_failed: None,
            provisioned: Vec::new(),
            ..mark(&json!({}))
        };
        change(home.path(), "one", &mark).unwrap();
        let text = std::fs::read_to_string(home.path().join(FILE)).unwrap();
        assert_eq!(changed(&text, "one"), Some(mark));
        assert_eq!(changed(&text, "two"), None);
        assert_eq!(changed("{", "one"), None);
    }
}

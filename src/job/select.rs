//! From words to containers: names and `@group`s.

use std::collections::BTreeSet;

use crate::file::diagnostic::nearest;
use crate::model::{Name, Project};
use crate::observed::Observed;

use super::{JobError, Selection};

/// The containers that `words` name: those of the file, and leftovers of it on the host. The name of a
/// service that is scaled means all its containers. No words mean all.
pub(super) fn select(
    project: &Project,
    observed: &Observed,
    words: &[String],
) -> Result<Selection, JobError> {
    if words.is_empty() {
        return Ok(None);
    }
    let known = known(project, observed);
    let mut selected = BTreeSet::new();
    for word in words {
        match word.strip_prefix('@') {
            Some(group) => selected.extend(members(project, group)?.iter().cloned()),
            None => {
                let name = container(project, &known, word)?;
                selected.extend(replicas(project, observed, &name));
                selected.insert(name);
            }
        }
    }
    Ok(Some(selected))
}

/// The one container that `word` names; `index` counts the containers of a scaled service from 1.
pub(super) fn one(
    project: &Project,
    observed: &Observed,
    word: &str,
    index: Option<u32>,
) -> Result<Name, JobError> {
    if word.starts_with('@') {
        return Err(JobError::Selection {
            message: format!("`{word}` is a group; this needs exactly one container"),
            help: None,
        });
    }
    let name = container(project, &known(project, observed), word)?;
    let Some(index) = index else {
        return Ok(name);
    };
    let mut all = replicas(project, observed, &name);
    all.insert(0, name.clone());
    let count = all.len();
    let at = usize::try_from(index).unwrap_or(usize::MAX).checked_sub(1);
    at.and_then(|at| all.into_iter().nth(at))
        .ok_or_else(|| JobError::Selection {
            message: format!("`{name}` has no container {index}"),
            help: Some(format!("it has {count}, counted from 1")),
        })
}

fn known<'a>(project: &'a Project, observed: &'a Observed) -> BTreeSet<&'a Name> {
    let defined = project.containers.keys();
    let there = observed.containers.keys().chain(observed.jobs.keys());
    defined.chain(there).collect()
}

/// The further containers of the service `name`, the second first: those of the file, and those that an
/// earlier `up --scale` has left.
fn replicas(project: &Project, observed: &Observed, name: &Name) -> Vec<Name> {
    let defined = project.containers.values();
    let defined = defined.filter(|container| container.replica_of.as_ref() == Some(name));
    let defined = defined.map(|container| &container.name);
    let left = observed.containers.keys();
    let left = left.filter(|other| !project.containers.contains_key(*other) && counts(other, name));
    let mut all: Vec<&Name> = defined.chain(left).filter(|other| *other != name).collect();
    // `web-10` comes after `web-9`.
    all.sort_by_key(|name| (name.as_str().len(), *name));
    all.into_iter().cloned().collect()
}

/// Whether `other` is called as the second or a later container of the service `name`: `web-2`.
fn counts(other: &Name, name: &Name) -> bool {
    let number = other.as_str().strip_prefix(name.as_str());
    let number = number.and_then(|rest| rest.strip_prefix('-'));
    number.is_some_and(|number| number.parse::<u32>().is_ok_and(|number| number > 1))
}

fn members<'a>(project: &'a Project, group: &str) -> Result<&'a [Name], JobError> {
    if let Some(members) = project.groups.get(group) {
        return Ok(members);
    }
    let near = nearest(group, project.groups.keys().map(Name::as_str));
    Err(JobError::Selection {
        message: format!("project `{}` has no group `{group}`", project.name),
        help: near.map(|near| format!("did you mean `@{near}`?")),
    })
}

fn container(project: &Project, known: &BTreeSet<&Name>, word: &str) -> Result<Name, JobError> {
    if let Some(name) = known.iter().find(|name| name.as_str() == word) {
        return Ok((*name).clone());
    }
    // Its name on the host, which the first Locker took.
    let bare = word.strip_prefix(project.name.as_str());
    let bare = bare.and_then(|rest| rest.strip_prefix('_'));
    let bare = known.iter().find(|name| Some(name.as_str()) == bare);
    let near = nearest(word, known.iter().map(|name| name.as_str()));
    let all: Vec<&str> = known.iter().map(|name| name.as_str()).collect();
    Err(JobError::Selection {
        message: format!("there is no container `{word}`"),
        help: Some(match (bare, near) {
            (Some(bare), _) => format!("containers are named as in the file: `{bare}`"),
            (None, Some(near)) => format!("did you mean `{near}`?"),
            (None, None) => format!("the containers are: {}", all.join(", ")),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Container;
    use std::collections::BTreeMap;

    fn project() -> Project {
        let name = |word: &str| Name::new(word).unwrap();
        let groups = [(name("front"), vec![name("web"), name("api")])];
        Project {
            name: name("shop"),
            directory: "/srv/shop".into(),
            file: "/srv/shop/locker.yaml".into(),
            supervisor: Default::default(),
            disabled: Default::default(),
            none: Default::default(),
            network: Default::default(),
            networks: BTreeMap::new(),
            firewall: Default::default(),
            groups: groups.into(),
            containers: BTreeMap::new(),
        }
    }

    fn observed() -> Observed {
        let left = |word: &str| crate::observed::ObservedContainer {
            host_name: format!("shop_{word}"),
            state: crate::observed::State::Stopped,
            kind: crate::model::Kind::System,
            exit: None,
            health: None,
            image: None,
            unnamed: Vec::new(),
            aside_runs: false,
            mark: None,
            wreck: true,
            set_aside: false,
            stopping: false,
            parted: false,
            left_behind: false,
            estranged: Default::default(),
            unplugged: Default::default(),
            limits: Default::default(),
            broken: None,
            over: false,
            pid: None,
            names: None,
            dns: Vec::new(),
            touched: None,
        };
        let containers = ["web", "gone"].map(|word| (Name::new(word).unwrap(), left(word)));
        Observed {
            containers: containers.into(),
            ..Observed::default()
        }
    }

    fn selected(words: &[&str]) -> Result<Vec<String>, String> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        match select(&project(), &observed(), &words) {
            Ok(selection) => Ok(selection
                .unwrap_or_default()
                .iter()
                .map(ToString::to_string)
                .collect()),
            Err(JobError::Selection { message, help }) => {
                Err(format!("{message} / {}", help.unwrap_or_default()))
            }
            Err(other) => Err(other.to_string()),
        }
    }

    #[test]
    fn names_groups_and_leftovers_are_selected() {
        assert_eq!(select(&project(), &observed(), &[]).unwrap(), None);
        assert_eq!(selected(&["gone"]).unwrap(), ["gone"]);
        assert_eq!(selected(&["@front", "web"]).unwrap(), ["api", "web"]);
    }

    #[test]
    fn a_word_that_names_nothing_gets_the_nearest_name() {
        let cases = [
            ("wbe", "there is no container `wbe` / did you mean `web`?"),
            (
                "zzz",
                "there is no container `zzz` / the containers are: gone, web",
            ),
            (
                "@frnt",
                "project `shop` has no group `frnt` / did you mean `@front`?",
            ),
            (
                "../etc",
                "there is no container `../etc` / the containers are: gone, web",
            ),
        ];
        for (word, expected) in cases {
            assert_eq!(selected(&[word]).unwrap_err(), expected);
        }
    }

    #[test]
    fn a_scaled_service_is_all_its_containers_and_one_of_them_has_a_number() {
        let mut project = project();
        for word in ["web", "web-2", "web-10"] {
            let mut container = Container::bare(Name::new(word).unwrap());
            container.replica_of = Some(Name::new("web").unwrap());
            project.containers.insert(container.name.clone(), container);
        }
        let nothing = Observed::default();
        let words = ["web".to_string()];
        let all = select(&project, &nothing, &words).unwrap().unwrap();
        assert_eq!(all.len(), 3);
        let one = |index| one(&project, &nothing, "web", index).map(|name| name.to_string());
        assert_eq!(one(None).unwrap(), "web");
        assert_eq!(one(Some(1)).unwrap(), "web");
        assert_eq!(one(Some(2)).unwrap(), "web-2");
        assert_eq!(one(Some(3)).unwrap(), "web-10");
        assert!(one(Some(0)).is_err());
        let mut left = observed();
        let found = left.containers.remove(&Name::new("gone").unwrap()).unwrap();
        for word in ["web-11", "web-x", "webs-2", "web-1"] {
            left.containers
                .insert(Name::new(word).unwrap(), found.clone());
        }
        let all = select(&project, &left, &words).unwrap().unwrap();
        assert!(all.contains("web-11") && all.len() == 4, "{all:?}");
        assert!(one(Some(4)).is_err());
    }
}

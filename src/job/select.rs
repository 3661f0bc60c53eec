//! From words to containers: names and `@group`s.

use std::collections::BTreeSet;

use crate::model::{Name, Project};
use crate::observed::Observed;

use super::{JobError, Selection};

/// The containers that `words` name: those of the file, and leftovers of it on the host. No words
/// mean all.
pub(super) fn select(
    project: &Project,
    observed: &Observed,
    words: &[String],
) -> Result<Selection, JobError> {
    if words.is_empty() {
        return Ok(None);
    }
    let known: BTreeSet<&Name> = project
        .containers
        .keys()
        .chain(observed.containers.keys())
        .collect();
    let mut selected = BTreeSet::new();
    for word in words {
        match word.strip_prefix('@') {
            Some(group) => selected.extend(members(project, group)?.iter().cloned()),
            None => {
                selected.insert(container(&known, word)?);
            }
        }
    }
    Ok(Some(selected))
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

fn container(known: &BTreeSet<&Name>, word: &str) -> Result<Name, JobError> {
    if let Some(name) = known.iter().find(|name| name.as_str() == word) {
        return Ok((*name).clone());
    }
    let near = nearest(word, known.iter().map(|name| name.as_str()));
    let all: Vec<&str> = known.iter().map(|name| name.as_str()).collect();
    Err(JobError::Selection {
        message: format!("there is no container `{word}`"),
        help: Some(match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the containers are: {}", all.join(", ")),
        }),
    })
}

/// The name that is a slip of the fingers away: one in three letters wrong, missing or swapped.
fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (word.chars().count() / 3).max(1);
    names
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn project() -> Project {
        let name = |word: &str| Name::new(word).unwrap();
        let groups = [(name("front"), vec![name("web"), name("api")])];
        Project {
            name: name("shop"),
            directory: "/srv/shop".into(),
            file: "/srv/shop/locker.yaml".into(),
            supervisor: Default::default(),
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
            holds_volumes: false,
            aside_runs: false,
            mark: None,
            wreck: true,
            set_aside: false,
            stopping: false,
            pid: None,
            names: None,
            dns: Vec::new(),
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
}

//! From words to containers: names and `@group`s.

use std::collections::BTreeSet;

use crate::model::{Name, Project};
use crate::observed::Observed;

use super::{JobError, Selection};

/// Below this a name is too far off to be what was meant.
const NEAR: f64 = 0.7;

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

fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|name| (strsim::jaro_winkler(word, name), name))
        .filter(|(nearness, _)| *nearness >= NEAR)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, name)| name)
}

//! `scale`, `deploy.replicas` and `--scale`: one container of the file becomes several.
//!
//! The first bears the name that the file has, the others that name with `-2`, `-3` and so on. This
//! happens on the tree, so that each replica's own name stands where `$name` does; [`settle`] then
//! makes what names the container mean all of them.

use std::collections::{BTreeMap, BTreeSet};

use super::desk::{Desk, Scope};
use super::diagnostic::{Diagnostic, Severity, nearest};
use super::replica_ports as ports;
use super::tree::{Entry, MAX_NODES, Node, Spot};
use crate::model::{Container, Key, Link, Name, Place, Project, Source, built_image};

/// Most replicas of one container.
const MOST: u32 = 1000;

/// The containers of a file after scaling.
pub(super) struct Scaled {
    /// All of them; one that is scaled to nothing is still there, so that it is checked.
    pub entries: Vec<Entry>,
    /// Replicas, the first included, and the container of the file that each is of.
    replicas: BTreeMap<String, String>,
    /// Containers that are scaled to nothing.
    none: BTreeSet<String>,
}

impl Scaled {
    /// Adds the replicas of one entry. `spot` is where their number stands, `names` are those that are
    /// taken.
    fn multiply(
        &mut self,
        desk: &Desk<'_>,
        entry: &Entry,
        count: u32,
        spot: Spot,
        names: &BTreeMap<String, Spot>,
    ) {
        if count == 0 {
            self.none.insert(entry.key.clone());
        }
        if count > 1 {
            self.replicas.insert(entry.key.clone(), entry.key.clone());
            alone(desk, entry);
        }
        for index in 0..count.max(1) {
            let mut replica = entry.clone();
            ports::deal(desk, entry, &mut replica, index, count.max(1));
            if index > 0 {
                replica.key = format!("{}-{}", entry.key, index + 1);
                if let Some(other) = names.get(&replica.key) {
                    clash(desk, spot, &entry.key, &replica.key, *other);
                    continue;
                }
                let service = entry.key.clone();
                self.replicas.insert(replica.key.clone(), service);
            }
            self.entries.push(replica);
        }
    }
}

/// Multiplies entries. `given` are the numbers of the command line; `out` are further names that the
/// file has.
pub(super) fn apply(
    desk: &Desk<'_>,
    entries: Vec<Entry>,
    given: &BTreeMap<String, u32>,
    out: &BTreeMap<String, Vec<String>>,
) -> Scaled {
    unknown(desk, &entries, given, out);
    let names: BTreeMap<String, Spot> = entries.iter().map(|e| (e.key.clone(), e.spot)).collect();
    let mut scaled = Scaled {
        entries: Vec::with_capacity(entries.len()),
        replicas: BTreeMap::new(),
        none: BTreeSet::new(),
    };
    let mut size = 0;
    for entry in entries {
        let Some((count, spot)) = count(desk, &entry, given) else {
            scaled.entries.push(entry);
            continue;
        };
        size += entry.value.size().saturating_mul(count as usize);
        if count > MOST || size > MAX_NODES {
            let message = format!("{count} replicas of `{}` are too many", entry.key);
            desk.error(spot, message);
            continue;
        }
        scaled.multiply(desk, &entry, count, spot, &names);
    }
    scaled
}

fn clash(desk: &Desk<'_>, spot: Spot, service: &str, name: &str, other: Spot) {
    let message =
        format!("a replica of `{service}` would be called `{name}`, as another container is");
    let error = desk.about(spot, message);
    desk.push(error.with_related(desk.place(other), other.length, "this one"));
}

/// Reports what only one container can have.
fn alone(desk: &Desk<'_>, entry: &Entry) {
    if let Some(name) = entry.value.get("container_name") {
        let message = format!(
            "`{}` has several replicas; they cannot all have one name",
            entry.key
        );
        desk.error_help(name.spot, message, "take `container_name` away");
    }
}

/// How many containers an entry stands for, and where that is said; none when that is wrong.
fn count(desk: &Desk<'_>, entry: &Entry, given: &BTreeMap<String, u32>) -> Option<(u32, Spot)> {
    if let Some(count) = given.get(&entry.key) {
        return Some((*count, entry.spot));
    }
    let read = |found: Option<&Entry>| match found {
        Some(found) if !found.value.is_null() => {
            number(desk, &found.value, &found.key).map(|count| Some((count, found.spot)))
        }
        Some(_) | None => Some(None),
    };
    let deploy = entry.value.get("deploy");
    let scale = read(entry.value.get("scale"))?;
    let replicas = read(deploy.and_then(|deploy| deploy.value.get("replicas")))?;
    if let (Some((scale, first)), Some((replicas, second))) = (scale, replicas)
        && scale != replicas
    {
        let message = format!("`scale` is {scale} and `deploy.replicas` is {replicas}");
        let error = desk
            .about(second, message)
            .with_help("leave one of them out");
        desk.push(error.with_related(desk.place(first), first.length, "`scale`"));
        return None;
    }
    Some(scale.or(replicas).unwrap_or((1, entry.spot)))
}

fn number(desk: &Desk<'_>, node: &Node, key: &str) -> Option<u32> {
    let text = desk.text(node, Scope::Project, key)?;
    if !text.starts_with('+')
        && let Ok(number) = text.parse()
    {
        return Some(number);
    }
    desk.error(
        node.spot,
        format!("`{key}` is a whole number, not `{text}`"),
    );
    None
}

/// Reports names of `--scale` that the file does not have.
fn unknown(
    desk: &Desk<'_>,
    entries: &[Entry],
    given: &BTreeMap<String, u32>,
    out: &BTreeMap<String, Vec<String>>,
) {
    for name in given.keys() {
        let names = || entries.iter().map(|entry| entry.key.as_str());
        if names().any(|known| known == name) || out.contains_key(name) {
            continue;
        }
        let message = format!("`--scale {name}`: this project has no container `{name}`");
        let mut error = Diagnostic::at(Severity::Error, message, Place::nowhere());
        error.help = nearest(name, names()).map(|near| format!("did you mean `{near}`?"));
        desk.push(error);
    }
}

/// What names a container that has replicas means all of them, and what is scaled to nothing goes.
pub(super) fn settle(desk: &Desk<'_>, project: &mut Project, scaled: &Scaled) {
    if scaled.replicas.is_empty() && scaled.none.is_empty() {
        return;
    }
    let of = further(project, scaled);
    let none: BTreeSet<Name> = scaled
        .none
        .iter()
        .filter_map(|name| Name::new(name).ok())
        .collect();
    project.containers.retain(|name, _| !none.contains(name));
    project.none = none.clone();
    for container in project.containers.values_mut() {
        copies(desk, container, &none);
        container.depends_on.retain(|d| !none.contains(&d.on));
        container
            .links
            .retain(|(link, _)| !none.contains(&link.target));
        depend(container, &of);
        link(container, &of);
    }
    for (group, members) in &mut project.groups {
        members.retain(|name| !none.contains(name));
        let more = members.iter().filter_map(|name| of.get(name));
        let more: Vec<Name> = more.flatten().cloned().collect();
        members.extend(more);
        members.sort();
        members.dedup();
        for member in members.iter() {
            if let Some(container) = project.containers.get_mut(member)
                && !container.groups.contains(group)
            {
                container.groups.push(group.clone());
            }
        }
    }
}

/// The replicas of each container but the first, which are told whose they are.
fn further(project: &mut Project, scaled: &Scaled) -> BTreeMap<Name, Vec<Name>> {
    let mut of: BTreeMap<Name, Vec<Name>> = BTreeMap::new();
    for (replica, service) in &scaled.replicas {
        let (Ok(replica), Ok(service)) = (Name::new(replica), Name::new(service)) else {
            continue;
        };
        if let Some(container) = project.containers.get_mut(&replica) {
            share_image(&project.name, container, &service);
            container.replica_of = Some(service.clone());
        }
        if replica != service {
            of.entry(service).or_default().push(replica);
        }
    }
    of
}

/// Replicas are made from one image, so that it is built once.
fn share_image(project: &Name, container: &mut Container, service: &Name) {
    if let Source::Build(build) = &mut container.source
        && build.image == built_image(project, &container.name)
    {
        build.image = built_image(project, service);
    }
}

fn copies(desk: &Desk<'_>, container: &Container, none: &BTreeSet<Name>) {
    if let Source::CloneSibling(origin) = &container.source
        && none.contains(origin)
    {
        let message = format!("copies `{origin}`, which is scaled to nothing");
        let place = container.place_of(Key::Clone).clone();
        desk.push(Diagnostic::at(Severity::Error, message, place));
    }
}

fn depend(container: &mut Container, of: &BTreeMap<Name, Vec<Name>>) {
    let mut more = Vec::new();
    for dependency in &container.depends_on {
        for replica in of.get(&dependency.on).into_iter().flatten() {
            let mut dependency = dependency.clone();
            dependency.on = replica.clone();
            more.push(dependency);
        }
    }
    let known: BTreeSet<Name> = container.depends_on.iter().map(|d| d.on.clone()).collect();
    more.retain(|d| !known.contains(&d.on) && d.on != container.name);
    container.depends_on.extend(more);
}

/// A link's name leads to all replicas.
fn link(container: &mut Container, of: &BTreeMap<Name, Vec<Name>>) {
    let mut more: Vec<(Link, Place)> = Vec::new();
    for (link, place) in &container.links {
        for replica in of.get(&link.target).into_iter().flatten() {
            let alias = link.alias.clone().unwrap_or_else(|| link.target.clone());
            let link = Link {
                target: replica.clone(),
                alias: Some(alias),
            };
            more.push((link, place.clone()));
        }
    }
    more.retain(|(link, _)| !container.links.iter().any(|(known, _)| known == link));
    container.links.extend(more);
}

//! How a container is reached and what it sees of the outside: links and name servers.

use super::container::{Layers, Shared};
use super::values::{items, one_or_more};
use crate::file::desk::{Desk, Scope};
use crate::file::diagnostic::nearest;
use crate::file::keys;
use crate::file::tree::{Entry, Kind, Node, Spot};
use crate::model::{Dns, Key, Link, Name, Place};

/// `links`: those of `defaults` first; several aliases of one container are several links.
pub(super) fn links(
    desk: &Desk<'_>,
    shared: &Shared<'_>,
    layers: &Layers<'_>,
) -> Vec<(Link, Place)> {
    let scope = layers.scope(Key::Links);
    let mut written: Vec<(Link, Spot, Spot)> = Vec::new();
    for entry in layers.of(Key::Links) {
        let at = entry.spot;
        if let Kind::Mapping(entries) = &entry.value.kind {
            let links = entries
                .iter()
                .flat_map(|entry| link_entry(desk, entry, scope));
            written.extend(links.map(|(link, spot)| (link, spot, at)));
            continue;
        }
        for item in items(desk, entry) {
            written.extend(link(desk, item, scope).map(|link| (link, item.spot, at)));
        }
    }
    let mut all: Vec<(Link, Place)> = Vec::new();
    for (link, spot, entry) in written {
        // `defaults` may link everybody to a container that has the defaults too.
        let inherited = layers.own.get("links").is_none_or(|own| own.spot != entry);
        if &link.target == layers.words.name && inherited {
            continue;
        }
        if known(desk, shared, spot, &link.target, "links to")
            && !all.iter().any(|(l, _)| *l == link)
        {
            all.push((link, desk.place(spot)));
        }
    }
    all
}

/// `NAME: ALIAS`, `NAME: [ALIAS, …]` or `NAME:` of the map form.
fn link_entry(desk: &Desk<'_>, entry: &Entry, scope: Scope<'_>) -> Vec<(Link, Spot)> {
    let Some(target) = desk.check(entry.spot, Name::new(&entry.key)) else {
        return Vec::new();
    };
    if entry.value.is_null() {
        let link = Link {
            target,
            alias: None,
        };
        return vec![(link, entry.spot)];
    }
    let mut all = Vec::new();
    for item in one_or_more(desk, entry) {
        let text = desk.text(item, scope, &entry.key);
        if let Some(alias) = text.and_then(|text| desk.check(item.spot, Name::new(&text))) {
            let link = Link {
                target: target.clone(),
                alias: Some(alias),
            };
            all.push((link, item.spot));
        }
    }
    all
}

fn link(desk: &Desk<'_>, item: &Node, scope: Scope<'_>) -> Option<Link> {
    let Kind::Mapping(_) = item.kind else {
        let text = desk.text(item, scope, "links")?;
        return desk.check(item.spot, text.parse());
    };
    keys::check(desk, item, keys::LINK, "a link");
    let Some(name) = item.get("name") else {
        desk.error(item.spot, "a link needs `name`");
        return None;
    };
    let target = desk.text(&name.value, scope, "name")?;
    let target = desk.check(name.value.spot, Name::new(&target))?;
    let alias = match item.get("alias") {
        Some(entry) => {
            let text = desk.text(&entry.value, scope, "alias")?;
            Some(desk.check(entry.value.spot, Name::new(&text))?)
        }
        None => None,
    };
    Some(Link { target, alias })
}

/// Whether the project has the container; reported where it has not.
pub(super) fn known(
    desk: &Desk<'_>,
    shared: &Shared<'_>,
    spot: Spot,
    name: &Name,
    verb: &str,
) -> bool {
    if shared.entries.contains_key(name) {
        return true;
    }
    if let Some(profiles) = shared.out.get(name.as_str()) {
        let names: Vec<String> = profiles.iter().map(|p| format!("`{p}`")).collect();
        let message = format!(
            "{verb} `{name}`, whose profile {} is not enabled",
            names.join(" or ")
        );
        let help = format!(
            "enable it with `--profile {}`",
            profiles.join("` or `--profile ")
        );
        desk.error_help(spot, message, help);
        return false;
    }
    let message = format!("{verb} `{name}`, which this project does not have");
    let mut error = desk.about(spot, message);
    let names = shared.entries.keys().map(Name::as_str);
    error.help = nearest(name.as_str(), names).map(|near| format!("did you mean `{near}`?"));
    desk.push(error);
    false
}

/// `dns`: the container's own first, then those of `defaults`, each once.
pub(super) fn dns(desk: &Desk<'_>, layers: &Layers<'_>) -> Vec<Dns> {
    let mut entries: Vec<_> = layers.of(Key::Dns).collect();
    entries.reverse();
    let mut all = Vec::new();
    for item in entries
        .into_iter()
        .flat_map(|entry| one_or_more(desk, entry))
    {
        let text = desk.text(item, layers.scope(Key::Dns), "dns");
        let text = text.filter(|text| !text.is_empty());
        let server = text.and_then(|text| desk.check(item.spot, text.parse()));
        all.extend(server.filter(|server| !all.contains(server)));
    }
    all
}

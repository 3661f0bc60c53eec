//! From Compose's layout to Locker's. Nearly everything stays as it is: containers with an image are
//! application containers in both.

use super::super::merge::names;
use super::super::tree::{Entry, Kind, Node};
use super::words::{WORDS, holds_word};
use super::{Notes, entries, map_texts};

/// The tree in Locker's layout.
pub(super) fn from_compose(notes: &mut Notes<'_, '_>, root: Node) -> Node {
    let spot = root.spot;
    let mut all = Vec::new();
    for entry in entries(root) {
        match entry.key.as_str() {
            "version" => {
                let message = "`version` is left out; it has no meaning";
                notes.lost(entry.spot, message, None);
            }
            "services" => {
                let value = containers(notes, entry.value);
                all.push(Entry::new("containers", entry.spot, value));
            }
            _ => all.push(entry),
        }
    }
    Node::new(spot, Kind::Mapping(all))
}

fn containers(notes: &mut Notes<'_, '_>, services: Node) -> Node {
    let spot = services.spot;
    let all = entries(services).into_iter().map(|mut entry| {
        entry.value = without_words(notes, entry.value);
        entry.value = with_links(notes, entry.value);
        entry
    });
    let all = all.collect();
    Node::new(spot, Kind::Mapping(all))
}

/// A variable that is called as one of Locker's words would mean something else.
fn without_words(notes: &mut Notes<'_, '_>, body: Node) -> Node {
    let desk = notes.desk;
    let mut changed = Vec::new();
    let body = map_texts(body, &mut Vec::new(), &mut |_, text, spot| {
        if !holds_word(text) {
            return None;
        }
        changed.push(spot);
        // Only these: the others stay variables.
        let replaced = super::words::replace(text, &mut |word| {
            WORDS
                .contains(&word)
                .then(|| desk.variable(spot, word).unwrap_or_default())
        });
        Some(replaced)
    });
    for spot in changed {
        let message = "a variable is called like a word of locker's; its present value is put in";
        let help = "give the variable another name to keep it: `name`, `project`, `fqdn`, `bridge` and `copy` are taken";
        notes.lost(spot, message, Some(help));
    }
    body
}

/// In a Compose file a link is a dependency, too.
fn with_links(notes: &Notes<'_, '_>, body: Node) -> Node {
    let desk = notes.desk;
    let spot = body.spot;
    let Some(links) = body.get("links").cloned() else {
        return body;
    };
    let Kind::Sequence(items) = &links.value.kind else {
        return body;
    };
    let mut all = entries(body);
    let at = all.iter().position(|entry| entry.key == "depends_on");
    let old = at.map(|at| all.remove(at));
    let place = old.as_ref().map_or(links.spot, |entry| entry.spot);
    let value = old.map_or(Node::new(place, Kind::Null), |entry| entry.value);
    let value = names(value, &[("condition", "service_started")]);
    if let Kind::Sequence(_) = value.kind {
        // Names that are variables; they cannot be keys.
        all.push(Entry::new("depends_on", place, value));
        return Node::new(spot, Kind::Mapping(all));
    }
    let mut on = entries(value);
    for item in items {
        let text = desk.peek(item.as_text().unwrap_or_default(), item.spot);
        let name = text.split(':').next().unwrap_or_default().to_string();
        if !name.is_empty() && on.iter().all(|entry| entry.key != name) {
            let started = Node::scalar(item.spot, "service_started");
            let condition = Entry::new("condition", item.spot, started);
            let value = Node::new(item.spot, Kind::Mapping(vec![condition]));
            on.push(Entry::new(name, item.spot, value));
        }
    }
    all.push(Entry::new(
        "depends_on",
        place,
        Node::new(place, Kind::Mapping(on)),
    ));
    Node::new(spot, Kind::Mapping(all))
}

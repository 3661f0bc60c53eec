//! Putting trees together: several files of one project, and a container with what it extends.
//!
//! The rules are those of the Compose Specification (13-merge): maps are merged, lists appended,
//! single values replaced; [`rules`] has the exceptions. Nothing is checked here: what the merged
//! tree means, and whether it is right, is for the later stages, which see the place of each part.

mod forms;
mod identity;
mod rules;

use std::collections::HashMap;

use super::desk::Desk;
use super::layout::Layout;
use super::tree::{Entry, Kind, Mark, Node};
use rules::{Rule, rule};

pub(super) use forms::names;

/// The tree of two files of one layout; `over` wins.
pub(super) fn files(desk: &Desk<'_>, base: Node, over: Node, layout: Layout) -> Node {
    let mut merger = Merger {
        desk,
        path: Vec::new(),
        section: layout.section(),
    };
    merger.merge(base, over)
}

/// The body of a container over the one that it extends.
pub(super) fn bodies(desk: &Desk<'_>, base: Node, over: Node, layout: Layout) -> Node {
    let mut merger = Merger {
        desk,
        path: vec![layout.section().into(), "*".into()],
        section: layout.section(),
    };
    merger.merge(base, over)
}

/// Takes out what is marked to go. Done once, when all files are together.
pub(super) fn settle(node: &mut Node) {
    let spot = node.spot;
    let mut kind = std::mem::replace(&mut node.kind, Kind::Null);
    match &mut kind {
        Kind::Null | Kind::Scalar(_) => {}
        Kind::Sequence(nodes) => {
            nodes.retain(|node| node.mark != Mark::Reset);
            nodes.iter_mut().for_each(settle);
        }
        Kind::Mapping(entries) => {
            entries.retain(|entry| entry.value.mark != Mark::Reset);
            entries.iter_mut().for_each(|e| settle(&mut e.value));
        }
    }
    *node = Node::new(spot, kind).unquoted(node.plain);
}

struct Merger<'m, 'd> {
    desk: &'m Desk<'d>,
    /// The keys that lead to the values at hand.
    path: Vec<String>,
    section: &'static str,
}

impl Merger<'_, '_> {
    fn merge(&mut self, base: Node, over: Node) -> Node {
        if over.mark != Mark::Merge || base.mark == Mark::Reset {
            return over;
        }
        let rule = self.rule();
        if over.is_null() && rule != Rule::Replace {
            return base;
        }
        let mark = base.mark;
        let merged = match rule {
            Rule::Replace => over,
            Rule::Plain => self.plain(base, over),
            Rule::Pairs => self.pairs(base, over),
            Rule::Unique(identity, separator) => {
                let is_map = |node: &Node| matches!(node.kind, Kind::Mapping(_));
                if is_map(&base) && is_map(&over) && identity != identity::By::Host {
                    self.plain(base, over)
                } else {
                    let (base, over) = (forms::list(base, separator), forms::list(over, separator));
                    self.append(base, over, |desk, node| identity::of(desk, node, identity))
                }
            }
            Rule::Long(key) => self.plain(forms::long(base, key), forms::long(over, key)),
            Rule::Names(default) => {
                let (base, over) = (forms::names(base, default), forms::names(over, default));
                self.plain(base, over)
            }
            Rule::SameDriver => {
                if same_driver(&base, &over) {
                    self.plain(base, over)
                } else {
                    over
                }
            }
            Rule::Subnets => self.append(base, over, |desk, node| {
                identity::of(desk, node, identity::By::Key("subnet"))
            }),
        };
        merged.marked(mark)
    }

    fn rule(&self) -> Rule {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        match path.as_slice() {
            [section, _, body @ ..] if *section == self.section => rules::of_body(body),
            ["defaults", body @ ..] => rules::of_body(body),
            other => rule(other),
        }
    }

    fn plain(&mut self, base: Node, over: Node) -> Node {
        let spot = base.spot;
        match (base.kind, over.kind) {
            (Kind::Mapping(base), Kind::Mapping(over)) => {
                Node::new(spot, Kind::Mapping(self.maps(base, over)))
            }
            (Kind::Sequence(mut base), Kind::Sequence(over)) => {
                base.extend(over);
                Node::new(spot, Kind::Sequence(base))
            }
            // Values of different shapes: the later one counts, and is checked where it is used.
            (_, kind) => Node::new(over.spot, kind),
        }
    }

    fn maps(&mut self, mut base: Vec<Entry>, over: Vec<Entry>) -> Vec<Entry> {
        let mut known = positions(&base);
        for entry in over.into_iter().filter(|e| e.duplicate_of.is_none()) {
            let Some(&at) = known.get(&entry.key) else {
                known.insert(entry.key.clone(), base.len());
                base.push(entry);
                continue;
            };
            if entry.key.starts_with("x-") {
                base[at] = entry;
                continue;
            }
            let old = std::mem::replace(&mut base[at].value, Node::new(entry.spot, Kind::Null));
            let replaced = entry.value.mark != Mark::Merge || entry.value.as_text().is_some();
            self.path.push(entry.key);
            base[at].value = self.merge(old, entry.value);
            self.path.pop();
            if replaced {
                base[at].spot = entry.spot;
            }
        }
        base
    }

    /// `key=value`, as a list or a map: by key, and a key without a value is a value too.
    fn pairs(&mut self, base: Node, over: Node) -> Node {
        let spot = base.spot;
        match (base.kind, over.kind) {
            (Kind::Mapping(mut base), Kind::Mapping(over)) => {
                let mut known = positions(&base);
                for entry in over.into_iter().filter(|e| e.duplicate_of.is_none()) {
                    match known.get(&entry.key) {
                        Some(&at) => base[at] = entry,
                        None => {
                            known.insert(entry.key.clone(), base.len());
                            base.push(entry);
                        }
                    }
                }
                Node::new(spot, Kind::Mapping(base))
            }
            (base, kind) => {
                let base = forms::list(Node::new(spot, base), '=');
                let over = forms::list(Node::new(over.spot, kind), '=');
                self.append(base, over, |desk, node| {
                    identity::of(desk, node, identity::By::Pair)
                })
            }
        }
    }

    /// Appends items; one that is the same thing as an earlier one takes its place.
    fn append(
        &mut self,
        base: Node,
        over: Node,
        identity: impl Fn(&Desk<'_>, &Node) -> Option<String>,
    ) -> Node {
        let spot = base.spot;
        let (Kind::Sequence(base), Kind::Sequence(over)) = (base.kind, over.kind.clone()) else {
            return over;
        };
        let mut known: HashMap<String, usize> = HashMap::new();
        let mut all: Vec<Node> = Vec::with_capacity(base.len() + over.len());
        for item in base.into_iter().chain(over) {
            let key = identity(self.desk, &item);
            match key.as_ref().and_then(|key| known.get(key)) {
                Some(&at) => all[at] = item,
                None => {
                    known.extend(key.map(|key| (key, all.len())));
                    all.push(item);
                }
            }
        }
        Node::new(spot, Kind::Sequence(all))
    }
}

fn positions(entries: &[Entry]) -> HashMap<String, usize> {
    let mut all = HashMap::with_capacity(entries.len());
    for (at, entry) in entries.iter().enumerate() {
        all.entry(entry.key.clone()).or_insert(at);
    }
    all
}

/// Options of one log driver mean nothing to another.
fn same_driver(base: &Node, over: &Node) -> bool {
    let driver = |node: &Node| {
        let entry = node.get("driver");
        entry.and_then(|entry| entry.value.as_text().map(str::to_string))
    };
    match (driver(base), driver(over)) {
        (Some(base), Some(over)) => base == over,
        (None, _) | (_, None) => true,
    }
}

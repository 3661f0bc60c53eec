//! `extends`: a container takes the keys of another one, of its own file or of a further one.
//!
//! The other one is merged below it. It may depend on containers, volumes and networks; they are not
//! brought along, and what the project does not have is an error where it is used. Paths of a further
//! file are relative to that file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::desk::Scope;
use super::diagnostic::nearest;
use super::layout::Layout;
use super::merge;
use super::origin::Origin;
use super::reader::Reader;
use super::text;
use super::tree::{Entry, Kind, Node, Spot};

/// Longest chain of containers that extend each other.
const MAX_CHAIN: usize = 50;

/// The tree of a file in which every container has what it extends. `base` are the files before it.
pub(super) fn apply(
    reader: &Reader<'_, '_>,
    root: Node,
    base: Option<&Node>,
    path: &Path,
    layout: Layout,
) -> Node {
    let section = |root: &Node| root.get(layout.section()).map(|entry| entry.value.clone());
    let Some(own) = section(&root) else {
        return root;
    };
    let bodies = own.entries().unwrap_or_default();
    if bodies
        .iter()
        .all(|entry| entry.value.get("extends").is_none())
    {
        return root;
    }
    let mut extender = Extender {
        reader,
        layout,
        sets: vec![Set::new(path.into(), Some(own.clone()))],
        earlier: base.and_then(section),
    };
    let entries = bodies.iter().cloned().map(|mut entry| {
        if entry.duplicate_of.is_none()
            && let Some(body) = extender.body(0, &entry.key, &mut Vec::new())
        {
            entry.value = body;
        }
        entry
    });
    let extended = Node::new(own.spot, Kind::Mapping(entries.collect())).marked(own.mark);
    with_entry(root, layout.section(), extended)
}

/// The containers of one file.
struct Set {
    path: PathBuf,
    section: Option<Node>,
    done: HashMap<String, Node>,
}

impl Set {
    fn new(path: PathBuf, section: Option<Node>) -> Self {
        Self {
            path,
            section,
            done: HashMap::new(),
        }
    }
}

struct Extender<'r, 'd, 'a> {
    reader: &'r Reader<'d, 'a>,
    layout: Layout,
    /// The file at hand, then those that it takes from.
    sets: Vec<Set>,
    /// Containers of earlier files, complete already.
    earlier: Option<Node>,
}

/// What an `extends` names.
struct Target {
    set: usize,
    name: String,
    spot: Spot,
}

impl Extender<'_, '_, '_> {
    /// A container's body with all that it extends; none when there is no such container.
    fn body(&mut self, set: usize, name: &str, chain: &mut Vec<(usize, String)>) -> Option<Node> {
        if let Some(done) = self.sets[set].done.get(name) {
            return Some(done.clone());
        }
        let section = self.sets[set].section.as_ref();
        let Some(own) = section.and_then(|section| section.get(name)) else {
            let earlier = self.earlier.as_ref().filter(|_| set == 0);
            return Some(earlier?.get(name)?.value.clone());
        };
        let own = own.value.clone();
        chain.push((set, name.into()));
        let base = match own.get("extends") {
            Some(entry) => self.base(set, entry, chain),
            None => None,
        };
        chain.pop();
        let body = match base {
            Some(base) if self.reader.spend(own.spot, base.size() + own.size()) => {
                let own = without_entry(own, "extends");
                merge::bodies(self.reader.desk, base, own, self.layout)
            }
            // What extends something that is wrong keeps the key, and so do those that extend it:
            // nobody then misses the keys that it would have brought.
            Some(_) | None => own,
        };
        self.sets[set].done.insert(name.into(), body.clone());
        Some(body)
    }

    /// The body that an `extends` names; none when it is wrong, which has been reported.
    fn base(
        &mut self,
        set: usize,
        entry: &Entry,
        chain: &mut Vec<(usize, String)>,
    ) -> Option<Node> {
        let target = self.target(set, entry)?;
        let desk = self.reader.desk;
        let link = (target.set, target.name.clone());
        if let Some(at) = chain.iter().position(|known| *known == link) {
            let circle: Vec<String> = chain[at..]
                .iter()
                .chain([&link])
                .map(|(set, name)| self.called(*set, name))
                .collect();
            let message = format!("a circle: {}", circle.join(" extends "));
            desk.error(target.spot, message);
            return None;
        }
        if chain.len() >= MAX_CHAIN {
            let message = format!("more than {MAX_CHAIN} containers extend each other");
            desk.error(target.spot, message);
            return None;
        }
        let found = self.body(target.set, &target.name, chain);
        if found.is_none() {
            let message = format!(
                "extends `{}`, which `{}` does not have",
                target.name,
                self.reader.shown(&self.sets[target.set].path).display()
            );
            let mut error = desk.about(target.spot, message);
            let section = self.sets[target.set].section.as_ref();
            let names = section.and_then(Node::entries).unwrap_or_default();
            let near = nearest(&target.name, names.iter().map(|entry| entry.key.as_str()));
            error.help = near.map(|near| format!("did you mean `{near}`?"));
            desk.push(error);
        }
        found
    }

    fn called(&self, set: usize, name: &str) -> String {
        if set == 0 {
            return format!("`{name}`");
        }
        let file = self.reader.shown(&self.sets[set].path);
        format!("`{name}` of `{}`", file.display())
    }

    /// Reads `NAME` or `{service: NAME, file: FILE}`.
    fn target(&mut self, set: usize, entry: &Entry) -> Option<Target> {
        let desk = self.reader.desk;
        let node = &entry.value;
        let Kind::Mapping(entries) = &node.kind else {
            let name = desk.text(node, Scope::Project, "extends")?;
            let spot = node.spot;
            return Some(Target { set, name, spot });
        };
        for entry in entries {
            if !matches!(entry.key.as_str(), "service" | "file") && !entry.key.starts_with("x-") {
                let message = format!("unknown key `{}` in `extends`", entry.key);
                desk.error_help(entry.spot, message, "known keys: `service`, `file`");
            }
        }
        let Some(service) = node.get("service") else {
            let help = "write `extends: {service: NAME}`";
            desk.error_help(entry.spot, "`extends` has no `service`", help);
            return None;
        };
        let name = desk.text(&service.value, Scope::Project, "service")?;
        let spot = service.value.spot;
        let set = match node.get("file") {
            Some(file) => self.file(&file.value)?,
            None => set,
        };
        Some(Target { set, name, spot })
    }

    /// The set of a further file.
    fn file(&mut self, node: &Node) -> Option<usize> {
        let desk = self.reader.desk;
        let text = desk.text(node, Scope::Project, "file")?;
        let path = desk.directory_of(node.spot).join(&text);
        let path = match text::place_of(&path) {
            Ok(path) => path,
            Err(error) => {
                desk.error(node.spot, format!("cannot find `{text}`: {error}"));
                return None;
            }
        };
        if let Some(known) = self.sets.iter().position(|set| set.path == path) {
            return Some(known);
        }
        let origin = desk.origins.of(node.spot);
        let like = Origin {
            directory: path.parent().unwrap_or(Path::new("/")).into(),
            ..origin
        };
        let tree = self.reader.lent(path.clone(), node.spot, like)?;
        let key = |key: &str| tree.get(key).map(|entry| entry.value.clone());
        let section = key("services").or_else(|| key("containers"));
        if section.is_none() {
            let message = format!("`{text}` has neither `services:` nor `containers:`");
            desk.error(node.spot, message);
            return None;
        }
        self.sets.push(Set::new(path, section));
        Some(self.sets.len() - 1)
    }
}

/// The map with another value under a key that it has.
fn with_entry(map: Node, key: &str, value: Node) -> Node {
    let (spot, mark) = (map.spot, map.mark);
    let Kind::Mapping(mut entries) = map.kind else {
        return map;
    };
    if let Some(entry) = entries.iter_mut().find(|entry| entry.key == key) {
        entry.value = value;
    }
    Node::new(spot, Kind::Mapping(entries)).marked(mark)
}

/// The map without a key.
pub(super) fn without_entry(map: Node, key: &str) -> Node {
    let (spot, mark) = (map.spot, map.mark);
    let Kind::Mapping(mut entries) = map.kind else {
        return map;
    };
    entries.retain(|entry| entry.key != key);
    Node::new(spot, Kind::Mapping(entries)).marked(mark)
}

//! From files to one tree: each is parsed, its shape checked, what it extends and includes brought
//! in, and then merged over the files before it.
//!
//! The order is Compose's: `extends` and `include` belong to the file in which they stand, so that a
//! later file may still change what they brought.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::desk::Desk;
use super::layout::{self, Decision, Layout};
use super::origin::{MAX_FILES, Origin, Variables};
use super::tree::{self, Entry, Kind, MAX_NODES, Node, Spot};
use super::{extends, include, merge, spelling, text};

/// A file with its text and its number on the desk.
pub(super) struct Given {
    pub number: u16,
    /// Where it is: its canonical directory and its own name.
    pub path: PathBuf,
    pub text: String,
}

/// What files that are merged with each other say.
pub(super) struct Unit {
    /// All of it as one map.
    pub root: Node,
    /// Their layout; none when they name no containers.
    pub decision: Option<Decision>,
}

/// What may differ when a file is read again.
type Lent = (PathBuf, Arc<Variables>);

/// What the reading of a project's files has in common.
pub(super) struct Reader<'d, 'a> {
    pub desk: &'d Desk<'a>,
    /// Included files lie below it; canonical.
    pub root: PathBuf,
    /// The directory that the user stands in; names below it are shown relative to it.
    cwd: PathBuf,
    /// The files that include each other, outermost first.
    pub chain: RefCell<Vec<PathBuf>>,
    /// Values that merging has made.
    spent: Cell<usize>,
    /// Files that were read for `extends`, by path and variables.
    trees: RefCell<BTreeMap<Lent, Option<Node>>>,
}

impl<'d, 'a> Reader<'d, 'a> {
    /// A reader that has read nothing.
    pub fn new(desk: &'d Desk<'a>, root: PathBuf, cwd: PathBuf) -> Self {
        Self {
            desk,
            root,
            cwd,
            chain: RefCell::default(),
            spent: Cell::new(0),
            trees: RefCell::default(),
        }
    }

    /// The tree of files that are merged in this order; none when one of them is wrong, which has
    /// been reported. `before` is the layout of the file that includes them.
    pub fn unit(&self, files: &[Given], before: Option<Decision>) -> Option<Unit> {
        let mut unit: Option<Unit> = None;
        let mut intact = true;
        for file in files {
            let decided = unit.as_ref().and_then(|unit| unit.decision).or(before);
            let base = unit.as_ref().map(|unit| &unit.root);
            let Some(read) = self.file(file, base, decided) else {
                intact = false;
                continue;
            };
            unit = Some(match unit {
                None => read,
                Some(base) => Unit {
                    decision: read.decision,
                    root: merge::files(self.desk, base.root, read.root, layout_of(&read.decision)),
                },
            });
        }
        unit.filter(|_| intact && self.spent.get() <= MAX_NODES)
    }

    /// One file with what it extends and includes.
    fn file(&self, file: &Given, base: Option<&Node>, before: Option<Decision>) -> Option<Unit> {
        let tree = self.parse(&file.text, file.number)?;
        let found = layout::recognise(self.desk, &tree, before).ok()?;
        let decision = found.or(before);
        let mut tree = tree;
        if layout_of(&decision) == Layout::Compose {
            spelling::respell(&mut tree);
        }
        duplicates(self.desk, &tree);
        let mut root = match found {
            Some(Decision {
                layout: Layout::Early,
                ..
            }) => {
                let spot = tree.spot;
                let entry = Entry::new(Layout::Early.section(), spot, tree);
                Node::new(spot, Kind::Mapping(vec![entry]))
            }
            Some(_) | None => tree,
        };
        if decision.is_some() {
            root = extends::apply(self, root, base, &file.path, layout_of(&decision));
        }
        self.chain.borrow_mut().push(file.path.clone());
        let unit = include::apply(self, root, decision);
        self.chain.borrow_mut().pop();
        unit
    }

    /// The tree of a text; none when it is not YAML, which has been reported.
    pub fn parse(&self, text: &str, number: u16) -> Option<Node> {
        match tree::parse(text, number) {
            Ok(tree) => self.spend(tree.spot, tree.size()).then_some(tree),
            Err(error) => {
                let mut diagnostic = self.desk.about(error.spot, error.message);
                diagnostic.help = error.help.map(str::to_string);
                self.desk.push(diagnostic);
                None
            }
        }
    }

    /// Counts values; reports when there are too many.
    pub fn spend(&self, spot: Spot, size: usize) -> bool {
        let spent = self.spent.get().saturating_add(size);
        let was_within = self.spent.get() <= MAX_NODES;
        self.spent.set(spent);
        if spent > MAX_NODES && was_within {
            let message = format!(
                "the project has more than {MAX_NODES} values, what is extended and included counted in full"
            );
            self.desk.error(spot, message);
        }
        spent <= MAX_NODES
    }

    /// A file that another one names, read for the first time: its number and text. What is wrong is
    /// reported at `spot`.
    pub fn open(&self, path: PathBuf, spot: Spot, like: Origin) -> Option<Given> {
        let text = match text::read(&path) {
            Ok(text) => text,
            Err(error) => {
                let shown = self.shown(&path);
                let message = format!("cannot read `{}`: {error}", shown.display());
                self.desk.error(spot, message);
                return None;
            }
        };
        let origin = Origin {
            shown: self.shown(&path),
            ..like
        };
        let Some(number) = self.desk.origins.add(origin) else {
            let message = format!("the project has more than {MAX_FILES} files");
            self.desk.error(spot, message);
            return None;
        };
        Some(Given { number, path, text })
    }

    /// The tree of a file that only lends its containers; its layout is not checked.
    pub fn lent(&self, path: PathBuf, spot: Spot, like: Origin) -> Option<Node> {
        let key = (path.clone(), like.variables.clone());
        if let Some(known) = self.trees.borrow().get(&key) {
            return known.clone();
        }
        let file = self.open(path, spot, like);
        let mut tree = file.and_then(|file| self.parse(&file.text, file.number));
        if let Some(tree) = &mut tree {
            if tree.get(Layout::Compose.section()).is_some() {
                spelling::respell(tree);
            }
            duplicates(self.desk, tree);
        }
        self.trees.borrow_mut().insert(key, tree.clone());
        tree
    }

    /// What the user would call a file.
    pub fn shown(&self, path: &Path) -> Arc<Path> {
        Arc::from(path.strip_prefix(&self.cwd).unwrap_or(path))
    }
}

/// The layout for merging; files that name no containers have none, and need none.
pub(super) fn layout_of(decision: &Option<Decision>) -> Layout {
    decision.map_or(Layout::Locker, |decision| decision.layout)
}

/// Reports every key that stands twice in its map.
fn duplicates(desk: &Desk<'_>, node: &Node) {
    match &node.kind {
        Kind::Null | Kind::Scalar(_) => {}
        Kind::Sequence(nodes) => nodes.iter().for_each(|node| duplicates(desk, node)),
        Kind::Mapping(entries) => {
            for entry in entries {
                if let Some(first) = entry.duplicate_of {
                    let error = desk.about(
                        entry.spot,
                        format!("the key `{}` stands here twice", entry.key),
                    );
                    desk.push(error.with_related(desk.place(first), first.length, "first here"));
                }
                duplicates(desk, &entry.value);
            }
        }
    }
}

//! From the parser's events to the tree, within the limits.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{Event, ScalarStyle, Tag};

use super::{Entry, Kind, MAX_DEPTH, MAX_NODES, Mark, Node, Spot, TreeError};

/// A collection that is being read.
enum Open {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<Entry>,
        seen: HashMap<String, Spot>,
        key: Option<(String, Spot)>,
        merges: Vec<Node>,
    },
}

struct Frame {
    open: Open,
    spot: Spot,
    mark: Mark,
    anchor: usize,
}

#[derive(Default)]
pub(super) struct Builder {
    pub root: Option<Node>,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    documents: usize,
    nodes: usize,
}

impl Builder {
    /// Takes the next event of the parser.
    pub fn take(&mut self, event: Event<'_>, spot: Spot) -> Result<(), TreeError> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(TreeError::new("a project file is one YAML document", spot));
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let (text_only, mark) = check_tag(tag.as_deref(), spot)?;
                let plain = style == ScalarStyle::Plain && !text_only;
                let null = plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let kind = if null {
                    Kind::Null
                } else {
                    Kind::Scalar(text.into_owned())
                };
                let mut node = Node::new(spot, kind).marked(mark);
                node.plain = plain;
                self.finish(node, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                let (_, mark) = check_tag(tag.as_deref(), spot)?;
                self.open(Open::Sequence(Vec::new()), spot, mark, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                let (_, mark) = check_tag(tag.as_deref(), spot)?;
                let open = Open::Mapping {
                    entries: Vec::new(),
                    seen: HashMap::new(),
                    key: None,
                    merges: Vec::new(),
                };
                self.open(open, spot, mark, anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(id) => self.alias(id, spot),
            _ => Ok(()),
        }
    }

    /// Puts a copy in place. It keeps the places of where it was defined; errors point there.
    fn alias(&mut self, id: usize, spot: Spot) -> Result<(), TreeError> {
        let Some(size) = self.anchors.get(&id).map(|node| node.size) else {
            let message = "an alias must not stand within its own anchor";
            return Err(TreeError::new(message, spot));
        };
        self.count(size, spot)?;
        match self.anchors.get(&id).cloned() {
            Some(node) => self.place(node),
            None => Ok(()),
        }
    }

    fn count(&mut self, size: usize, spot: Spot) -> Result<(), TreeError> {
        self.nodes += size;
        if self.nodes > MAX_NODES {
            let message =
                format!("the file has more than {MAX_NODES} values, aliases counted in full");
            return Err(TreeError::new(message, spot));
        }
        Ok(())
    }

    fn open(&mut self, open: Open, spot: Spot, mark: Mark, anchor: usize) -> Result<(), TreeError> {
        if self.stack.len() >= MAX_DEPTH {
            let message = format!("the file is nested deeper than {MAX_DEPTH} levels");
            return Err(TreeError::new(message, spot));
        }
        let frame = Frame {
            open,
            spot: Spot { length: 1, ..spot },
            mark,
            anchor,
        };
        self.stack.push(frame);
        Ok(())
    }

    fn close(&mut self) -> Result<(), TreeError> {
        let Some(frame) = self.stack.pop() else {
            return Ok(());
        };
        let kind = match frame.open {
            Open::Sequence(nodes) => Kind::Sequence(nodes),
            Open::Mapping {
                mut entries,
                mut seen,
                merges,
                ..
            } => {
                for from in merges {
                    merge(&mut entries, &mut seen, from)?;
                }
                Kind::Mapping(entries)
            }
        };
        self.finish(Node::new(frame.spot, kind).marked(frame.mark), frame.anchor)
    }

    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), TreeError> {
        self.count(1, node.spot)?;
        if anchor > 0 {
            self.count(node.size, node.spot)?;
            self.anchors.insert(anchor, node.clone());
        }
        self.place(node)
    }

    fn place(&mut self, node: Node) -> Result<(), TreeError> {
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut frame.open {
            Open::Sequence(nodes) => nodes.push(node),
            Open::Mapping {
                entries,
                seen,
                key,
                merges,
            } => match key.take() {
                None => *key = Some(key_of(node)?),
                Some((word, _)) if word == "<<" => merges.push(node),
                Some((word, spot)) => {
                    let duplicate_of = seen.get(&word).copied();
                    if duplicate_of.is_none() {
                        seen.insert(word.clone(), spot);
                    }
                    entries.push(Entry {
                        duplicate_of,
                        ..Entry::new(word, spot, node)
                    });
                }
            },
        }
        Ok(())
    }
}

/// `<<`: entries of other mappings that this one does not have itself; earlier ones win.
fn merge(
    entries: &mut Vec<Entry>,
    seen: &mut HashMap<String, Spot>,
    from: Node,
) -> Result<(), TreeError> {
    let wrong = |spot| TreeError::new("`<<` takes a map or a list of maps", spot);
    let spot = from.spot;
    let nodes = match from.kind {
        Kind::Sequence(nodes) => nodes,
        Kind::Null | Kind::Scalar(_) | Kind::Mapping(_) => vec![from],
    };
    for node in nodes {
        let Kind::Mapping(new) = node.kind else {
            return Err(wrong(spot));
        };
        for entry in new {
            if !seen.contains_key(&entry.key) {
                seen.insert(entry.key.clone(), entry.spot);
                entries.push(entry);
            }
        }
    }
    Ok(())
}

fn key_of(node: Node) -> Result<(String, Spot), TreeError> {
    match node.kind {
        Kind::Scalar(text) => Ok((text, node.spot)),
        Kind::Null => Err(TreeError::new("a key must not be empty", node.spot)),
        Kind::Sequence(_) | Kind::Mapping(_) => {
            Err(TreeError::new("a key must be a word", node.spot)
                .help("quote a value that begins with `{`, `[`, `*` or `&`"))
        }
    }
}

/// Whether the value is tagged as text, and what its tag says of earlier files. Every other tag is
/// refused, since a tag can ask a YAML reader to do things.
fn check_tag(tag: Option<&Tag>, spot: Spot) -> Result<(bool, Mark), TreeError> {
    let Some(tag) = tag else {
        return Ok((false, Mark::Merge));
    };
    match tag.to_string().as_str() {
        "tag:yaml.org,2002:str" => Ok((true, Mark::Merge)),
        // Values are typed where they are used.
        "tag:yaml.org,2002:int"
        | "tag:yaml.org,2002:float"
        | "tag:yaml.org,2002:bool"
        | "tag:yaml.org,2002:map"
        | "tag:yaml.org,2002:seq" => Ok((false, Mark::Merge)),
        "!reset" => Ok((false, Mark::Reset)),
        "!override" => Ok((false, Mark::Override)),
        other => {
            let message = format!("the tag `{other}` is not used in project files");
            Err(TreeError::new(message, spot)
                .help("take the tag away; there are `!reset` and `!override`"))
        }
    }
}

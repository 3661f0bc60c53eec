//! The project file as a tree in which every key and value knows its place.
//!
//! Built from the parser's events rather than through serde, so that one run can report every
//! error of a file: duplicate keys, quoting and places all survive. Bytes, depth and nodes are
//! limited here, aliases counted as what they stand for; nothing here knows a key of locker.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

/// Most bytes of a project file.
pub(super) const MAX_BYTES: usize = 1 << 20;
/// Deepest nesting.
const MAX_DEPTH: usize = 32;
/// Most values, each alias counted as all that it stands for.
const MAX_NODES: usize = 200_000;

/// Where something stands: line and column from 1, length in characters on that line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Spot {
    pub line: u32,
    pub column: u32,
    pub length: u32,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub spot: Spot,
    pub kind: Kind,
    size: usize,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// Nothing: an empty value, `~` or `null`.
    Null,
    /// Text as it stands after YAML's escapes; typed only when it is used.
    Scalar(String),
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: String,
    pub spot: Spot,
    pub value: Node,
    /// Where the same key stood before in this mapping.
    pub duplicate_of: Option<Spot>,
}

impl Node {
    /// The kind of value in words.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Null => "nothing",
            Kind::Scalar(_) => "a single value",
            Kind::Sequence(_) => "a list",
            Kind::Mapping(_) => "a map",
        }
    }

    /// Whether there is no value.
    pub fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// The entries of a mapping.
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.kind {
            Kind::Mapping(entries) => Some(entries),
            Kind::Null | Kind::Scalar(_) | Kind::Sequence(_) => None,
        }
    }

    /// The first entry of a mapping with this key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries()?.iter().find(|entry| entry.key == key)
    }
}

/// Why a text is no tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TreeError {
    pub message: String,
    pub spot: Spot,
    pub help: Option<&'static str>,
}

impl TreeError {
    fn new(message: impl Into<String>, spot: Spot) -> Self {
        Self {
            message: message.into(),
            spot,
            help: None,
        }
    }

    fn help(mut self, help: &'static str) -> Self {
        self.help = Some(help);
        self
    }
}

impl From<ScanError> for TreeError {
    fn from(error: ScanError) -> Self {
        let mark = error.marker();
        let spot = Spot {
            line: small(mark.line()),
            column: small(mark.col() + 1),
            length: 1,
        };
        Self::new(format!("not valid YAML: {}", error.info()), spot)
    }
}

/// Parses `text` into its one document.
pub(super) fn parse(text: &str) -> Result<Node, TreeError> {
    let start = Spot {
        line: 1,
        column: 1,
        length: 1,
    };
    if text.len() > MAX_BYTES {
        let message = format!("the file is larger than {MAX_BYTES} bytes");
        return Err(TreeError::new(message, start));
    }
    let mut builder = Builder::default();
    for next in Parser::new_from_str(text) {
        let (event, span) = next?;
        builder.take(event, spot_of(&span, text))?;
    }
    builder.root.filter(|root| !root.is_null()).ok_or_else(|| {
        TreeError::new("the file is empty", start)
            .help("write `containers:` and below it a container")
    })
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn spot_of(span: &Span, text: &str) -> Spot {
    let (start, end) = (span.start, span.end);
    let length = if end.line() == start.line() {
        end.col().saturating_sub(start.col())
    } else {
        // A value of several lines is marked on its first one only.
        let rest = start.byte_offset().and_then(|at| text.get(at..));
        rest.and_then(|rest| rest.lines().next())
            .map_or(1, |line| line.trim_end().chars().count())
    };
    Spot {
        line: small(start.line()),
        column: small(start.col() + 1),
        length: small(length.max(1)),
    }
}

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
    anchor: usize,
}

#[derive(Default)]
struct Builder {
    root: Option<Node>,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    documents: usize,
    nodes: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, spot: Spot) -> Result<(), TreeError> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(TreeError::new("a project file is one YAML document", spot));
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let tagged = check_tag(tag.as_deref(), spot)?;
                let plain = style == ScalarStyle::Plain && !tagged;
                let null = plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let kind = if null {
                    Kind::Null
                } else {
                    Kind::Scalar(text.into_owned())
                };
                self.finish(kind, spot, 1, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                check_tag(tag.as_deref(), spot)?;
                self.open(Open::Sequence(Vec::new()), spot, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                check_tag(tag.as_deref(), spot)?;
                let open = Open::Mapping {
                    entries: Vec::new(),
                    seen: HashMap::new(),
                    key: None,
                    merges: Vec::new(),
                };
                self.open(open, spot, anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(id) => {
                let Some(node) = self.anchors.get(&id) else {
                    return Err(TreeError::new(
                        "an alias must not stand within its own anchor",
                        spot,
                    ));
                };
                let size = node.size;
                self.count(size, spot)?;
                // What the alias brings is looked at where it was defined; errors point there.
                let node = self.anchors[&id].clone();
                self.place(node)
            }
            _ => Ok(()),
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

    fn open(&mut self, open: Open, spot: Spot, anchor: usize) -> Result<(), TreeError> {
        if self.stack.len() >= MAX_DEPTH {
            let message = format!("the file is nested deeper than {MAX_DEPTH} levels");
            return Err(TreeError::new(message, spot));
        }
        let frame = Frame {
            open,
            spot: Spot { length: 1, ..spot },
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
        let below: usize = match &kind {
            Kind::Null | Kind::Scalar(_) => 0,
            Kind::Sequence(nodes) => nodes.iter().map(|node| node.size).sum(),
            Kind::Mapping(entries) => entries.iter().map(|e| e.value.size + 1).sum(),
        };
        self.finish(kind, frame.spot, below + 1, frame.anchor)
    }

    fn finish(
        &mut self,
        kind: Kind,
        spot: Spot,
        size: usize,
        anchor: usize,
    ) -> Result<(), TreeError> {
        self.count(1, spot)?;
        let node = Node { spot, kind, size };
        if anchor > 0 {
            self.count(size, spot)?;
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
                        key: word,
                        spot,
                        value: node,
                        duplicate_of,
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

/// Whether the value is tagged as text; every other tag is refused, since a tag can ask a YAML
/// reader to do things.
fn check_tag(tag: Option<&Tag>, spot: Spot) -> Result<bool, TreeError> {
    match tag {
        None => Ok(false),
        Some(tag) if tag.to_string() == "tag:yaml.org,2002:str" => Ok(true),
        Some(tag) => {
            let message = format!("the tag `{tag}` is not used in project files");
            Err(TreeError::new(message, spot).help("take the tag away"))
        }
    }
}

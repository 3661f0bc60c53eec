//! The project file as a tree in which every key and value knows its place.
//!
//! Built from the parser's events rather than through serde, so that one run can report every
//! error of a file: duplicate keys, quoting and places all survive. Bytes, depth and nodes are
//! limited here, aliases counted as what they stand for; nothing here knows a key of locker. A place
//! knows its file, so that trees of several files may be put together ([`super::merge`]).

mod builder;

use serde_saphyr::granit_parser::{Parser, ScanError, Span};

use builder::Builder;

/// Most bytes of a project file.
pub(super) const MAX_BYTES: usize = 1 << 20;
/// Deepest nesting.
const MAX_DEPTH: usize = 32;
/// Most values, each alias counted as all that it stands for.
pub(super) const MAX_NODES: usize = 200_000;

/// Where something stands: the file by its number on the desk, line and column from 1, length in
/// characters on that line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Spot {
    pub file: u16,
    pub line: u32,
    pub column: u32,
    pub length: u32,
}

impl Spot {
    /// The first sign of a file.
    pub fn start(file: u16) -> Self {
        Self {
            file,
            line: 1,
            column: 1,
            length: 1,
        }
    }
}

/// What a tag says about the same value of an earlier file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mark {
    /// No tag: the two are merged.
    #[default]
    Merge,
    /// `!reset`: it goes.
    Reset,
    /// `!override`: this one takes its place.
    Override,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub spot: Spot,
    pub kind: Kind,
    pub mark: Mark,
    /// Whether it stands there without quotes.
    pub plain: bool,
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

impl Entry {
    /// A key that stands nowhere else in its map.
    pub fn new(key: impl Into<String>, spot: Spot, value: Node) -> Self {
        Self {
            key: key.into(),
            spot,
            value,
            duplicate_of: None,
        }
    }
}

impl Node {
    /// A value; what it holds is counted.
    pub fn new(spot: Spot, kind: Kind) -> Self {
        let below: usize = match &kind {
            Kind::Null | Kind::Scalar(_) => 0,
            Kind::Sequence(nodes) => nodes.iter().map(|node| node.size).sum(),
            Kind::Mapping(entries) => entries.iter().map(|e| e.value.size + 1).sum(),
        };
        Self {
            spot,
            kind,
            mark: Mark::Merge,
            plain: false,
            size: below + 1,
        }
    }

    /// A single value.
    pub fn scalar(spot: Spot, text: impl Into<String>) -> Self {
        Self::new(spot, Kind::Scalar(text.into()))
    }

    /// The same with another tag.
    pub fn marked(mut self, mark: Mark) -> Self {
        self.mark = mark;
        self
    }

    /// The same, written without quotes or with them.
    pub fn unquoted(mut self, plain: bool) -> Self {
        self.plain = plain;
        self
    }

    /// How many values it is made of.
    pub fn size(&self) -> usize {
        self.size
    }

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

    /// The text of a single value as it stands.
    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(text) => Some(text),
            Kind::Null | Kind::Sequence(_) | Kind::Mapping(_) => None,
        }
    }

    /// Whether both say the same, places aside; maps in any order.
    pub fn says_the_same(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Null, Kind::Null) => true,
            (Kind::Scalar(a), Kind::Scalar(b)) => a == b,
            (Kind::Sequence(a), Kind::Sequence(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.says_the_same(b))
            }
            (Kind::Mapping(a), Kind::Mapping(b)) => {
                let same = |entry: &Entry| {
                    let found = other.get(&entry.key);
                    found.is_some_and(|found| entry.value.says_the_same(&found.value))
                };
                a.len() == b.len() && a.iter().all(same)
            }
            (Kind::Null | Kind::Scalar(_) | Kind::Sequence(_) | Kind::Mapping(_), _) => false,
        }
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

impl TreeError {
    fn of_parser(error: &ScanError, file: u16) -> Self {
        let mark = error.marker();
        let spot = Spot {
            file,
            line: small(mark.line()),
            column: small(mark.col() + 1),
            length: 1,
        };
        let error = Self::new(format!("not valid YAML: {}", error.info()), spot);
        if error.message.contains("tab") {
            return error.help("indent with blanks");
        }
        error
    }
}

/// Parses `text`, the file of this number, into its one document.
pub(super) fn parse(text: &str, file: u16) -> Result<Node, TreeError> {
    let start = Spot::start(file);
    if text.len() > MAX_BYTES {
        let message = format!("the file is larger than {MAX_BYTES} bytes");
        return Err(TreeError::new(message, start));
    }
    let mut builder = Builder::default();
    for next in Parser::new_from_str(text) {
        let (event, span) = next.map_err(|error| TreeError::of_parser(&error, file))?;
        builder.take(event, spot_of(&span, text, file))?;
    }
    builder.root.filter(|root| !root.is_null()).ok_or_else(|| {
        TreeError::new("the file is empty", start)
            .help("write `containers:` and below it a container")
    })
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn spot_of(span: &Span, text: &str, file: u16) -> Spot {
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
        file,
        line: small(start.line()),
        column: small(start.col() + 1),
        length: small(length.max(1)),
    }
}

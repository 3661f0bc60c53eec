//! The project file as a tree in which every key and value knows its place.
//!
//! Built from the parser's events rather than through serde, so that one run can report every
//! error of a file: duplicate keys, quoting and places all survive. Bytes, depth and nodes are
//! limited here, aliases counted as what they stand for; nothing here knows a key of locker.

mod builder;

use serde_saphyr::granit_parser::{Parser, ScanError, Span};

use builder::Builder;

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
        let error = Self::new(format!("not valid YAML: {}", error.info()), spot);
        if error.message.contains("tab") {
            return error.help("indent with blanks");
        }
        error
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

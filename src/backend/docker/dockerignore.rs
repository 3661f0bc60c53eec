//! `.dockerignore`: which files of a build's context stay at home.
//!
//! The rules are those of Docker's own matcher (moby/patternmatcher), which are not those of git: a
//! pattern is anchored at the context, `**` crosses directories, a pattern that matches a directory
//! matches all below it, and of several patterns the last one that matches decides.

/// The rules of one file.
#[derive(Clone, Debug, Default)]
pub(super) struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    /// `!`: what matches is kept after all.
    keep: bool,
    tokens: Vec<Token>,
    /// The pattern up to its first sign, for the question whether to look into a directory.
    literal: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Char(char),
    /// `?`
    One,
    /// `*`
    Part,
    /// `**` at the end.
    All,
    /// `**` or `**/` before something: nothing, or anything up to a slash.
    Directories,
    /// `[a-z]`
    Class {
        not: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Ignore {
    /// Reads the file's text; the error names the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut rules = Vec::new();
        for (at, line) in text.lines().enumerate() {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let rule =
                Rule::parse(line.trim()).map_err(|reason| format!("line {}: {reason}", at + 1))?;
            rules.push(rule);
        }
        Ok(Self { rules })
    }

    /// Whether `path`, relative to the context and without a slash at its end, stays at home.
    pub fn is_ignored(&self, path: &str) -> bool {
        let mut ignored = false;
        for rule in &self.rules {
            // A rule that says what already holds need not be asked.
            if rule.keep == ignored && rule.matches_or_above(path) {
                ignored = !rule.keep;
            }
        }
        ignored
    }

    /// Whether something below the ignored directory `path` may be kept after all.
    pub fn may_keep_below(&self, path: &str) -> bool {
        let below = format!("{path}/");
        self.rules.iter().any(|rule| {
            rule.keep && (rule.literal.starts_with(&below) || below.starts_with(&rule.literal))
        })
    }
}

impl Rule {
    fn parse(line: &str) -> Result<Self, String> {
        let (keep, pattern) = match line.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, line),
        };
        if pattern.is_empty() {
            return Err("`!` is no pattern".into());
        }
        let pattern = clean(pattern);
        let tokens = tokens(&pattern)?;
        let literal: String = tokens
            .iter()
            .map_while(|token| match token {
                Token::Char(c) => Some(*c),
                Token::One
                | Token::Part
                | Token::All
                | Token::Directories
                | Token::Class { .. } => None,
            })
            .collect();
        // A pattern without signs is the path itself, as a directory.
        let literal = if literal.chars().count() == tokens.len() {
            literal + "/"
        } else {
            literal
        };
        Ok(Self {
            keep,
            tokens,
            literal,
        })
    }

    /// Whether it matches the path or a directory above it.
    fn matches_or_above(&self, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(at, _)| at);
        ends.chain([path.len()])
            .filter_map(|end| path.get(..end))
            .any(|part| matches(&self.tokens, part))
    }
}

/// As Go's `filepath.Clean`, and without a slash at the front.
fn clean(pattern: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if pattern.starts_with('/') => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn tokens(pattern: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        found.push(match c {
            '*' if rest.peek() == Some(&'*') => {
                rest.next();
                rest.next_if_eq(&'/');
                if rest.peek().is_none() {
                    Token::All
                } else {
                    Token::Directories
                }
            }
            '*' => Token::Part,
            '?' => Token::One,
            '\\' => Token::Char(rest.next().unwrap_or('\\')),
            '[' => class(&mut rest).ok_or_else(|| format!("`[` in `{pattern}` has no `]`"))?,
            c => Token::Char(c),
        });
    }
    Ok(found)
}

/// What is between `[` and `]`.
fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Token> {
    let not = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        let first = match rest.next()? {
            ']' if !ranges.is_empty() => return Some(Token::Class { not, ranges }),
            '\\' => rest.next()?,
            c => c,
        };
        let last = match rest.next_if_eq(&'-') {
            // A `-` before the end stands for itself.
            Some(_) if rest.peek() == Some(&']') => {
                ranges.push((first, first));
                ranges.push(('-', '-'));
                continue;
            }
            Some(_) => match rest.next()? {
                '\\' => rest.next()?,
                c => c,
            },
            None => first,
        };
        ranges.push((first, last));
    }
}

/// Whether the tokens match all of `text`. The places that can be reached are followed token by token,
/// so that no pattern takes longer than its length times that of the text.
fn matches(tokens: &[Token], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for token in tokens {
        let mut next = vec![false; text.len() + 1];
        let mut open = false;
        for (at, here) in reached.iter().enumerate() {
            let c = text.get(at).copied();
            match token {
                Token::Part | Token::All => {
                    open |= here;
                    next[at] |= open;
                    open &= *token == Token::All || c != Some('/');
                }
                Token::Directories => {
                    open |= here;
                    next[at] |= here;
                    if let (true, Some('/')) = (open, c) {
                        next[at + 1] = true;
                    }
                }
                Token::Char(_) | Token::One | Token::Class { .. } => {
                    if let (true, Some(c)) = (*here, c) {
                        next[at + 1] |= token.takes(c);
                    }
                }
            }
        }
        reached = next;
    }
    reached.last() == Some(&true)
}

impl Token {
    /// Whether it stands for this one character.
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Char(own) => *own == c,
            Self::One => c != '/',
            Self::Class { not, ranges } => {
                ranges
                    .iter()
                    .any(|(first, last)| (*first..=*last).contains(&c))
                    != *not
            }
            Self::Part | Self::All | Self::Directories => false,
        }
    }
}

#[cfg(test)]
#[path = "dockerignore_tests.rs"]
mod tests;

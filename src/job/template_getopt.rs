//! Options of LXC's templates: read from the list that a script gives to getopt(1), as getopt(1) reads them.

use std::collections::BTreeSet;

use crate::file::diagnostic::nearest;
use crate::model::given_by_lxc;

/// The options that a template's script reads, as far as its text tells them.
pub(super) enum Options {
    /// What it tells getopt(1), which takes abbreviations.
    Listed(Vec<Listed>),
    /// It reads them by getopt(1) and keeps the list elsewhere: words of the script, some of which are options.
    Among(BTreeSet<String>),
    /// It does not read them by getopt(1), and may hand them on.
    Anything,
}

/// A long option of a list for getopt(1).
pub(super) struct Listed {
    name: String,
    needs_value: bool,
}

impl Options {
    /// Of the text of a script.
    pub(super) fn of(script: &str) -> Self {
        let script = &script.replace("\\\n", "");
        let reads = |line: &&str| !line.trim_start().starts_with('#') && line.contains("getopt ");
        let lines: Vec<&str> = script.lines().filter(reads).collect();
        if lines.is_empty() {
            return Self::Anything;
        }
        let lists: Option<Vec<Vec<Listed>>> = lines.iter().map(|line| listed(line)).collect();
        match lists {
            Some(lists) => Self::Listed(lists.into_iter().flatten().collect()),
            None => Self::Among(words(script)),
        }
    }

    /// What the script called `template` would refuse of `args`, each with what to do.
    pub(super) fn refused(
        &self,
        template: &str,
        args: &[(String, String)],
    ) -> Vec<(String, String)> {
        let wrong = args.iter().filter_map(|(option, value)| match self {
            Self::Listed(list) => wrong(list, template, option, value),
            // A letter stands in a row with others, and a script has every letter.
            Self::Among(words) if option.len() > 1 && !words.contains(option) => Some((
                no_option(template, option),
                "its script does not have the word".into(),
            )),
            Self::Among(_) | Self::Anything => None,
        });
        wrong.collect()
    }

    /// The whole name of an option that is abbreviated.
    pub(super) fn whole<'a>(&'a self, option: &'a str) -> &'a str {
        let list = match self {
            Self::Listed(list) => list,
            Self::Among(_) | Self::Anything => return option,
        };
        match meant(list, option)[..] {
            [one] => &one.name,
            _ => option,
        }
    }
}

/// The long options of a line that calls getopt(1), which takes several lists; none where the line does not have them
/// itself.
fn listed(line: &str) -> Option<Vec<Listed>> {
    let mut words = line.split_whitespace();
    let mut found = None;
    while let Some(word) = words.next() {
        let list = match word.split_once('=') {
            Some((flag, list)) if is_long_flag(flag) => list,
            None if is_long_flag(word) => words.next()?,
            Some(_) | None => continue,
        };
        found.get_or_insert_with(Vec::new).extend(options_of(list)?);
    }
    found
}

/// The options of one list; none where it is not literal.
fn options_of(list: &str) -> Option<Vec<Listed>> {
    let list = ["\"", "'"]
        .iter()
        .find_map(|quote| list.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(list);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_:,".contains(c);
    if !list.chars().all(is_plain) {
        return None;
    }
    let all = list.split(',').filter(|option| !option.is_empty());
    let option = |word: &str| Listed {
        name: word.trim_end_matches(':').into(),
        needs_value: word.ends_with(':') && !word.ends_with("::"),
    };
    Some(all.map(option).collect())
}

fn is_long_flag(word: &str) -> bool {
    ["-l", "--long", "--longoptions"].contains(&word)
}

fn words(script: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let words = script.split(|c| !is_word(c));
    words
        .map(|word| word.trim_start_matches('-').to_owned())
        .collect()
}

/// The options that getopt(1) takes `option` for: one, none, or several of which it can be the beginning.
fn meant<'a>(list: &'a [Listed], option: &str) -> Vec<&'a Listed> {
    let mut all: Vec<&Listed> = list
        .iter()
        .filter(|one| one.name.starts_with(option))
        .collect();
    if let Some(exact) = all.iter().position(|one| one.name == option) {
        all = vec![all[exact]];
    }
    all
}

fn wrong(list: &[Listed], template: &str, option: &str, value: &str) -> Option<(String, String)> {
    match meant(list, option)[..] {
        [one] if one.needs_value && value.is_empty() => Some((
            format!(
                "the option `{}` of the LXC template `{template}` needs a value",
                one.name
            ),
            "give it one, or remove the key".into(),
        )),
        [_] => None,
        [] => {
            let own = list.iter().map(|one| one.name.as_str());
            let own: BTreeSet<&str> = own
                .filter(|name| *name != "help" && given_by_lxc(name).is_none())
                .collect();
            let help = match nearest(option, own.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it has: {}", own.into_iter().collect::<Vec<_>>().join(", ")),
            };
            Some((no_option(template, option), help))
        }
        [..] => {
            let all: Vec<String> = meant(list, option)
                .iter()
                .map(|one| format!("`{}`", one.name))
                .collect();
            Some((
                format!(
                    "`{option}` is short for more than one option of the LXC template `{template}`"
                ),
                format!("write the one that is meant: {}", all.join(", ")),
            ))
        }
    }
}

fn no_option(template: &str, option: &str) -> String {
    format!("the LXC template `{template}` has no option `{option}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_the_script_does_not_have_is_told_and_one_that_it_may_hand_on_is_not() {
        let script = "variant=minbase\noptions=$(getopt -o hp:r: -l arch:,auth-key:,help,path:,release:,\\\nflush-cache,color:: -- \"$@\")\n";
        let told = |script: &str, option: &str, value: &str| {
            Options::of(script).refused("debian", &[(option.into(), value.into())])
        };
        let none = "the LXC template `debian` has no option";
        assert_eq!(
            told(script, "relase", "x"),
            [(format!("{none} `relase`"), "did you mean `release`?".into())]
        );
        assert_eq!(
            told(script, "zzzzzzzz", "x")[0].1,
            "it has: arch, auth-key, color, flush-cache, release"
        );
        assert_eq!(
            told(script, "variant", "x").len(),
            1,
            "a word that is no option"
        );
        assert!(told(script, "a", "x")[0].1.ends_with("`arch`, `auth-key`"));
        for known in ["release", "rel", "ar", "flush-cache", "f"] {
            assert_eq!(told(script, known, "x"), [], "{known}");
        }
        assert!(told(script, "release", "")[0].0.contains("needs a value"));
        for bare in ["flush-cache", "color"] {
            assert_eq!(told(script, bare, ""), [], "{bare}");
        }
        let elsewhere = "long=arch:,release:\ngetopt -l $long -- \"$@\"\n";
        assert_eq!(told(elsewhere, "relase", "x").len(), 1);
        assert_eq!(told(elsewhere, "release", ""), []);
        assert_eq!(told("exec lxc-debian \"$@\"", "relase", ""), []);
        assert_eq!(told("", "relase", ""), []);
    }

    #[test]
    fn lists_are_read_as_getopt_takes_them() {
        let names = |line: &str| {
            let all = listed(line)?.into_iter().map(|one| one.name);
            Some(all.collect::<Vec<_>>().join(" "))
        };
        for line in [
            "options=$(getopt -o a -l a:,b::,c -- \"$@\")",
            "getopt --long=a:,b,c -- \"$@\"",
            "getopt -l a: --longoptions b,c -- \"$@\"",
            "if ! o=$(getopt --longoptions 'a:,b::,c' -- \"$@\"); then",
        ] {
            assert_eq!(names(line).as_deref(), Some("a b c"), "{line}");
        }
        for line in [
            "getopt -o a -- \"$@\"",
            "getopt --long \"${long_opts}\" -- \"$@\"",
            "getopt -l 'a, b' -- \"$@\"",
        ] {
            assert_eq!(names(line), None, "{line}");
        }
    }
}

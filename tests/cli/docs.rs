//! README.md and the manual tell the truth: links and paths lead somewhere, commands are understood,
//! YAML is loaded, and the crates are those of Cargo.toml.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::invocation::Invocation;

/// Every page with its text.
fn pages() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manual = std::fs::read_dir(root.join("docs")).unwrap();
    let manual = manual.map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = manual
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .chain([root.join("README.md")])
        .collect();
    pages.sort();
    assert!(pages.len() >= 9, "{pages:?}");
    let text = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path, text)
    };
    pages.into_iter().map(text).collect()
}

/// The fenced blocks of a language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    let blocks = text.split(fence.as_str()).skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

/// What stands between single backticks, outside of blocks.
fn spans(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    prose
        .flat_map(|part| part.split('`').skip(1).step_by(2))
        .collect()
}

/// Command lines as a reader would type them; those with a placeholder (`NAME`, `[…]`, `…`) are not.
fn commands(text: &str) -> Vec<String> {
    let console = blocks(text, "console").into_iter();
    let typed = console.flat_map(|block| block.lines().filter_map(|line| line.strip_prefix("$ ")));
    let examples = blocks(text, "text").into_iter().flat_map(str::lines);
    typed
        .chain(examples)
        .chain(spans(text))
        .map(|line| line.trim().trim_start_matches("sudo "))
        .filter(|line| line.starts_with("locker "))
        .map(|line| {
            line.split([' ', '\t'])
                .take_while(|word| !["#", ">", "|"].contains(word))
        })
        .map(|words| words.collect::<Vec<_>>().join(" "))
        .filter(|line| !line.contains(['[', '…']))
        .filter(|line| {
            !line
                .split(' ')
                .any(|word| word.len() > 1 && word == word.to_uppercase())
        })
        .collect()
}

#[test]
fn every_command_of_the_pages_is_understood() {
    let definition = locker::cli::definition();
    let mut seen = 0;
    for (page, text) in pages() {
        for line in commands(&text) {
            // In an example two blanks divide the command from what it is for.
            let typed = line.split("  ").next().unwrap();
            if let Err(error) = definition.clone().try_get_matches_from(typed.split(' ')) {
                panic!("{}: `{typed}`: {error}", page.display());
            }
            seen += 1;
        }
    }
    assert!(seen >= 40, "only {seen} commands were found");
}

#[test]
fn every_link_and_every_path_of_the_pages_leads_to_a_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (page, text) in pages() {
        let beside = page.parent().unwrap();
        for target in text.split("](").skip(1) {
            let target = target.split([')', '#']).next().unwrap();
            if !target.contains("://") && !target.is_empty() {
                assert!(beside.join(target).exists(), "{}: {target}", page.display());
            }
        }
        for span in spans(&text) {
            let ours = ["src/", "tests/", "templates/", "docs/", "examples/"];
            if ours.iter().any(|room| span.starts_with(room)) && !span.contains([' ', '*', '<']) {
                assert!(root.join(span).exists(), "{}: {span}", page.display());
            }
        }
    }
}

#[test]
fn every_page_is_in_the_index_of_the_manual() {
    let pages = pages();
    let index = pages
        .iter()
        .find(|(page, _)| page.ends_with("docs/README.md"));
    let index = &index.unwrap().1;
    for (page, _) in pages
        .iter()
        .filter(|(page, _)| !page.ends_with("README.md"))
    {
        let link = format!("({})", page.file_name().unwrap().to_str().unwrap());
        assert!(index.contains(&link), "docs/README.md lacks {link}");
    }
}

#[test]
fn the_project_files_of_the_pages_are_valid() {
    let mut seen = 0;
    for (page, text) in pages() {
        // docs/file.md shows keys without their file; a test of the room `file` loads those.
        if page.ends_with("docs/file.md") {
            continue;
        }
        for block in blocks(&text, "yaml") {
            let given = Invocation::of("validate").file("locker.yaml", block).run();
            let outcome = (given.status, given.stderr.as_str());
            assert_eq!(outcome, (Some(0), ""), "{}:\n{block}", page.display());
            seen += 1;
        }
    }
    assert!(seen >= 2);
}

#[test]
fn the_page_of_dependencies_names_the_crates_of_the_manifest() {
    let manifest = include_str!("../../Cargo.toml");
    let (_, rest) = manifest.split_once("[dependencies]\n").unwrap();
    let (crates, _) = rest.split_once("\n[profile").unwrap();
    let crates = crates.lines().filter_map(|line| line.split_once(" = "));
    let crates: BTreeSet<&str> = crates.map(|(name, _)| name).collect();
    let page = include_str!("../../docs/dependencies.md");
    let words: BTreeSet<&str> = page
        .split(|c: char| !(c.is_alphanumeric() || "-_".contains(c)))
        .collect();
    let missing: Vec<&&str> = crates.difference(&words).collect();
    assert!(missing.is_empty(), "docs/dependencies.md lacks {missing:?}");
    let (_, rest) = page.split_once("## The rest").unwrap();
    let rows = rest.lines().filter(|line| line.starts_with("| ")).skip(1);
    for row in rows {
        let cell = row.trim_start_matches("| ").split(" |").next().unwrap();
        for name in cell.split(", ") {
            assert!(crates.contains(name), "{name} is not in Cargo.toml");
        }
    }
}

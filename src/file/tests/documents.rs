//! The manual page and the examples: what they show is loaded.

use std::fs;
use std::path::Path;

use super::{drawn, project, read_text};
use crate::file::keys::{self, KeySpec};
use crate::file::{LoadOptions, load};

#[test]
fn every_block_of_the_manual_page_loads_as_it_stands() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/file.md")).unwrap();
    let mut blocks = 0;
    for part in page.split("```yaml\n").skip(1) {
        let block = part.split("```").next().unwrap();
        blocks += 1;
        assert!(read_text(block).is_ok(), "{block}\n{}", drawn(block));
    }
    assert!(blocks >= 20, "only {blocks} blocks were found");
}

#[test]
fn the_manual_page_names_every_key() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/file.md")).unwrap();
    for spec in keys::TOP.iter().chain(keys::CONTAINER) {
        assert!(page.contains(&format!("`{}`", spec.name)), "{}", spec.name);
    }
}

#[test]
fn every_example_loads_without_a_word() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut count = 0;
    for entry in fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            count += 1;
            let options = LoadOptions {
                cwd: dir.clone(),
                files: vec![path.clone()],
                ..LoadOptions::default()
            };
            let loaded = load(&options);
            let quiet = loaded
                .as_ref()
                .is_ok_and(|loaded| loaded.warnings.is_empty());
            assert!(quiet, "{}: {loaded:?}", path.display());
        }
    }
    assert!(count >= 4, "only {count} examples were found");
}

/// A key that the table does not have is called unknown; one that it has never is.
#[test]
fn every_key_of_the_table_is_known_to_the_loader() {
    let places: [(&[KeySpec], &str); 8] = [
        (keys::TOP, "KEY: \ncontainers: {a: {template: x}}\n"),
        (keys::CONTAINER, "containers: {a: {KEY: }}\n"),
        (
            keys::CONTAINER,
            "defaults: {KEY: }\ncontainers: {a: {template: x}}\n",
        ),
        (
            keys::PORT,
            "containers: {a: {template: x, ports: [{KEY: }]}}\n",
        ),
        (
            keys::VOLUME,
            "containers: {a: {template: x, volumes: [{KEY: }]}}\n",
        ),
        (
            keys::HEALTHCHECK,
            "containers: {a: {template: x, healthcheck: {KEY: }}}\n",
        ),
        (
            keys::HOOK,
            "containers: {a: {template: x, post_start: [{KEY: }]}}\n",
        ),
        (
            keys::IDMAP,
            "containers: {a: {template: x, idmap: [{KEY: }]}}\n",
        ),
    ];
    for (table, text) in places {
        for spec in table {
            let said = drawn(&text.replace("KEY", spec.name));
            assert!(!said.contains("unknown key"), "{}: {said}", spec.name);
        }
        assert!(
            drawn(&text.replace("KEY", "zzzzzzzz")).contains("unknown key `zzzzzzzz`"),
            "{text}"
        );
    }
}

#[test]
fn a_plain_file_needs_no_words() {
    assert_eq!(project("a: {template: busybox}\n").containers.len(), 1);
}

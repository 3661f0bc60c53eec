//! The command line from outside: the real binary, a cleared environment, and every word that it prints.
//!
//! Nothing here needs root, LXC or a network.

mod convert;
mod docs;
mod files;
mod invocation;
mod reference;
mod streams;
mod usage;

#[test]
fn no_file_of_tests_is_forgotten() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli");
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let declared = include_str!("main.rs").contains(&format!("mod {stem};"));
        assert!(declared || stem == "main", "{}", path.display());
    }
}

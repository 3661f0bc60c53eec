//! README.md tells the truth: its links lead somewhere and its commands exist.

const README: &str = include_str!("../../README.md");

#[test]
fn every_command_of_the_readme_exists() {
    let definition = locker::cli::definition();
    let mut seen = 0;
    for line in README.lines().filter_map(|line| line.strip_prefix("$ ")) {
        let words = line.trim_start_matches("sudo ");
        let Some(arguments) = words.strip_prefix("locker ") else {
            continue;
        };
        let arguments = arguments.split('#').next().unwrap();
        let line = std::iter::once("locker").chain(arguments.split_whitespace());
        if let Err(error) = definition.clone().try_get_matches_from(line) {
            panic!("`{words}`: {error}");
        }
        seen += 1;
    }
    assert!(seen >= 4, "the demonstration has only {seen} commands");
}

#[test]
fn every_link_of_the_readme_and_the_old_locker_page_leads_to_a_file() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for page in ["README.md", "docs/from-the-first-locker.md"] {
        let page = root.join(page);
        let text = std::fs::read_to_string(&page).unwrap();
        for target in text.split("](").skip(1) {
            let target = target.split(')').next().unwrap();
            if target.contains("://") || target.starts_with('#') {
                continue;
            }
            let path = page.parent().unwrap().join(target);
            assert!(path.exists(), "{} links to {target}", page.display());
        }
    }
}

//! The rules, pattern by pattern.

use super::*;

/// Pattern, path, whether it matches; worked out from the expressions that moby makes of them.
const MATCHES: [(&str, &str, bool); 44] = [
    ("**", "file", true),
    ("**", "file/", true),
    ("**/", "file", true),
    ("**", "/", true),
    ("**", "dir/file", true),
    ("**/", "dir/file", true),
    ("**/**", "dir/file", true),
    ("dir/**", "dir/file", true),
    ("dir/**", "dir/dir2/file", true),
    ("dir/**", "dir2/file", false),
    ("**/dir", "dir", true),
    ("**/dir", "dir/file", true),
    ("**/dir2/*", "dir/dir2/file", true),
    ("**/dir2/**", "dir/dir2/dir2/file", true),
    ("**file", "file", true),
    ("**file", "dir/file", true),
    ("**/file", "dir/dir/file", true),
    ("**/file*", "dir/dir/file.txt", true),
    ("**/file*txt", "dir/dir/file.txt", true),
    ("**/file*.txt*", "dir/dir/file.txt", true),
    ("**/**/*.txt", "dir/dir/file.txt", true),
    ("**/**/*.txt2", "dir/dir/file.txt", false),
    ("**/*.txt", "file.txt", true),
    ("a**/*.txt", "a/dir/file.txt", true),
    ("a**/*.txt", "a.txt", true),
    ("a[b-d]e", "aae", false),
    ("a[b-d]e", "ace", true),
    ("a[^b-d]e", "aze", true),
    ("a[\\]]e", "a]e", true),
    ("a[x-]e", "a-e", true),
    (".*", ".foo", true),
    (".*", "foo", false),
    ("abc.def", "abcZdef", false),
    ("a\\*b", "a*b", true),
    ("a\\*b", "axb", false),
    ("a?b", "axb", true),
    ("a?b", "a/b", false),
    ("*", "a/b", true),
    ("*/b", "a/b", true),
    ("*/b", "x/a/b", false),
    ("/a", "a", true),
    ("./a/../b/", "b/c", true),
    ("a", "x/a", false),
    ("a/b", "a", false),
];

#[test]
fn patterns_match_as_dockers_own_matcher_has_it() {
    for (pattern, path, expected) in MATCHES {
        let ignore = Ignore::parse(pattern).unwrap();
        let path = path.trim_end_matches('/');
        assert_eq!(ignore.is_ignored(path), expected, "{pattern} on {path}");
    }
}

#[test]
fn the_last_rule_that_matches_decides() {
    let text = "# a comment\n\n*\n!src\n  src/*.o  \n! src/keep.o \n!deep/er/file\n";
    let ignore = Ignore::parse(text).unwrap();
    for (path, ignored) in [
        ("README", true),
        ("src", false),
        ("src/main.c", false),
        ("src/main.o", true),
        ("src/keep.o", false),
        ("deep", true),
        ("deep/er/file", false),
        ("deep/er/other", true),
    ] {
        assert_eq!(ignore.is_ignored(path), ignored, "{path}");
    }
    assert!(ignore.may_keep_below("deep") && ignore.may_keep_below("deep/er"));
    assert!(!ignore.may_keep_below("other") && !ignore.may_keep_below("deep/er2"));
    assert!(Ignore::parse("*\n!**/x").unwrap().may_keep_below("any"));
    assert!(!Ignore::parse("*").unwrap().may_keep_below("any"));
}

#[test]
fn a_broken_pattern_is_named_with_its_line() {
    let error = Ignore::parse("a\n\n[b").unwrap_err();
    assert!(
        error.starts_with("line 3") && error.contains("[b"),
        "{error}"
    );
    assert!(Ignore::parse("!").unwrap_err().contains("line 1"));
}

#[test]
fn no_pattern_takes_long() {
    let ignore = Ignore::parse(&format!("{}b", "*a".repeat(200))).unwrap();
    let begun = std::time::Instant::now();
    assert!(!ignore.is_ignored(&"a".repeat(2000)));
    assert!(begun.elapsed() < std::time::Duration::from_secs(5));
}

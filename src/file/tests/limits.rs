//! Files that are made to hurt.

use super::drawn;

#[track_caller]
fn refused(text: &str, expected: &str) {
    let drawn = drawn(text);
    assert!(
        drawn.starts_with(&format!("error: {expected}")),
        "{:.300}",
        drawn
    );
}

#[test]
fn an_alias_bomb_is_stopped() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let before = format!("*a{}", level - 1);
        bomb += &format!(
            "a{level}: &a{level} [{}]\n",
            [before.as_str(); 10].join(", ")
        );
    }
    refused(
        &bomb,
        "the file has more than 200000 values, aliases counted in full",
    );
    let merges = format!(
        "a0: &a0 {{k: v}}\n{}",
        (1..40)
            .map(|n| format!("a{n}: &a{n} {{x{n}: *a{m}, y{n}: *a{m}}}\n", m = n - 1))
            .collect::<String>()
    );
    refused(
        &merges,
        "the file has more than 200000 values, aliases counted in full",
    );
}

#[test]
fn a_deep_file_is_stopped() {
    let ours = "the file is nested deeper than 32 levels";
    refused(&format!("{}{}", "[".repeat(40), "]".repeat(40)), ours);
    refused(
        &"[".repeat(5000),
        "not valid YAML: recursion limit exceeded",
    );
    let block = |depth: usize| -> String {
        (0..depth)
            .map(|n| format!("{}a:\n", " ".repeat(n)))
            .collect()
    };
    refused(&block(40), ours);
    refused(&block(1000), ours);
}

#[test]
fn a_long_file_is_stopped() {
    refused(
        &"a: b\n".repeat(400_000),
        "the file is larger than 1048576 bytes",
    );
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("locker.yaml");
    std::fs::write(&path, vec![b'#'; 2 << 20]).unwrap();
    let options = crate::file::LoadOptions {
        cwd: dir.path().into(),
        ..Default::default()
    };
    let error = crate::file::load(&options).unwrap_err();
    let crate::file::LoadError::Invalid(all) = error else {
        panic!("{error}");
    };
    assert_eq!(all[0].message, "the file is larger than 1048576 bytes");
}

#[test]
fn an_alias_within_itself_is_stopped() {
    refused(
        "a: &a [*a]\n",
        "an alias must not stand within its own anchor",
    );
    refused("a: *b\n", "not valid YAML: ");
}

#[test]
fn many_keys_and_merges_do_not_take_square_time() {
    let keys: String = (0..20_000).map(|n| format!("  k{n}: v\n")).collect();
    let text = format!("x-a: &a\n{keys}x-b:\n  <<: *a\n{keys}containers: {{a: {{template: x}}}}\n");
    assert_eq!(drawn(&text), "");
}

#[test]
fn a_terminal_is_not_steered_by_a_file() {
    let drawn = drawn("containers: {\"a\\e[2J\": {template: x}}\n");
    assert!(!drawn.contains('\u{1b}'), "{drawn:?}");
}

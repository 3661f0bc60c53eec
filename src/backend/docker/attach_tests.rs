//! What a command gets and what is kept of it.

use super::*;

#[test]
fn only_the_end_of_a_long_output_is_kept() {
    let mut kept = Kept::default();
    for text in ["a".repeat(200_000), "b".repeat(100_000), "end".into()] {
        let message = text.into_bytes().into();
        kept.add(&LogOutput::StdOut { message });
    }
    let text = kept.text();
    assert_eq!(text.len(), KEPT);
    assert!(text.ends_with("bend") && !text.contains('a'));
}

#[test]
fn a_command_gets_what_the_user_asked_for_and_no_more() {
    let options = AttachOptions {
        user: Some("web".into()),
        workdir: Some("/srv".into()),
        environment: vec![("A".into(), "x y".into())],
        ..AttachOptions::default()
    };
    let config = config(&["id".into()], &options, false);
    assert_eq!(config.env, Some(vec!["A=x y".into()]));
    assert_eq!(config.working_dir.as_deref(), Some("/srv"));
    assert_eq!(
        (config.privileged, config.tty, config.attach_stdin),
        (Some(false), Some(false), Some(true))
    );
}

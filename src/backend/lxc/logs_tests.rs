//! What lines a log gives, and when they are said to have come.

use std::io::Write;

use super::super::ended::time_of;
use super::super::times::{entry, head};
use super::*;

fn append(path: &Path, bytes: &[u8]) {
    let file = File::options().append(true).create(true).open(path);
    file.unwrap().write_all(bytes).unwrap();
}

/// The index of a log with these entries.
fn note(index: &Path, log: &Path, entries: &[(u64, u64)]) {
    let inode = std::fs::metadata(log).unwrap().ino();
    let mut bytes = head(inode).to_vec();
    for (length, millis) in entries {
        bytes.extend(entry(*length, *millis));
    }
    std::fs::write(index, bytes).unwrap();
}

fn texts(lines: &[LogLine]) -> Vec<(&str, Option<SystemTime>)> {
    let pairs = lines.iter().map(|line| (line.text.as_str(), line.at));
    pairs.collect()
}

#[test]
fn both_parts_of_a_log_are_one_and_each_line_has_the_time_of_its_begin() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("db.console");
    append(&older_of(&log), b"old\r\none\nbro");
    append(&log, b"ken\nlate\nprompt> ");
    let index = index_of(&log);
    note(
        &older_of(&index),
        &older_of(&log),
        &[(5, 0), (9, 1000), (12, 2000)],
    );
    note(&index, &log, &[(4, 3000), (17, 4000)]);
    let (mut tail, lines) = Tail::read(&log, None).unwrap();
    let at = |millis| Some(time_of(millis));
    let wanted = [
        ("old", None),
        ("one", at(1000)),
        ("broken", at(2000)),
        ("late", at(4000)),
    ];
    assert_eq!(texts(&lines), wanted);
    let rest = tail.unfinished().unwrap();
    assert_eq!((rest.text.as_str(), rest.at), ("prompt> ", at(4000)));
    assert_eq!(tail.unfinished(), None);

    let wish = |since: Option<u64>, until: Option<u64>| LogWish {
        since: since.map(time_of),
        until: until.map(time_of),
        ..LogWish::default()
    };
    let chosen = |wish: &LogWish| {
        let chosen = lines.iter().filter(|line| wanted_line(line, wish));
        chosen.map(|line| line.text.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(chosen(&wish(Some(2000), None)), ["broken", "late"]);
    assert_eq!(chosen(&wish(None, Some(2000))), ["old", "one"]);
    assert_eq!(chosen(&wish(Some(1000), Some(4000))), ["one", "broken"]);
}

#[test]
fn without_an_index_there_are_lines_and_no_times_and_without_a_log_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("db.console");
    assert_eq!(Tail::read(&log, None).unwrap().1, []);
    append(&log, b"one\n\xff\n");
    let (_, lines) = Tail::read(&log, None).unwrap();
    assert_eq!(texts(&lines), [("one", None), ("\u{fffd}", None)]);
}

#[tokio::test]
async fn a_follower_gets_each_line_once_through_rotation_and_truncation_and_an_end() {
    let dir = tempfile::tempdir().unwrap();
    let (log, home) = (dir.path().join("db.console"), dir.path().join("t_db"));
    std::fs::create_dir(&home).unwrap();
    let (tail, _) = Tail::read(&log, None).unwrap();
    let mut follower = Follower::new(tail, home.clone(), None).unwrap();
    append(&log, b"one\ntw");
    assert_eq!(follower.next().await.unwrap().unwrap().text, "one");
    append(&log, b"o\nlast of the old\n");
    std::fs::rename(&log, older_of(&log)).unwrap();
    append(&log, b"first of the new\n");
    for wanted in ["two", "last of the old", "first of the new"] {
        let line = follower.next().await.unwrap().unwrap();
        assert_eq!(line.text, wanted);
        assert!(line.at.is_some());
    }
    std::fs::write(&log, b"anew\nend").unwrap();
    assert_eq!(follower.next().await.unwrap().unwrap().text, "anew");
    std::fs::remove_dir(&home).unwrap();
    assert_eq!(follower.next().await.unwrap().unwrap().text, "end");
    assert_eq!(follower.next().await.unwrap(), None);
}

#[test]
fn what_an_earlier_run_said_is_left_out_also_when_the_log_was_rotated_since() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("db.console");
    append(&log, b"first run\nno end");
    let meta = std::fs::metadata(&log).unwrap();
    let second = Some(Spot {
        inode: meta.ino(),
        at: meta.len(),
    });
    append(&log, b"second run\n");
    let said = |span: Span| {
        let (_, lines) = Tail::read_span(&log, span).unwrap();
        lines.into_iter().map(|line| line.text).collect::<Vec<_>>()
    };
    let last = Span {
        from: second,
        to: None,
    };
    let before = Span {
        from: None,
        to: second,
    };
    assert_eq!(said(last), ["second run"]);
    assert_eq!(said(before), ["first run"]);
    std::fs::rename(&log, older_of(&log)).unwrap();
    append(&log, b"more\n");
    assert_eq!(said(last), ["second run", "more"]);
    // Begun in the new part.
    let third = Span {
        from: Some(Spot {
            inode: std::fs::metadata(&log).unwrap().ino(),
            at: 5,
        }),
        to: None,
    };
    append(&log, b"third\n");
    assert_eq!(said(third), ["third"]);
}

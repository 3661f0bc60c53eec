//! What the journal is told, heard by a socket in its place.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use super::*;
use crate::model::{Kind, Name, Restart};

fn service() -> String {
    service_of(&unit().project, &unit().name)
}

pub(in crate::supervise) fn unit() -> UnitSpec {
    UnitSpec {
        project: Name::new("shop").unwrap(),
        name: Name::new("web").unwrap(),
        kind: Kind::Application,
        program: "/usr/bin/locker".into(),
        directory: "/srv/shop".into(),
        state_dir: None,
        hooks: Default::default(),
        lxcpath: "/var/lib/lxc".into(),
        engine: None,
        conditions: Default::default(),
        requires: BTreeSet::new(),
        after: BTreeSet::new(),
        binds: BTreeSet::new(),
        oneshot: false,
        groups: BTreeSet::new(),
        restart: Restart::No,
        healthcheck: None,
        start_timeout: None,
        stop_timeout: Duration::from_secs(10),
        properties: BTreeMap::new(),
        isolate: false,
        on_demand: Vec::new(),
        idle: None,
        ports: None,
        mounts: BTreeSet::new(),
        at_boot: None,
    }
}

/// What is heard: stream, part and text of each entry.
fn heard(say: impl FnOnce(&mut Output)) -> Vec<(String, String, Vec<u8>)> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let ears = UnixDatagram::bind(&path).unwrap();
    ears.set_nonblocking(true).unwrap();
    let mut output = Output::to(
        &unit().name,
        &service(),
        To::Journal(Journal::at(path).unwrap()),
    );
    say(&mut output);
    let mut entries = Vec::new();
    let mut bytes = vec![0; 1 << 17];
    while let Ok(count) = ears.recv(&mut bytes) {
        let entry = &bytes[..count];
        let mark = b"MESSAGE\n";
        let at = entry.windows(mark.len()).position(|w| w == mark).unwrap();
        let fields = String::from_utf8(entry[..at].to_vec()).unwrap();
        let of = |name: &str| {
            let found = fields.lines().find_map(|line| line.strip_prefix(name));
            found.unwrap_or_default().to_string()
        };
        assert_eq!(of("SYSLOG_IDENTIFIER="), "web");
        assert_eq!(of("LOCKER_UNIT="), "locker-shop-web.service");
        let text = entry[at + mark.len() + 8..count - 1].to_vec();
        entries.push((of("LOCKER_STREAM="), of("LOCKER_PART="), text));
    }
    entries
}

fn entry(stream: &str, part: &str, text: &[u8]) -> (String, String, Vec<u8>) {
    (stream.into(), part.into(), text.into())
}

#[test]
fn lines_of_both_streams_are_kept_apart_and_nothing_of_them_is_lost() {
    let entries = heard(|output| {
        output.take(false, b"one\n\n  two  ").unwrap();
        output.take(true, b"<0>bad\x00\xff\n").unwrap();
        output.take(false, b"\nPRIORITY=0\n").unwrap();
    });
    let wanted = [
        entry("stdout", "", b"one"),
        entry("stdout", "", b""),
        entry("stderr", "", b"<0>bad\x00\xff"),
        entry("stdout", "", b"  two  "),
        entry("stdout", "", b"PRIORITY=0"),
    ];
    assert_eq!(entries, wanted);
}

#[test]
fn a_long_line_is_cut_and_one_without_an_end_is_shown() {
    let long = vec![b'x'; 2 * LONGEST + 5];
    let entries = heard(|output| {
        output.take(false, &long).unwrap();
        output.take(false, b"\nlogin: ").unwrap();
        output.settle().unwrap();
        output.settle().unwrap();
        output.take(false, b"root\nlast").unwrap();
        output.finish().unwrap();
    });
    let shape: Vec<(&str, usize)> = entries
        .iter()
        .map(|(_, part, text)| (part.as_str(), text.len()))
        .collect();
    let wanted = [
        ("begin", LONGEST),
        ("middle", LONGEST),
        ("end", 5),
        ("begin", 7),
        ("end", 4),
        ("", 4),
    ];
    assert_eq!(shape, wanted);
}

#[test]
fn without_a_journal_the_bytes_go_as_they_are() {
    let mut output = Output::to(&unit().name, &service(), To::Plain(Box::new(io::sink())));
    output.take(true, b"a\nb").unwrap();
    output.finish().unwrap();
    assert!(output.lines.iter().all(|line| line.bytes.is_empty()));
}

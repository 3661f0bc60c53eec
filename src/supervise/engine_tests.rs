//! An engine in the place of a real one: what it is asked, and what it answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;

use super::*;

/// Listens there from now on: `answer` gives status and body to `METHOD TARGET`.
pub(in crate::supervise) fn engine_at(
    socket: &Path,
    answer: impl Fn(&str) -> (u16, String) + Send + 'static,
) {
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = BufReader::new(stream.try_clone().unwrap());
            let (mut first, mut line) = (String::new(), String::new());
            asked.read_line(&mut first).unwrap();
            let mut body = 0;
            while asked.read_line(&mut line).unwrap() > 2 {
                if let Some(length) = line.strip_prefix("Content-Length:") {
                    body = length.trim().parse().unwrap();
                }
                line.clear();
            }
            // A socket that is closed with something unread takes the answer with it.
            asked.read_exact(&mut vec![0; body]).unwrap();
            let words: Vec<&str> = first.split(' ').take(2).collect();
            let (status, body) = answer(&words.join(" "));
            let length = body.len();
            let head = format!("HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\n\r\n");
            // Who asked may have gone.
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
}

/// A container as the engine shows it.
pub(in crate::supervise) fn shown(id: &str, running: bool, code: i64) -> (u16, String) {
    let state = json!({"Running": running, "ExitCode": code, "StartedAt": "2026-01-01T00:00:00Z"});
    let shown = json!({"Id": id, "State": state, "Config": {}});
    (200, shown.to_string())
}

#[test]
fn who_is_away_says_nothing_of_a_container() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("engine.sock");
    let engine = Engine::new(&socket);
    assert!(is_away(&engine.show("web").unwrap_err()));
    engine_at(&socket, |asked| match asked {
        "GET /containers/web/json" => (404, r#"{"message":"No such container"}"#.into()),
        _ => (500, r#"{"message":"it is broken"}"#.into()),
    });
    let gone = engine.show("web").unwrap_err();
    assert!(!is_away(&gone) && gone.kind() == io::ErrorKind::NotFound);
    assert!(!is_away(&engine.start("web").unwrap_err()));
}

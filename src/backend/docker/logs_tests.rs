//! Lines and times, without an engine.

use super::*;

fn reading(wish: LogWish) -> Reading {
    let docker = Docker::connect_with_http("tcp://127.0.0.1:1", 1, bollard::API_DEFAULT_VERSION);
    Reading::new(docker.unwrap(), "ab".into(), "shop_web".into(), wish)
}

fn out(text: &str) -> LogOutput {
    LogOutput::StdOut {
        message: text.as_bytes().to_vec().into(),
    }
}

fn at(text: &str) -> SystemTime {
    text.parse::<jiff::Timestamp>().unwrap().into()
}

#[test]
fn pieces_become_lines_again_and_the_streams_are_not_mixed() {
    let mut reading = reading(LogWish::default());
    let error = LogOutput::StdErr {
        message: b"2026-11-22T08:00:00.5Z oh\n".to_vec().into(),
    };
    assert_eq!(reading.hear(&out("2026-11-22T08:00:00.25Z one ")), None);
    let first = reading.hear(&error).unwrap();
    assert_eq!((first.error, first.text.as_str()), (true, "oh"));
    let line = reading.hear(&out("2026-11-22T08:00:01Z two\r\n")).unwrap();
    assert_eq!(line.text, "one two");
    assert_eq!(line.at, Some(at("2026-11-22T08:00:00.25Z")));
    let empty = reading.hear(&out("2026-11-22T08:00:02Z \n")).unwrap();
    assert_eq!(empty.text, "");
}

#[test]
fn times_are_kept_to_the_fraction_though_the_engine_knows_seconds() {
    let mut reading = reading(LogWish {
        since: Some(at("2026-11-22T08:00:00.5Z")),
        until: Some(at("2026-11-22T08:00:01.5Z")),
        ..LogWish::default()
    });
    let mut given = |time: &str| {
        let line = reading.hear(&out(&format!("{time} x\n"))).unwrap();
        reading.wanted(line).is_some()
    };
    assert!(!given("2026-11-22T08:00:00.4Z"));
    assert!(given("2026-11-22T08:00:00.5Z") && given("2026-11-22T08:00:01.4Z"));
    assert!(!given("2026-11-22T08:00:01.5Z"));
}

#[test]
fn after_a_new_start_no_line_comes_twice() {
    let mut reading = reading(LogWish::default());
    let given = |reading: &mut Reading, time: &str, text: &str| {
        let line = reading.hear(&out(&format!("{time} {text}\n"))).unwrap();
        reading.wanted(line).map(|line| line.text)
    };
    let (early, late) = ("2026-11-22T08:00:00Z", "2026-11-22T08:00:01Z");
    for text in ["a", "b"] {
        assert!(given(&mut reading, early, text).is_some());
    }
    reading.again = 2;
    assert_eq!(given(&mut reading, early, "a"), None);
    assert_eq!(given(&mut reading, early, "b"), None);
    assert_eq!(given(&mut reading, early, "c").as_deref(), Some("c"));
    assert_eq!(given(&mut reading, late, "d").as_deref(), Some("d"));
}

#[tokio::test]
async fn of_a_stream_with_an_end_in_time_the_last_lines_are_kept() {
    let line = |text: &str| LogLine {
        at: None,
        error: false,
        text: text.into(),
    };
    let all = futures_util::stream::iter(["a", "b", "c"].map(|text| Ok(line(text))));
    let kept: Vec<_> = last(all.boxed(), 2)
        .map(|line| line.unwrap().text)
        .collect()
        .await;
    assert_eq!(kept, ["b", "c"]);
}

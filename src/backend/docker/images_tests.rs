//! Names, advice and progress, without an engine.

use super::*;
use bollard::models::ProgressDetail;

#[test]
fn a_name_without_a_tag_means_the_latest_and_no_other() {
    for (image, full) in [
        ("nginx", "nginx:latest"),
        ("localhost:5000/x", "localhost:5000/x:latest"),
        ("a/b:1", "a/b:1"),
        ("a@sha256:00", "a@sha256:00"),
    ] {
        assert_eq!(with_tag(image), full);
    }
}

#[test]
fn what_could_lead_a_request_elsewhere_is_no_name() {
    for good in ["a", "r.example:5000/a_b/c-d:1.0@sha256:00ff"] {
        assert!(check("pull", good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "../containers/x",
        "a/../b",
        "a//b",
        "a?b",
        "a b",
        "a\n",
        "a%2e",
        "/a",
    ] {
        assert!(check("pull", bad).is_err(), "{bad:?} was taken");
    }
}

#[test]
fn the_registrys_words_tell_what_to_do() {
    for (reason, known, word) in [
        (
            "unauthorized: authentication required",
            false,
            "docker login r.example",
        ),
        (
            "unauthorized: authentication required",
            true,
            "refused the account",
        ),
        ("manifest for x not found: manifest unknown", false, "tag"),
        (
            "Get x: dial tcp: lookup r.example: no such host",
            false,
            "name servers",
        ),
        ("no matching manifest for linux/arm64", false, "platform"),
        (
            "http: server gave HTTP response to HTTPS client",
            false,
            "insecure-registries",
        ),
    ] {
        let help = advice("r.example/x", known, reason).unwrap_or_default();
        assert!(help.contains(word), "{reason}: {help}");
    }
    assert_eq!(advice("x", false, "the disk is full"), None);
}

fn news(id: &str, status: &str, came: i64, all: i64) -> CreateImageInfo {
    CreateImageInfo {
        id: Some(id.into()).filter(|id: &String| !id.is_empty()),
        status: Some(status.into()),
        progress_detail: Some(ProgressDetail {
            current: Some(came),
            total: Some(all),
        }),
        ..CreateImageInfo::default()
    }
}

#[test]
fn a_pull_tells_a_sum_at_most_once_a_second_and_its_end() {
    let mut layers = Layers::new("nginx");
    assert_eq!(
        layers.hear(&news("latest", "Pulling from nginx", 0, 0)),
        None
    );
    assert_eq!(layers.hear(&news("a", "Already exists", 0, 0)), None);
    assert_eq!(
        layers.hear(&news("b", "Downloading", 1_000_000, 9_000_000)),
        None
    );
    layers.told -= TELL;
    assert_eq!(
        layers
            .hear(&news("b", "Downloading", 2_000_000, 9_000_000))
            .as_deref(),
        Some("nginx: 1 of 2 layers, 2 of 9 MB")
    );
    assert_eq!(
        layers.hear(&news("b", "Downloading", 3_000_000, 9_000_000)),
        None
    );
    let end = layers.hear(&news("", "Status: Image is up to date for nginx", 0, 0));
    assert_eq!(end.as_deref(), Some("nginx: Image is up to date for nginx"));
}

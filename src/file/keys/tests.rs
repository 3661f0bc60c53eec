//! The table is whole, and the page about Compose says what it says.

use super::*;

#[test]
fn the_table_has_every_key_of_the_model_once() {
    let table: Vec<&str> = CONTAINER.iter().map(|spec| spec.name).collect();
    let model: Vec<&str> = Key::ALL.iter().map(|key| key.as_str()).collect();
    assert_eq!(table, model);
}

#[test]
fn every_reason_is_a_sentence_that_can_follow_a_colon() {
    let tables: [&[KeySpec]; 19] = [
        CONTAINER,
        TOP,
        PORT,
        VOLUME,
        BIND,
        VOLUME_OPTIONS,
        NETWORK,
        NETWORKS,
        ATTACHMENT,
        BUILD,
        DEPLOY,
        RESOURCES,
        LIMITS,
        RESERVATIONS,
        RESTART_POLICY,
        HEALTHCHECK,
        HOOK,
        STORE_VOLUME,
        STORE_FILE,
    ];
    for spec in tables.iter().flat_map(|table| table.iter()) {
        assert!(
            !spec.about.is_empty() && !spec.about.ends_with('.'),
            "{}",
            spec.name
        );
        match spec.treatment {
            Treatment::Works => {}
            Treatment::Warned(reason) | Treatment::Refused(reason) => {
                assert!(
                    !reason.is_empty() && !reason.ends_with('.'),
                    "{}",
                    spec.name
                );
            }
        }
    }
}

/// The table of docs/compose.md, as it must be.
fn page() -> String {
    let mut page = String::from("| key | LXC | Docker | what becomes of it |\n|---|---|---|---|\n");
    for spec in CONTAINER {
        let (lxc, docker) = match spec.of {
            For::Both => ("yes", "yes"),
            For::System => ("yes", "refused"),
            For::Application => ("refused", "yes"),
        };
        let (lxc, docker, about) = match spec.treatment {
            Treatment::Works => (lxc, docker, spec.about.to_string()),
            Treatment::Warned(reason) => {
                ("refused", "warning", format!("{}; {reason}", spec.about))
            }
            Treatment::Refused(reason) => {
                ("refused", "refused", format!("{}; {reason}", spec.about))
            }
        };
        page += &format!(
            "| `{}` | {lxc} | {docker} | {} |\n",
            spec.name,
            about.replace('|', "\\|")
        );
    }
    page += "\n| key inside | what becomes of it |\n|---|---|\n";
    for (owner, table) in [
        ("build", BUILD),
        ("deploy", DEPLOY),
        ("deploy.resources", RESOURCES),
        ("deploy.resources.limits", LIMITS),
        ("deploy.resources.reservations", RESERVATIONS),
        ("deploy.restart_policy", RESTART_POLICY),
        ("healthcheck", HEALTHCHECK),
        ("ready", READY),
        ("post_start[], pre_stop[]", HOOK),
        ("ports[]", PORT),
        ("volumes[]", VOLUME),
        ("volumes[].bind", BIND),
        ("volumes[].volume", VOLUME_OPTIONS),
        ("networks.NAME (of a service)", ATTACHMENT),
        ("networks.NAME", NETWORKS),
        ("volumes.NAME", STORE_VOLUME),
        ("secrets.NAME, configs.NAME", STORE_FILE),
    ] {
        for spec in table {
            let about = spec.about.replace('|', "\\|");
            let line = match spec.treatment {
                Treatment::Works => about,
                Treatment::Warned(reason) => format!("warning: {reason}"),
                Treatment::Refused(reason) => format!("refused: {reason}"),
            };
            page += &format!("| `{owner}`: `{}` | {line} |\n", spec.name);
        }
    }
    page
}

#[test]
fn the_page_about_compose_has_this_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/compose.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (start, end) = ("<!-- keys: begin -->\n", "<!-- keys: end -->\n");
    let from = text.find(start).unwrap() + start.len();
    let to = text.find(end).unwrap();
    if std::env::var_os("LOCKER_BLESS").is_some() {
        let fresh = format!("{}{}{}", &text[..from], page(), &text[to..]);
        std::fs::write(path, fresh).unwrap();
        return;
    }
    assert!(
        text[from..to] == page(),
        "docs/compose.md is old: LOCKER_BLESS=1 cargo test keys"
    );
}

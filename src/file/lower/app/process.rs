//! What an application container runs, when its image is fetched and where its output goes.

use std::time::Duration;

use super::kept;
use crate::file::desk::Desk;
use crate::file::keys;
use crate::file::lower::container::Layers;
use crate::file::lower::values::{Fields, one};
use crate::file::tree::{Kind as Shape, Node, Spot};
use crate::model::{
    Key, Logging, PullPolicy, check_log_option, check_plain, parse_time, split_words,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// `pull`, or Compose's `pull_policy`, with `pull_refresh_after`.
pub(super) fn pull(desk: &Desk<'_>, layers: &Layers<'_>) -> PullPolicy {
    let (pull, policy) = (
        one(desk, layers, Key::Pull),
        one(desk, layers, Key::PullPolicy),
    );
    if let (Some(_), Some((_, spot))) = (&pull, &policy) {
        desk.error(*spot, "`pull` and `pull_policy` mean the same");
    }
    let age = one(desk, layers, Key::PullRefreshAfter);
    let policy = pull.or(policy);
    let refresh = age.and_then(|(text, spot)| refresh_after(desk, spot, &text));
    match (policy, refresh) {
        (None, None) => PullPolicy::default(),
        (None, Some((after, _))) => PullPolicy::Refresh(after),
        (Some((word, _)), Some((after, _))) if word == "refresh" => PullPolicy::Refresh(after),
        (Some((word, spot)), None) => policy_of(desk, spot, &word),
        (Some((word, _)), Some((_, spot))) => {
            let message = format!("`pull_refresh_after` has no sense with `{word}`");
            desk.error_help(spot, message, "write `pull_policy: refresh`");
            PullPolicy::default()
        }
    }
}

fn policy_of(desk: &Desk<'_>, spot: Spot, word: &str) -> PullPolicy {
    let help = "write `always`, `missing`, `never`, `build`, `daily`, `weekly` or `every_12h`";
    match word {
        "always" => PullPolicy::Always,
        "missing" | "if_not_present" => PullPolicy::Missing,
        "never" => PullPolicy::Never,
        "build" => PullPolicy::Build,
        "daily" => PullPolicy::Refresh(DAY),
        "weekly" => PullPolicy::Refresh(7 * DAY),
        "refresh" => {
            let message = "`refresh` does not say after what time";
            desk.error_help(spot, message, "write `pull_refresh_after: 24h` beside it");
            PullPolicy::default()
        }
        other => match other.strip_prefix("every_") {
            Some(text) => {
                let after = refresh_after(desk, spot, text).map(|(after, _)| after);
                after.map_or(PullPolicy::default(), PullPolicy::Refresh)
            }
            None => {
                let message = format!("`{other}` is not when an image is fetched");
                desk.error_help(spot, message, help);
                PullPolicy::default()
            }
        },
    }
}

/// The age at which an image is fetched anew.
fn refresh_after(desk: &Desk<'_>, spot: Spot, text: &str) -> Option<(Duration, Spot)> {
    match parse_time(text) {
        Ok(after) => Some((after, spot)),
        Err(error) => {
            desk.error(spot, error.to_string());
            None
        }
    }
}

/// A command line: a text is cut into words as a shell would, a list is taken as it is. An empty
/// one takes the image's away; one without a value leaves it.
pub(super) fn words(desk: &Desk<'_>, layers: &Layers<'_>, key: Key) -> Option<Vec<String>> {
    let entry = layers.last(key)?;
    let scope = layers.scope(key);
    let words = match &entry.value.kind {
        Shape::Null => return None,
        Shape::Sequence(nodes) => {
            let text = |node: &Node| desk.text(node, scope, key.as_str());
            nodes.iter().map(text).collect::<Option<Vec<String>>>()?
        }
        Shape::Scalar(_) | Shape::Mapping(_) => {
            let text = desk.text(&entry.value, scope, key.as_str())?;
            match split_words(&text) {
                Some(words) => words,
                None => {
                    let message = format!("a quote in `{key}` is not closed");
                    desk.error_help(
                        entry.value.spot,
                        message,
                        "close it, or write a list of words",
                    );
                    return None;
                }
            }
        }
    };
    if words.iter().any(|word| word.contains('\0')) {
        desk.error(entry.value.spot, format!("`{key}` holds a zero byte"));
        return None;
    }
    Some(words)
}

pub(super) fn logging(desk: &Desk<'_>, layers: &Layers<'_>) -> Option<Logging> {
    let entry = layers
        .last(Key::Logging)
        .filter(|entry| !entry.value.is_null())?;
    let map = &entry.value;
    if map.entries().is_none() {
        let message = format!("`logging` takes a map, not {}", map.kind_name());
        desk.error_help(map.spot, message, "write `logging: {driver: journald}`");
        return None;
    }
    keys::check(desk, map, keys::LOGGING, "`logging`");
    let fields = Fields {
        map,
        scope: layers.scope(Key::Logging),
    };
    let driver = fields.parsed(desk, "driver", |text| {
        kept(text, |text| check_plain("driver", text))
    });
    let options = fields.pairs(desk, "options").into_iter();
    let options: Vec<_> = options.collect();
    if let Some(driver) = &driver {
        for pair in &options {
            let value = pair.value.as_deref().unwrap_or_default();
            desk.check(pair.spot, check_log_option(driver, &pair.key, value));
        }
    }
    let options = options.into_iter();
    Some(Logging {
        driver,
        options: options
            .map(|pair| (pair.key, pair.value.unwrap_or_default()))
            .collect(),
    })
}

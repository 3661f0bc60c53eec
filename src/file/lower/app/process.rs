//! What an application container runs, when its image is fetched and where its output goes.

use super::kept;
use crate::file::desk::Desk;
use crate::file::keys;
use crate::file::lower::container::Layers;
use crate::file::lower::values::{Fields, one, warn};
use crate::file::tree::{Kind as Shape, Node, Spot};
use crate::model::{Key, Logging, PullPolicy, check_plain, split_words};

/// `pull`, or Compose's `pull_policy`.
pub(super) fn pull(desk: &Desk<'_>, layers: &Layers<'_>) -> PullPolicy {
    let (pull, policy) = (
        one(desk, layers, Key::Pull),
        one(desk, layers, Key::PullPolicy),
    );
    if let (Some(_), Some((_, spot))) = (&pull, &policy) {
        desk.error(*spot, "`pull` and `pull_policy` mean the same");
    }
    let Some((word, spot)) = pull.or(policy) else {
        return PullPolicy::default();
    };
    match word.as_str() {
        "always" => PullPolicy::Always,
        "missing" | "if_not_present" => PullPolicy::Missing,
        "never" => PullPolicy::Never,
        "build" => PullPolicy::Build,
        "daily" | "weekly" | "refresh" => stale(desk, spot, &word),
        word if word.starts_with("every_") => stale(desk, spot, word),
        other => {
            let message = format!("`{other}` is not when an image is fetched");
            desk.error_help(
                spot,
                message,
                "write `always`, `missing`, `never` or `build`",
            );
            PullPolicy::default()
        }
    }
}

/// Policies that ask for an image's age, which the engine does not tell.
fn stale(desk: &Desk<'_>, spot: Spot, word: &str) -> PullPolicy {
    warn(
        desk,
        spot,
        format!("`{word}` counts as `missing` here; `locker pull` fetches images anew"),
    );
    PullPolicy::Missing
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
    Some(Logging {
        driver: driver.unwrap_or_else(|| "json-file".into()),
        options: options
            .map(|pair| (pair.key, pair.value.unwrap_or_default()))
            .collect(),
    })
}

//! `build`: how an image is made from a directory.

use super::app::extra_hosts;
use super::container::{Layers, Shared};
use super::values::{Fields, one, warn};
use crate::file::desk::Desk;
use crate::file::keys;
use crate::file::tree::{Entry, Kind as Shape, Spot};
use crate::model::{
    Build, Key, Source, built_image, check_app_label, check_image, check_plain, check_platform,
    host_path, parse_size,
};

/// The source of a container that is built.
pub(super) fn lower(
    desk: &Desk<'_>,
    shared: &Shared<'_>,
    layers: &Layers<'_>,
    entry: &Entry,
) -> Option<Source> {
    let image = match one(desk, layers, Key::Image) {
        Some((image, spot)) => desk.check(spot, check_image(&image)).map(|()| image)?,
        None => built_image(shared.project, layers.words.name),
    };
    let scope = layers.scope(Key::Build);
    let mut build = Build::plain(image, desk.directory_of(entry.spot).to_path_buf());
    match entry.value.kind {
        Shape::Scalar(_) => {
            let text = desk.text(&entry.value, scope, "build")?;
            context(desk, entry.value.spot, &text, &mut build)?;
        }
        Shape::Mapping(_) => map(
            desk,
            Fields {
                map: &entry.value,
                scope,
            },
            &mut build,
        )?,
        Shape::Null | Shape::Sequence(_) => {
            let message = format!(
                "`build` takes a directory or a map, not {}",
                entry.value.kind_name()
            );
            desk.error_help(entry.spot, message, "write `build: .`");
            return None;
        }
    }
    if build.platform.is_none() {
        let platform = super::values::parsed(desk, layers, Key::Platform, |text| {
            check_platform(text).map(|()| text.to_string())
        });
        build.platform = platform;
    }
    Some(Source::Build(Box::new(build)))
}

/// The directory; the addresses that Compose would fetch are refused.
fn context(desk: &Desk<'_>, spot: Spot, text: &str, build: &mut Build) -> Option<()> {
    let remote =
        text.contains("://") || text.starts_with("git@") || text.starts_with("github.com/");
    if remote {
        let help = "clone it first, and write the directory";
        desk.error_help(
            spot,
            "locker builds from directories, not from addresses",
            help,
        );
        return None;
    }
    build.context = desk.check(spot, host_path(text, &desk.directory_of(spot)))?;
    Some(())
}

fn map(desk: &Desk<'_>, fields: Fields<'_, '_>, build: &mut Build) -> Option<()> {
    keys::check(desk, fields.map, keys::BUILD, "`build`");
    if let Some((text, spot)) = fields.text(desk, "context") {
        context(desk, spot, &text, build)?;
    }
    dockerfile(desk, fields, build);
    for pair in fields.pairs(desk, "args") {
        // One that the environment does not have either is the builder's own.
        let value = pair.value.or_else(|| desk.variable(pair.spot, &pair.key));
        desk.check(pair.spot, check_plain("args", &pair.key));
        build.args.insert(pair.key, value);
    }
    for pair in fields.pairs(desk, "labels") {
        let value = pair.value.unwrap_or_default();
        desk.check(pair.spot, check_app_label(&pair.key, &value));
        build.labels.insert(pair.key, value);
    }
    let plain = |key: &'static str| {
        fields.parsed(desk, key, |text| {
            check_plain(key, text).map(|()| text.to_string())
        })
    };
    build.target = plain("target");
    build.network = plain("network");
    build.no_cache = fields.flag(desk, "no_cache").unwrap_or_default();
    build.pull = fields.flag(desk, "pull").unwrap_or_default();
    build.shm_size = fields.parsed(desk, "shm_size", parse_size);
    build.tags = images(desk, fields, "tags");
    build.cache_from = images(desk, fields, "cache_from");
    if let Some(entry) = fields.map.get("extra_hosts") {
        build.extra_hosts = extra_hosts(desk, entry, fields.scope);
    }
    isolation(desk, fields.text(desk, "isolation"));
    platform(desk, fields, build);
    Some(())
}

fn dockerfile(desk: &Desk<'_>, fields: Fields<'_, '_>, build: &mut Build) {
    let inline = fields.text(desk, "dockerfile_inline");
    let file = fields.text(desk, "dockerfile");
    if let (Some((_, spot)), Some(_)) = (&inline, &file) {
        desk.error(
            *spot,
            "`dockerfile` and `dockerfile_inline` exclude each other",
        );
    }
    build.inline = inline.map(|(text, _)| text);
    build.dockerfile =
        file.and_then(|(text, spot)| desk.check(spot, host_path(&text, &build.context)));
}

/// Images by name. Caches that only a newer builder knows (`type=local,…`) are told of.
fn images(desk: &Desk<'_>, fields: Fields<'_, '_>, key: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (text, spot) in fields.texts(desk, key) {
        let name = text.strip_prefix("type=registry,ref=").unwrap_or(&text);
        if name.starts_with("type=") {
            warn(
                desk,
                spot,
                format!(
                    "`{name}` has no effect here: the engine's classic builder does not know it"
                ),
            );
        } else if desk.check(spot, check_image(name)).is_some() {
            all.push(name.to_string());
        }
    }
    all
}

fn platform(desk: &Desk<'_>, fields: Fields<'_, '_>, build: &mut Build) {
    let platforms = fields.texts(desk, "platforms");
    match &platforms[..] {
        [] => {}
        [(platform, spot)] => {
            build.platform = desk
                .check(*spot, check_platform(platform))
                .map(|()| platform.clone());
        }
        [_, (_, second), ..] => {
            desk.error(*second, "an image is built for one platform at a time");
        }
    }
}

/// `isolation`: containers of Linux know one.
pub(super) fn isolation(desk: &Desk<'_>, given: Option<(String, Spot)>) {
    if let Some((word, spot)) = given
        && !matches!(word.as_str(), "default" | "")
    {
        desk.error(
            spot,
            format!("`isolation: {word}` is for Windows; on Linux it is `default`"),
        );
    }
}

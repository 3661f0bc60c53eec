//! Builds: an image from a directory, by the engine's own builder.
//!
//! The context is sent as it is read; what the builder says comes back line by line. An error holds the
//! step that failed and the end of what it said. Must not print arguments: they may be secret.

use std::collections::HashMap;
use std::path::Path;

use bollard::Docker;
use bollard::query_parameters::BuildImageOptions;
use futures_util::{StreamExt, TryStreamExt};

use super::build_log::Log;
use super::context_tar::{self, Context, Told};
use super::dockerignore::Ignore;
use super::images::{self, LONG, trouble};
use super::{buildkit, header, registry};
use crate::backend::{BackendError, Progress};
use crate::model::Build;

const IGNORE: &str = ".dockerignore";
/// The name that a Dockerfile gets when it is not a file of the context.
const SENT: &str = ".dockerfile.locker";
/// Builds an image and gives it all its names.
pub(super) async fn build(
    docker: &Docker,
    build: &Build,
    progress: Progress<'_>,
) -> Result<(), BackendError> {
    for name in std::iter::once(&build.image).chain(&build.tags) {
        images::check("build", name)?;
    }
    let (context, dockerfile) = prepare(build)?;
    if let Some(why) = buildkit::needed_by(&text_of(build, &context, &dockerfile)?) {
        return buildkit::build(build, &why, progress).await;
    }
    let accounts = registry::all_accounts(progress).await;
    let docker = header::url_safe(docker, &repeated(build)).with_timeout(LONG);
    let (pieces, told) = context_tar::stream(context);
    let body = bollard::body_try_stream(pieces.map_ok(Into::into));
    let mut answers = docker.build_image(options(build, dockerfile), Some(accounts), Some(body));
    let mut log = Log::new(build);
    let mut failed = None;
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(news) => log.hear(&news, progress),
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    drop(answers);
    let told = told.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    outcome(
        build,
        &told,
        failed.map(|error| log.failure(&error)),
        progress,
    )
}

/// What is told at the end. A file that could not be sent is why the engine failed.
fn outcome(
    build: &Build,
    told: &Told,
    failed: Option<BackendError>,
    progress: Progress<'_>,
) -> Result<(), BackendError> {
    for path in &told.skipped {
        progress(&format!(
            "`{}` is neither a file nor a directory nor a link and was not sent",
            path.display()
        ));
    }
    match (&told.failed, failed) {
        (Some((path, why)), _) => Err(refused(
            build,
            format!("cannot send `{}`: {why}", path.display()),
            "mend it, or name it in `.dockerignore`",
        )),
        (None, Some(error)) => Err(error),
        (None, None) => Ok(()),
    }
}

/// What is sent, and the Dockerfile's name in it.
fn prepare(build: &Build) -> Result<(Context, String), BackendError> {
    let root = &build.context;
    if !root.is_dir() {
        let reason = format!("its context `{}` is not a directory", root.display());
        return Err(refused(build, reason, "see the key `context` of `build`"));
    }
    let (dockerfile, content) = dockerfile(build)?;
    let beside = build
        .dockerfile
        .as_ref()
        .map(|path| path.with_file_name(file_name(path) + IGNORE))
        .filter(|path| path.is_file());
    let ignore_path = beside.unwrap_or_else(|| root.join(IGNORE));
    let text = match std::fs::read_to_string(&ignore_path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(unreadable(build, &ignore_path, &error)),
    };
    let ignore = Ignore::parse(&text).map_err(|reason| {
        let reason = format!("`{}`, {reason}", ignore_path.display());
        refused(build, reason, "correct the pattern")
    })?;
    let mut own = Vec::new();
    if let Some(content) = content {
        // The engine leaves out what it reads as the Dockerfile when the rules name it, as Docker's
        // own command line has it.
        let text = if text.is_empty() { IGNORE } else { &text };
        own.push((IGNORE.into(), format!("{text}\n{SENT}\n").into_bytes()));
        own.push((SENT.into(), content));
    }
    let context = Context {
        root: root.clone(),
        ignore,
        always: vec![dockerfile.clone(), IGNORE.into()],
        own,
    };
    Ok((context, dockerfile))
}

/// The Dockerfile's name in the archive, and its content when it is not a plain file of the context.
fn dockerfile(build: &Build) -> Result<(String, Option<Vec<u8>>), BackendError> {
    if let Some(inline) = &build.inline {
        return Ok((SENT.into(), Some(inline.clone().into_bytes())));
    }
    let usual = ["Dockerfile", "dockerfile"].map(|name| build.context.join(name));
    let path = match &build.dockerfile {
        Some(path) => path,
        None => usual
            .iter()
            .find(|path| path.is_file())
            .unwrap_or(&usual[0]),
    };
    let meta = std::fs::symlink_metadata(path).map_err(|error| unreadable(build, path, &error))?;
    let inside = path.strip_prefix(&build.context).ok();
    let plain = |path: &Path| {
        let parts = path.components();
        parts.map(|part| part.as_os_str()).all(|part| part != "..")
    };
    match inside
        .filter(|inside| meta.is_file() && plain(inside))
        .and_then(Path::to_str)
    {
        Some(inside) => Ok((inside.into(), None)),
        None => {
            let content = std::fs::read(path).map_err(|error| unreadable(build, path, &error))?;
            Ok((SENT.into(), Some(content)))
        }
    }
}

/// The Dockerfile's text.
fn text_of(build: &Build, context: &Context, name: &str) -> Result<String, BackendError> {
    let own = context.own.iter().find(|(own, _)| own == name);
    let bytes = match own {
        Some((_, content)) => content.clone(),
        None => {
            let path = context.root.join(name);
            std::fs::read(&path).map_err(|error| unreadable(build, &path, &error))?
        }
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// The parameters that the client library knows.
fn options(build: &Build, dockerfile: String) -> BuildImageOptions {
    let map = |pairs: &std::collections::BTreeMap<String, String>| {
        let pairs = pairs
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()));
        pairs.collect::<HashMap<_, _>>()
    };
    let args = build.args.iter().filter_map(|(key, value)| {
        let value = value.clone().or_else(|| std::env::var(key).ok());
        Some((key.clone(), value?))
    });
    BuildImageOptions {
        dockerfile,
        t: Some(images::with_tag(&build.image)),
        nocache: build.no_cache,
        cachefrom: Some(build.cache_from.clone()).filter(|images| !images.is_empty()),
        pull: build.pull.then(|| "1".into()),
        rm: true,
        // A build that failed leaves no container behind.
        forcerm: true,
        buildargs: Some(args.collect()),
        labels: Some(map(&build.labels)),
        networkmode: build.network.clone(),
        platform: build.platform.clone().unwrap_or_default(),
        target: build.target.clone().unwrap_or_default(),
        ..BuildImageOptions::default()
    }
}

/// Those that it cannot say: what comes several times, and sizes beyond 31 bits.
fn repeated(build: &Build) -> String {
    let tags = build.tags.iter().map(|tag| ("t", images::with_tag(tag)));
    let hosts = build.extra_hosts.iter();
    let hosts = hosts.map(|(name, address)| ("extrahosts", format!("{name}:{address}")));
    let size = build.shm_size.map(|size| ("shmsize", size.to_string()));
    let all = tags.chain(hosts).chain(size);
    let all: Vec<String> = all
        .map(|(key, value)| header::parameter(key, &value))
        .collect();
    all.join("&")
}

fn refused(build: &Build, reason: String, help: &str) -> BackendError {
    trouble("build", &build.image, reason, Some(help.into()))
}

fn unreadable(build: &Build, path: &Path, error: &std::io::Error) -> BackendError {
    let reason = format!("cannot read `{}`: {error}", path.display());
    refused(
        build,
        reason,
        "see the keys `context` and `dockerfile` of `build`",
    )
}

#[cfg(test)]
#[path = "build_tests.rs"]
pub(super) mod tests;

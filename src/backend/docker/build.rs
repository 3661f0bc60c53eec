//! Builds: an image from a directory, by the engine's own builder.
//!
//! The context is sent as it is read; what the builder says comes back line by line. An error holds the
//! step that failed and the end of what it said. Must not print arguments: they may be secret.

use std::collections::{HashMap, VecDeque};
use std::path::Path;

use bollard::Docker;
use bollard::models::{BuildInfo, CreateImageInfo};
use bollard::query_parameters::BuildImageOptions;
use futures_util::{StreamExt, TryStreamExt};

use super::context_tar::{self, Context};
use super::dockerignore::Ignore;
use super::error::{image_failed, reason, unreachable};
use super::images::{self, LONG, Layers, trouble};
use super::{header, registry};
use crate::backend::{BackendError, Progress};
use crate::model::Build;

const IGNORE: &str = ".dockerignore";
/// The name that a Dockerfile gets when it is not a file of the context.
const SENT: &str = ".dockerfile.locker";
/// Lines of the builder itself that tell nothing about a failure.
const NOISE: [&str; 2] = [" ---> ", "Removing intermediate container"];
/// Lines of the failing step that an error shows.
const SHOWN: usize = 20;

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
        (None, Some(error)) => Err(log.failure(&error)),
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

/// What the builder said.
struct Log<'a> {
    image: &'a str,
    /// The beginning of a line whose end has not come.
    rest: String,
    /// The step that is under way, `Step 2/3 : RUN make`.
    step: String,
    /// What it said last.
    lines: VecDeque<String>,
    /// The base image that is being fetched.
    layers: Layers,
}

impl<'a> Log<'a> {
    fn new(build: &'a Build) -> Self {
        Self {
            image: &build.image,
            rest: String::new(),
            step: String::new(),
            lines: VecDeque::new(),
            layers: Layers::new(&build.image),
        }
    }

    fn hear(&mut self, news: &BuildInfo, progress: Progress<'_>) {
        if let Some(text) = &news.stream {
            self.rest.push_str(text);
            while let Some((line, rest)) = self.rest.split_once('\n') {
                let (line, rest) = (plain(line), rest.to_owned());
                self.rest = rest;
                self.line(&line, progress);
            }
        }
        if news.status.is_some() {
            let pulled = self.layers.hear(&CreateImageInfo {
                id: news.id.clone(),
                status: news.status.clone(),
                progress_detail: news.progress_detail.clone(),
                ..CreateImageInfo::default()
            });
            pulled.iter().for_each(|line| progress(line));
        }
    }

    fn line(&mut self, line: &str, progress: Progress<'_>) {
        if line.is_empty() {
            return;
        }
        if line.starts_with("Step ") {
            self.step = line.into();
            self.lines.clear();
            if let Some(base) = base_of(line) {
                self.layers = Layers::new(base);
            }
        } else if !NOISE.iter().any(|noise| line.starts_with(noise)) {
            self.lines.push_back(line.into());
            if self.lines.len() > SHOWN {
                self.lines.pop_front();
            }
        }
        progress(line);
    }

    fn failure(mut self, error: &bollard::errors::Error) -> BackendError {
        if unreachable(error).is_some() {
            return image_failed("build", self.image, error);
        }
        let said = reason(error);
        let rest = std::mem::take(&mut self.rest);
        self.lines
            .extend(Some(plain(&rest)).filter(|rest| !rest.is_empty()));
        let base = base_of(&self.step);
        let help = if said.contains("requires BuildKit") || said.contains("unknown flag") {
            Some(format!(
                "the engine's own builder knows no BuildKit; make it with `docker buildx build -t {0} .` and use `image: {0}`",
                self.image
            ))
        } else {
            base.and_then(|base| images::advice(base, false, &said))
        };
        let reason = match self.step.as_str() {
            "" => said,
            step => format!("`{step}` failed: {said}"),
        };
        BackendError::Image {
            verb: "build",
            image: self.image.into(),
            reason,
            log: self.lines.into(),
            help,
        }
    }
}

/// A line without its end and without the colour that the builder gives to standard error.
fn plain(line: &str) -> String {
    line.replace("\u{1b}[91m", "")
        .replace("\u{1b}[0m", "")
        .trim_end()
        .to_owned()
}

/// The image of `Step 1/2 : FROM image AS name`.
fn base_of(step: &str) -> Option<&str> {
    let (_, instruction) = step.split_once(" : ")?;
    let mut words = instruction.split_whitespace();
    words
        .next()
        .filter(|word| word.eq_ignore_ascii_case("from"))?;
    words.find(|word| !word.starts_with("--"))
}

#[cfg(test)]
#[path = "build_tests.rs"]
mod tests;

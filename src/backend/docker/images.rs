//! Images: fetched from a registry, and looked up on the host.
//!
//! The engine fetches; locker only brings the account and tells how far it is. A layer's every
//! kilobyte is news to the engine, so what is told is a sum, at most once a second.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::{CreateImageOptions, TagImageOptions};
use futures_util::StreamExt;
use futures_util::future::join_all;

use super::error::{image_failed, is_missing};
use super::{header, registry};
use crate::backend::{BackendError, ImageInfo, Progress};

/// A registry may be slow, and a large layer takes as long as it takes.
pub(super) const LONG: Duration = Duration::from_secs(24 * 60 * 60);
/// How often it is told how far a pull is.
const TELL: Duration = Duration::from_secs(1);

/// Fetches an image with the account of its registry.
pub(super) async fn pull(
    docker: &Docker,
    image: &str,
    platform: Option<&str>,
    progress: Progress<'_>,
) -> Result<(), BackendError> {
    check("pull", image)?;
    let account = registry::account_for(image)
        .await
        .map_err(|reason| trouble("pull", image, reason, None))?;
    let known = account.is_some();
    let options = CreateImageOptions {
        from_image: Some(with_tag(image)),
        platform: platform.unwrap_or_default().into(),
        ..CreateImageOptions::default()
    };
    let (fast, docker) = (docker, header::url_safe(docker, "").with_timeout(LONG));
    let mut stream = docker.create_image(Some(options), None, account);
    let mut layers = Layers::new(image);
    while let Some(news) = stream.next().await {
        let news =
            news.map_err(|error| explain(image, known, image_failed("pull", image, &error)))?;
        if let Some(line) = layers.hear(&news) {
            progress(&line);
        }
    }
    stamp(fast, image).await;
    Ok(())
}

/// Has the engine write down that the image is fresh: what it fetched it dates by its maker only, and what
/// was up to date not at all, but it keeps when a name was given last. So the name is given once more.
async fn stamp(docker: &Docker, image: &str) {
    // One with a digest is the same for ever, and is never fetched anew.
    let name = with_tag(image);
    let Some((repo, tag)) = name.rsplit_once(':').filter(|_| !name.contains('@')) else {
        return;
    };
    let options = TagImageOptions {
        repo: Some(repo.into()),
        tag: Some(tag.into()),
    };
    // Without the date it counts as old, and is fetched once more than needed.
    let _ = docker.tag_image(&name, Some(options)).await;
}

/// Gives a name to an image that is there.
pub(super) async fn name(docker: &Docker, id: &str, image: &str) -> Result<(), BackendError> {
    let name = with_tag(image);
    let (repo, tag) = name.rsplit_once(':').unwrap_or((&name, "latest"));
    let options = TagImageOptions {
        repo: Some(repo.into()),
        tag: Some(tag.into()),
    };
    let named = docker.tag_image(id, Some(options)).await;
    named.map_err(|error| image_failed("give a name to", image, &error))
}

/// The images that are there under one of `names`, asked side by side.
pub(super) async fn list(
    docker: &Docker,
    names: &BTreeSet<String>,
) -> Result<Vec<ImageInfo>, BackendError> {
    let asked = names.iter().map(|name| async move {
        check("look up", name)?;
        match docker.inspect_image(name).await {
            Ok(found) => Ok(Some(ImageInfo {
                name: name.clone(),
                id: found.id.unwrap_or_default(),
                size: found
                    .size
                    .and_then(|size| size.try_into().ok())
                    .unwrap_or(0),
                created: found.created.unwrap_or_default(),
            })),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(image_failed("look up", name, &error)),
        }
    });
    let found: Result<Vec<_>, _> = join_all(asked).await.into_iter().collect();
    Ok(found?.into_iter().flatten().collect())
}

/// Refuses what is no name of an image: it becomes a part of the request's path.
pub(super) fn check(verb: &'static str, image: &str) -> Result<(), BackendError> {
    let allowed =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':' | '@');
    let part = |part: &str| part.starts_with(|c: char| c.is_ascii_alphanumeric());
    if image.chars().all(allowed) && image.split('/').all(part) {
        return Ok(());
    }
    let reason = "that is not the name of an image, such as `registry/name:tag`";
    Err(trouble(verb, image, reason.into(), None))
}

/// Without a tag the engine would fetch all of them.
pub(super) fn with_tag(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.contains([':', '@']) {
        image.into()
    } else {
        format!("{image}:latest")
    }
}

/// An image's error in our own words.
pub(super) fn trouble(
    verb: &'static str,
    image: &str,
    reason: String,
    help: Option<String>,
) -> BackendError {
    BackendError::Image {
        verb,
        image: image.into(),
        reason,
        log: Vec::new(),
        help,
    }
}

/// Adds what to do about it, as far as the registry's words tell.
fn explain(image: &str, known: bool, error: BackendError) -> BackendError {
    let BackendError::Image {
        verb,
        image: name,
        reason,
        log,
        help: None,
    } = error
    else {
        return error;
    };
    let help = advice(image, known, &reason);
    BackendError::Image {
        verb,
        image: name,
        reason,
        log,
        help,
    }
}

/// What to do about it, as far as the registry's words tell.
pub(super) fn advice(image: &str, known: bool, reason: &str) -> Option<String> {
    let said = reason.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let registry = registry::registry_of(image);
    if says(&["http response to https client"]) {
        Some(format!(
            "the registry speaks no TLS; add `{registry}` to `insecure-registries` in /etc/docker/daemon.json"
        ))
    } else if says(&[
        "no matching manifest",
        "does not match the specified platform",
    ]) {
        Some("the image is not made for this platform; see the key `platform`".into())
    } else if says(&[
        "denied",
        "unauthorized",
        "no basic auth",
        "authentication required",
    ]) {
        Some(if known {
            format!("`{registry}` refused the account; log in again: docker login {registry}")
        } else {
            format!("check the name; a private image needs `docker login {registry}` as this user")
        })
    } else if says(&["manifest unknown", "not found", "manifest for"]) {
        Some("check the name and the tag".into())
    } else if says(&[
        "no such host",
        "dial tcp",
        "i/o timeout",
        "tls handshake",
        "lookup ",
    ]) {
        Some(format!(
            "the engine does not reach `{registry}`; check this host's name servers, and the proxy of docker.service"
        ))
    } else {
        None
    }
}

/// How far a pull is.
pub(super) struct Layers {
    image: String,
    /// By its id: whether it is there, bytes that came, and bytes in all.
    layers: BTreeMap<String, (bool, u64, u64)>,
    told: Instant,
    last: String,
}

impl Layers {
    /// Nothing of it has come.
    pub fn new(image: &str) -> Self {
        Self {
            image: image.into(),
            layers: BTreeMap::new(),
            told: Instant::now(),
            last: String::new(),
        }
    }

    /// Takes one piece of news and gives the line that is due.
    pub fn hear(&mut self, news: &CreateImageInfo) -> Option<String> {
        let status = news.status.as_deref().unwrap_or_default();
        let Some(id) = news
            .id
            .as_deref()
            .filter(|_| !status.starts_with("Pulling from"))
        else {
            let end = status.strip_prefix("Status: ")?;
            return Some(format!("{}: {end}", self.image));
        };
        let layer = self.layers.entry(id.into()).or_default();
        match status {
            "Pull complete" | "Already exists" => layer.0 = true,
            "Downloading" => {
                let number = |n: Option<i64>| n.and_then(|n| n.try_into().ok()).unwrap_or(0);
                if let Some(detail) = &news.progress_detail {
                    (layer.1, layer.2) = (number(detail.current), number(detail.total));
                }
            }
            "Download complete" => layer.1 = layer.2,
            _ => {}
        }
        if self.told.elapsed() < TELL {
            return None;
        }
        let line = self.line();
        let new = line != self.last;
        self.told = Instant::now();
        self.last.clone_from(&line);
        new.then_some(line)
    }

    fn line(&self) -> String {
        let there = self.layers.values().filter(|layer| layer.0).count();
        let (came, all) = self
            .layers
            .values()
            .fold((0, 0), |sum, layer| (sum.0 + layer.1, sum.1 + layer.2));
        format!(
            "{}: {there} of {} layers, {} of {} MB",
            self.image,
            self.layers.len(),
            came.div_ceil(1_000_000),
            all.div_ceil(1_000_000)
        )
    }
}

#[cfg(test)]
#[path = "images_tests.rs"]
mod tests;

//! What the engine's builder says: lines for who waits, and the failing step for who mends.

use std::collections::VecDeque;

use bollard::models::{BuildInfo, CreateImageInfo};

use super::error::{image_failed, reason, unreachable};
use super::images::{self, Layers};
use crate::backend::{BackendError, Progress};
use crate::model::Build;

/// Lines of the builder itself that tell nothing about a failure.
const NOISE: [&str; 2] = [" ---> ", "Removing intermediate container"];
/// Lines of the failing step that an error shows.
const SHOWN: usize = 20;

/// What the builder said.
pub(super) struct Log<'a> {
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
    /// Nothing yet.
    pub fn new(build: &'a Build) -> Self {
        Self {
            image: &build.image,
            rest: String::new(),
            step: String::new(),
            lines: VecDeque::new(),
            layers: Layers::new(&build.image),
        }
    }

    /// Takes what the builder says next, and tells its whole lines.
    pub fn hear(&mut self, news: &BuildInfo, progress: Progress<'_>) {
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

    /// The error of a build that failed now.
    pub fn failure(mut self, error: &bollard::errors::Error) -> BackendError {
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
                "the engine's own builder does not know that; make it with `docker buildx build -t {0} .` and use `image: {0}`",
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
pub(super) fn base_of(step: &str) -> Option<&str> {
    let (_, instruction) = step.split_once(" : ")?;
    let mut words = instruction.split_whitespace();
    words
        .next()
        .filter(|word| word.eq_ignore_ascii_case("from"))?;
    words.find(|word| !word.starts_with("--"))
}

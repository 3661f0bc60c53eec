//! Creation: from a template in a helper process, or by copying; all or nothing.
//!
//! The note that it is under way comes first, the mark last. A killed creation leaves the note, by which
//! the next run knows the wreck for ours.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::sync::mpsc::Sender;

use super::copy;
use super::mark;
use super::monitor::{Request, Task, command};
use super::site::{Site, failed, io};
use crate::backend::BackendError;
use crate::model::{ContainerSpec, Source, given_by_lxc};
use crate::observed::Mark;

/// Makes a container, its settings and, last, its mark. On an error nothing of it is left.
pub(super) fn create(site: &Site, mark: &Mark, lines: &Sender<String>) -> Result<(), BackendError> {
    let spec = &mark.spec;
    let (full, dir) = (spec.host_name(), site.dir(&spec.name));
    std::fs::create_dir_all(&site.lxcpath).map_err(io("create", &site.lxcpath))?;
    if dir.exists() {
        let reason = format!("`{}` already exists", dir.display());
        return Err(failed("create", &full, reason));
    }
    mark::begin(site, &spec.name)?;
    let made = fill(site, spec, lines)
        .and_then(|()| super::identity::renew(site, spec))
        .and_then(|()| super::settings::write_conf(site, spec))
        .and_then(|()| mark::write(site, mark));
    if let Err(error) = made {
        // What cannot be removed now stays noted as a wreck; the first error is the one to tell.
        let cleaned = super::destroy::remove_tree(&dir);
        if cleaned.is_ok() {
            let _ = mark::end(site, &spec.name);
        }
        return Err(error);
    }
    mark::end(site, &spec.name)
}

fn fill(site: &Site, spec: &ContainerSpec, lines: &Sender<String>) -> Result<(), BackendError> {
    match &spec.source {
        Source::Template { name, args } => template(site, spec, name, args, lines),
        Source::Download { args } => template(site, spec, "download", args, lines),
        Source::CloneSibling(origin) => copy::clone(site, spec, &site.full(origin), lines),
        Source::CloneHost(origin) => copy::clone(site, spec, origin, lines),
        Source::Rootfs(path) => copy::rootfs(site, spec, path),
        Source::Image(_) | Source::Build(_) => Err(failed(
            "create",
            &spec.host_name(),
            "it is made from an image, which LXC cannot run",
        )),
    }
}

/// `--key value` words, a bare `--key` for an empty value. What names the container or its place is
/// liblxc's to say, so that no argument can lead the template elsewhere.
fn words(args: &[(String, String)]) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    for (key, value) in args {
        if let Some(given) = given_by_lxc(key) {
            return Err(format!(
                "`{key}` cannot be given to a template: it stands for `{given}`, which LXC sets"
            ));
        }
        words.push(format!("--{key}"));
        if !value.is_empty() {
            words.push(value.clone());
        }
    }
    Ok(words)
}

fn template(
    site: &Site,
    spec: &ContainerSpec,
    name: &str,
    args: &[(String, String)],
    lines: &Sender<String>,
) -> Result<(), BackendError> {
    let full = spec.host_name();
    let log = tempfile::NamedTempFile::new().map_err(io("create", std::env::temp_dir()))?;
    let request = Request {
        full: full.clone(),
        lxcpath: site.lxcpath.clone(),
        log: Some(log.path().into()),
        task: Task::Create {
            template: name.into(),
            args: words(args).map_err(|reason| failed("create", &full, reason))?,
        },
    };
    let (output, input) = std::io::pipe().map_err(io("open", "a pipe"))?;
    let errors = input.try_clone().map_err(io("open", "a pipe"))?;
    let mut child = command(&site.program, &request)
        .and_then(|mut c| c.stdin(Stdio::piped()).stdout(input).stderr(errors).spawn())
        .map_err(io("run", &site.program))?;
    let lifeline = child.stdin.take();
    let said = collect(output, lines);
    let done = child.wait().map_err(io("wait for", &site.program))?;
    drop(lifeline);
    if done.success() {
        return copy::give(site, spec);
    }
    let mut log = super::start::log_lines(&std::fs::read_to_string(log.path()).unwrap_or_default());
    let reason = match said.iter().rev().find(|line| !line.is_empty()) {
        Some(line) => format!("the template `{name}` failed: {line}"),
        None => format!("the template `{name}` failed"),
    };
    log.splice(0..0, said);
    Err(BackendError::Engine {
        verb: "create",
        container: full,
        reason,
        log,
    })
}

/// Passes lines on as they come and keeps the last fifty.
fn collect(output: impl Read, lines: &Sender<String>) -> Vec<String> {
    let mut kept = std::collections::VecDeque::new();
    for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        // Nobody may be listening any more; the template goes on.
        let _ = lines.send(line.clone());
        kept.push_back(line);
        if kept.len() > 50 {
            kept.pop_front();
        }
    }
    kept.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_become_words_and_none_names_another_container() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            words(&[pair("release", "jammy; rm -rf /"), pair("flush-cache", "")]).unwrap(),
            ["--release", "jammy; rm -rf /", "--flush-cache"]
        );
        for key in ["name", "path", "rootfs", "root", "pat", "r", "mapped-g"] {
            assert!(words(&[pair(key, "x")]).unwrap_err().contains(key));
        }
    }
}

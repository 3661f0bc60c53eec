//! The options of `up`, shared with `plan`, which says what `up` with the same options would do.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::error::CliError;
use super::flags::{Around, Orphans, Settling, Together};
use super::global::{GlobalArgs, duration};
use crate::job::{ChangeRequest, ImageWish, PullPolicy, Recreate, SETTLE, Setting, Wait};

/// When images are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Pull {
    /// Before all else, also when the host has them
    Always,
    /// When the host does not have them
    Missing,
    /// Never; a missing image is an error
    Never,
}

impl From<Pull> for PullPolicy {
    fn from(pull: Pull) -> Self {
        match pull {
            Pull::Always => Self::Always,
            Pull::Missing => Self::Missing,
            Pull::Never => Self::Never,
        }
    }
}

/// What is done about images first.
#[derive(Clone, Debug, Args)]
pub struct Images {
    /// Build images first, also those that the host has
    #[arg(long, conflicts_with = "no_build")]
    build: bool,
    /// Build no image; one that is missing is an error
    #[arg(long)]
    no_build: bool,
    /// When images are fetched; otherwise as the file says
    #[arg(long, value_name = "WHEN", value_enum)]
    pull: Option<Pull>,
    /// Do not show the progress of fetching
    #[arg(long)]
    quiet_pull: bool,
}

impl Images {
    /// As a job understands it.
    pub fn wish(&self) -> ImageWish {
        ImageWish {
            pull: self.pull.map(PullPolicy::from),
            build: self.build,
            no_build: self.no_build,
            quiet_pull: self.quiet_pull,
            ..ImageWish::default()
        }
    }
}

/// Waiting for containers to be ready.
#[derive(Clone, Debug, Args)]
pub struct Waiting {
    /// Return when all run and are healthy; those that have ended with 0 count as done
    #[arg(long)]
    wait: bool,
    /// Wait at most so long for each, and fail then; implies --wait
    #[arg(long, value_name = "TIME", value_parser = duration)]
    wait_timeout: Option<Duration>,
}

impl Waiting {
    /// As a job understands it.
    pub fn wish(&self) -> Option<Wait> {
        let most = self.wait_timeout;
        (self.wait || most.is_some()).then_some(Wait { most })
    }
}

/// How many containers of a service.
#[derive(Clone, Debug, Args)]
pub struct Scaling {
    /// So many containers of a service, over what the file says; may be given several times
    #[arg(long, value_name = "NAME=N", value_parser = scale)]
    scale: Vec<(String, u32)>,
}

impl Scaling {
    /// Writes it into what decides how the file is read.
    pub fn put_into(&self, setting: &mut Setting) {
        setting.load.scale = self.scale.iter().cloned().collect();
    }
}

/// The options of `up`.
#[derive(Debug, Args)]
pub struct UpOptions {
    #[command(flatten)]
    around: Around,
    /// Do not copy the container's content to empty host directories
    #[arg(long, visible_alias = "dont-copy-on-create")]
    no_move: bool,
    #[command(flatten)]
    orphans: Orphans,
    #[command(flatten)]
    images: Images,
    #[command(flatten)]
    waiting: Waiting,
    /// Make containers anew even when nothing changed; system containers lose their root file systems
    #[arg(long, conflicts_with = "no_recreate")]
    force_recreate: bool,
    /// Make no container anew; those that differ from the file stay as they are
    #[arg(long)]
    no_recreate: bool,
    /// With --force-recreate: make anew what the named ones depend on as well
    #[arg(long, conflicts_with_all = ["no_recreate", "no_deps"])]
    always_recreate_deps: bool,
    /// Leave alone what the named ones depend on
    #[arg(long)]
    no_deps: bool,
    /// Containers made anew start with new volumes where these have no name
    #[arg(short = 'V', long)]
    renew_anon_volumes: bool,
    #[command(flatten)]
    scaling: Scaling,
    #[command(flatten)]
    together: Together,
    #[command(flatten)]
    settling: Settling,
}

impl UpOptions {
    /// Writes them into a request.
    pub fn put_into(&self, request: &mut ChangeRequest) {
        request.no_ports = self.around.no_ports;
        request.no_links = self.around.no_links;
        request.host_names = self.around.add_hosts;
        request.no_copy = self.no_move;
        request.remove_orphans = self.orphans.remove_orphans;
        request.images = self.images.wish();
        request.wait = self.waiting.wish();
        request.recreate = if self.force_recreate || self.always_recreate_deps {
            Recreate::Force
        } else if self.no_recreate {
            Recreate::Never
        } else {
            Recreate::Changed
        };
        request.with_deps = self.always_recreate_deps;
        request.no_deps = self.no_deps;
        request.renew_anonymous = self.renew_anon_volumes;
        request.all_or_nothing = self.together.all_or_nothing;
        request.keep_failed = self.together.keep_failed;
        request.settle = self.settling.settle.unwrap_or(SETTLE);
    }

    /// Where the file is and how it is read, for these containers.
    pub fn setting(&self, global: &GlobalArgs, names: &[String]) -> Result<Setting, CliError> {
        let mut setting = global.setting_for(names)?;
        self.scaling.put_into(&mut setting);
        Ok(setting)
    }
}

/// `NAME=N`.
fn scale(word: &str) -> Result<(String, u32), String> {
    let parts = word.split_once('=');
    let parts = parts.and_then(|(name, count)| Some((name, count.parse().ok()?)));
    match parts {
        Some((name, count)) if !name.is_empty() => Ok((name.into(), count)),
        Some(_) | None => Err("must be NAME=N, as in `web=3`".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_is_a_name_and_a_number() {
        assert_eq!(scale("web=3"), Ok(("web".into(), 3)));
        assert_eq!(scale("web=0"), Ok(("web".into(), 0)));
        for bad in ["web", "=3", "web=", "web=-1", "web=many"] {
            assert!(scale(bad).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn a_limit_for_waiting_is_a_wish_to_wait() {
        let waiting = |wait, wait_timeout| Waiting { wait, wait_timeout }.wish();
        assert_eq!(waiting(false, None), None);
        assert_eq!(waiting(true, None), Some(Wait { most: None }));
        let most = Some(Duration::from_secs(9));
        assert_eq!(waiting(false, most), Some(Wait { most }));
    }
}

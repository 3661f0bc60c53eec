//! What every command takes: which file, which host, how to talk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::error::CliError;
use crate::job::{LoadOptions, Setting};
use crate::model::FirewallChoice;

/// How long a change waits for another one of the same project before it gives up.
const LOCK_WAIT: Duration = Duration::from_secs(600);

const HEADING: &str = "Options of every command";

/// Options that every command takes, before or after its name.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = HEADING)]
pub struct GlobalArgs {
    /// The project file; several are merged in their order; otherwise the one found here or above
    #[arg(short, long, global = true, value_name = "FILE")]
    pub file: Vec<PathBuf>,
    /// The project's name; otherwise `name:` in the file, otherwise its directory's
    #[arg(short, long, global = true, value_name = "NAME")]
    pub project: Option<String>,
    /// The project's directory; otherwise the one that the file is in
    #[arg(long, global = true, value_name = "DIR")]
    pub project_directory: Option<PathBuf>,
    /// A profile whose containers take part; may be given several times
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Vec<String>,
    /// A file of variables instead of .env; may be given several times, later ones win
    #[arg(long, global = true, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Say more: what begins, and what the tools print
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Say nothing but errors and questions
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// No colours; so does the variable NO_COLOR
    #[arg(short = 'o', long, global = true)]
    pub no_color: bool,
    /// Print the plan and change nothing
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// Answer every question with yes
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// How many steps may run at once; otherwise as many as the processors bear
    #[arg(long, global = true, value_name = "N", value_parser = positive)]
    pub parallel: Option<usize>,
    /// How long a clean shutdown may take before force, as `30` or `1m30s`; otherwise as the file says,
    /// otherwise 30 s for a system and 10 s for an application container
    #[arg(short, long, global = true, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// How progress is shown on standard error
    #[arg(
        long,
        global = true,
        value_name = "KIND",
        default_value = "auto",
        value_enum
    )]
    pub progress: ProgressKind,
    /// Where LXC containers are kept; otherwise as recorded, otherwise /var/lib/lxc
    #[arg(short = 'P', long, global = true, value_name = "DIR")]
    pub lxcpath: Option<PathBuf>,
    /// Where locker keeps its own state; otherwise /var/lib/locker and /run/locker
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// The firewall that holds port rules; otherwise as the file says, otherwise what the host runs
    #[arg(long, global = true, value_name = "NAME", value_enum)]
    pub firewall: Option<FirewallName>,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProgressKind {
    /// `tty` on a terminal, otherwise `plain`
    Auto,
    /// A line that is rewritten
    Tty,
    /// One line for each finished step
    Plain,
    /// One JSON object for each event; errors are JSON as well
    Json,
    /// Nothing
    Quiet,
}

/// A firewall by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FirewallName {
    /// What the host runs
    Auto,
    /// nftables
    Nftables,
    /// iptables and ip6tables
    Iptables,
    /// No rules at all
    None,
}

impl From<FirewallName> for FirewallChoice {
    fn from(name: FirewallName) -> Self {
        match name {
            FirewallName::Auto => Self::Auto,
            FirewallName::Nftables => Self::Nftables,
            FirewallName::Iptables => Self::Iptables,
            FirewallName::None => Self::None,
        }
    }
}

impl GlobalArgs {
    /// Which file and which host, for a command that names containers: their profiles take part.
    pub fn setting_for(&self, names: &[String]) -> Result<Setting, CliError> {
        let mut setting = self.setting()?;
        setting.load.named = names.to_vec();
        Ok(setting)
    }

    /// Which file and which host, with this process's directory and variables.
    pub fn setting(&self) -> Result<Setting, CliError> {
        let cwd = std::env::current_dir().map_err(|source| CliError::Directory { source })?;
        // A variable that is not UTF-8 cannot stand in a YAML file; it is not offered there.
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Ok(Setting {
            load: LoadOptions {
                cwd,
                files: self.file.clone(),
                project_name: self.project.clone(),
                project_directory: self.project_directory.clone(),
                environment,
                env_files: self.env_file.clone(),
                profiles: self.profile.clone(),
                scale: BTreeMap::new(),
                named: Vec::new(),
            },
            lxcpath: self.lxcpath.as_deref().map(whole),
            state_dir: self.state_dir.as_deref().map(whole),
            firewall: self.firewall.map(FirewallChoice::from),
            parallel: self.parallel,
            lock_wait: LOCK_WAIT,
        })
    }
}

/// A directory as the units, records and the engine need it, who stand elsewhere: absolute. One that is
/// given so is taken as it is.
fn whole(directory: &Path) -> PathBuf {
    if directory.is_absolute() {
        return directory.into();
    }
    let real = directory.canonicalize();
    let absolute = real.or_else(|_| std::path::absolute(directory));
    absolute.unwrap_or_else(|_| directory.into())
}

fn positive(word: &str) -> Result<usize, String> {
    match word.parse() {
        Ok(0) | Err(_) => Err("must be a number from 1".into()),
        Ok(number) => Ok(number),
    }
}

/// A bare number is seconds, as it was in the first Locker.
pub fn duration(word: &str) -> Result<Duration, String> {
    if let Ok(seconds) = word.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    humantime::parse_duration(word).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_number_is_seconds() {
        for (word, seconds) in [("30", 30), ("0", 0), ("1m30s", 90), ("2h", 7200)] {
            assert_eq!(duration(word), Ok(Duration::from_secs(seconds)), "{word}");
        }
        for bad in ["", "-1", "soon", "1x"] {
            assert!(duration(bad).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn a_directory_is_absolute_whether_it_is_there_or_not() {
        let here = std::env::current_dir().unwrap().canonicalize().unwrap();
        assert_eq!(whole(Path::new("src/../src")), here.join("src"));
        assert_eq!(whole(Path::new("./not-there")), here.join("not-there"));
        assert_eq!(whole(Path::new("/a/../b")), Path::new("/a/../b"));
    }

    #[test]
    fn nothing_runs_zero_at_once() {
        assert_eq!(positive("3"), Ok(3));
        for bad in ["0", "-1", "many", ""] {
            assert!(positive(bad).is_err(), "{bad} was taken");
        }
    }
}

//! `run`: one container more of a service, for one command.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::change;
use crate::cli::confirm::Counter;
use crate::cli::error::CliError;
use crate::cli::flags::{self, own, pair, variable};
use crate::cli::global::{GlobalArgs, duration};
use crate::cli::ui::Ui;
use crate::cli::up_flags::Images;
use crate::job::{self, OnceRequest, RunOptions};
use crate::model::Name;

const EXAMPLES: &str = "\
Examples:
  locker run --rm web ./manage.py migrate
  locker run --rm -e DEBUG=1 web sh
  locker run --detach --rm web ./backup.sh
  locker run --rm --no-deps --entrypoint sh web -c 'id; pwd'
";

/// Run one command in a container of its own, made from a container's image and settings
///
/// What the container depends on is started first. Its ports are not published unless
/// `--service-ports` is given. The new container is called `NAME_run_…`, `jobs` and `status` show it and
/// `down` removes it. The exit status is that of the command. System containers have no image to run
/// from: `exec` runs a command in them.
///
/// With `--detach` it is a job: a service of systemd's where systemd runs the host, else a container that
/// the engine runs. Its id is printed; `logs`, `wait` and `jobs` tell its output and its exit code, also
/// after its end.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Run {
    /// Remove the container when it has ended
    #[arg(long)]
    rm: bool,
    /// Return as soon as it runs, and print its id
    #[arg(short, long)]
    detach: bool,
    /// Leave alone what it depends on
    #[arg(long)]
    no_deps: bool,
    /// Publish the ports of the file while it runs
    #[arg(long)]
    service_ports: bool,
    /// Let it answer to the container's further names on its networks
    #[arg(long)]
    use_aliases: bool,
    /// A variable for it; without a value, that of this environment; may be given several times
    #[arg(short, long = "env", value_name = "NAME[=VALUE]", value_parser = variable)]
    environment: Vec<(String, Option<String>)>,
    /// A label for it; may be given several times
    #[arg(short, long = "label", value_name = "NAME=VALUE", value_parser = pair)]
    labels: Vec<(String, String)>,
    /// The user inside, by name or number
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// The directory inside that it runs in
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<PathBuf>,
    /// A directory or file of the host, or a named volume, mounted as well; may be given several times
    #[arg(short, long = "volume", value_name = "HOST:CONTAINER[:ro]")]
    volumes: Vec<String>,
    /// The program in place of the image's, with its arguments
    #[arg(long, value_name = "CMD")]
    entrypoint: Option<String>,
    /// The name of the container
    #[arg(long, value_name = "NAME", value_parser = Name::new)]
    name: Option<Name>,
    /// No terminal inside
    #[arg(short = 'T', long, conflicts_with = "tty")]
    no_tty: bool,
    /// A terminal inside, also without one here: input that ends is told by the key that ends it
    #[arg(short = 't', long)]
    tty: bool,
    /// Taken for those who are used to it: standard input is always handed on. With `-t` it must be a
    /// terminal
    #[arg(short, long)]
    interactive: bool,
    #[command(flatten)]
    images: Images,
    // `-v` means a volume here and `-t` a terminal, so these take the place of the options of every
    // command, without their letters.
    #[arg(long, id = "timeout", value_parser = duration, hide = true, help = "Not used here")]
    _timeout: Option<Duration>,
    /// Say more: what begins, and what the tools print
    #[arg(long, id = "verbose")]
    _verbose: bool,
    /// The container of the file
    #[arg(value_name = "NAME")]
    of: String,
    /// The program and its arguments; otherwise what the file or the image says
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "CMD"
    )]
    argv: Vec<String>,
}

impl Run {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        if global.dry_run {
            return Err(CliError::NoPlan { command: "run" });
        }
        let setting = global.setting_for(std::slice::from_ref(&self.of))?;
        let request = self.request()?;
        let consent = Counter::new(ui.clone(), global.yes);
        let events = ui.events();
        let once = job::once(&setting, &request, events.as_ref(), &consent);
        let done = change::block_on(once)??;
        if request.options.detach {
            ui.data(&format!("{}\n", done.name))?;
        }
        Ok(u8::try_from(done.code).unwrap_or(u8::MAX))
    }

    fn request(self) -> Result<OnceRequest, CliError> {
        let entrypoint = self.entrypoint.as_deref().map(words).transpose()?;
        Ok(OnceRequest {
            name: self.of,
            argv: self.argv,
            entrypoint,
            called: self.name,
            environment: self.environment.into_iter().filter_map(own).collect(),
            user: self.user,
            workdir: self.workdir,
            volumes: self.volumes,
            labels: self.labels,
            no_deps: self.no_deps,
            service_ports: self.service_ports,
            use_aliases: self.use_aliases,
            images: self.images.wish(),
            options: RunOptions {
                remove: self.rm,
                detach: self.detach,
                tty: flags::tty(
                    self.tty,
                    self.no_tty || self.detach,
                    self.interactive && !self.detach,
                )?,
                interactive: !self.detach,
            },
        })
    }
}

/// The words of an entrypoint as a shell would divide them; the empty word takes the image's away.
fn words(line: &str) -> Result<Vec<String>, CliError> {
    shlex::split(line).ok_or_else(|| CliError::Value {
        value: line.into(),
        what: "entrypoint",
        reason: "a quote is not closed".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entrypoint_is_divided_as_a_shell_would() {
        assert_eq!(words("sh -c 'a b'").unwrap(), ["sh", "-c", "a b"]);
        assert!(words("").unwrap().is_empty());
        assert!(words("sh 'x").is_err());
    }
}

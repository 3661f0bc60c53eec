//! `adopt`: take over what docker compose has made, and bring the project up.

use clap::Args;

use crate::cli::change;
use crate::cli::confirm::Counter;
use crate::cli::error::CliError;
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::job::{self, Goal};

const EXAMPLES: &str = "\
Examples:
  locker adopt              lists what docker compose has made, and asks
  locker adopt --yes        for scripts
  locker adopt --no-up      only takes over; `locker up` starts it
";

/// Take over a project from docker compose, with its data, and bring it up
///
/// The volumes that docker compose has made for this project become the project's own, its containers
/// and networks are removed as `docker compose down` does, and `up` follows. All of it is listed and asked
/// about first; no volume is removed. Images that are missing are fetched and built before anything stops.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Adopt {
    /// Take over and start nothing
    #[arg(long)]
    no_up: bool,
}

impl Adopt {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let request = change::request("adopt", Goal::Up, &[], global);
        let consent = Counter::new(ui.clone(), global.yes).only_looking(global.dry_run);
        let setting = global.setting_for(&[])?;
        let events = ui.events();
        let adopting = job::adopt(&setting, &request, events.as_ref(), &consent);
        let cleared = match change::block_on(adopting)? {
            Err(job::JobError::Refused) if global.dry_run => return Ok(0),
            Err(error) => return Err(error.into()),
            Ok(taken) => {
                let cleared = taken.gone;
                for volume in taken.volumes {
                    ui.say(&format!("volume {volume} is the project's own now\n"));
                }
                cleared
            }
        };
        if self.no_up {
            return Ok(0);
        }
        let request = change::request("up", Goal::Up, &[], global);
        let done = change::run_in(&setting, &request, global, ui, false);
        if done.is_err() && cleared {
            ui.say(&format!(
                "docker compose's containers are gone, and `up` did not come to its end. What was taken over stays taken over: \
                 `locker up` goes on once the cause below is mended. The way back: {}\n",
                job::WAY_BACK
            ));
        }
        done
    }
}

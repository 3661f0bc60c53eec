//! The verbs: one file each, and the one match that finds it.

mod adopt;
mod build;
mod cgroup;
mod cleanup;
mod completions;
mod config;
mod convert;
mod cp;
mod create;
mod disable;
mod down;
mod enable;
mod events;
mod exec;
mod freeze;
mod images;
mod jobs;
mod links;
mod logs;
mod plan;
mod port;
mod ports;
mod pull;
mod restart;
mod rm;
mod rmlinks;
mod rmports;
mod run;
mod shell;
mod start;
mod status;
mod stop;
mod top;
mod unfreeze;
mod up;
mod validate;
mod wait;

use clap::Subcommand;

use super::error::CliError;
use super::global::GlobalArgs;
use super::ui::Ui;

/// What to do. The texts are in the files of the verbs.
#[derive(Debug, Subcommand)]
#[allow(missing_docs)] // each is the verb of the same name; a doc comment here would replace its help
pub enum Command {
    Up(up::Up),
    Down(down::Down),
    Adopt(adopt::Adopt),
    Create(create::Create),
    Start(start::Start),
    Stop(stop::Stop),
    #[command(visible_alias = "reboot")]
    Restart(restart::Restart),
    Rm(rm::Rm),
    #[command(visible_alias = "ps")]
    Status(status::Status),
    Plan(plan::Plan),
    Validate(validate::Validate),
    Config(config::Config),
    Convert(convert::Convert),
    Ports(ports::Ports),
    Rmports(rmports::Rmports),
    Port(port::Port),
    Links(links::Links),
    Rmlinks(rmlinks::Rmlinks),
    Cgroup(cgroup::Cgroup),
    #[command(visible_alias = "pause")]
    Freeze(freeze::Freeze),
    #[command(visible_alias = "unpause")]
    Unfreeze(unfreeze::Unfreeze),
    Cleanup(cleanup::Cleanup),
    Enable(enable::Enable),
    Disable(disable::Disable),
    Logs(logs::Logs),
    Exec(exec::Exec),
    Run(run::Run),
    Shell(shell::Shell),
    Cp(cp::Cp),
    Top(top::Top),
    Wait(wait::Wait),
    Events(events::Events),
    Jobs(jobs::Jobs),
    Images(images::Images),
    Pull(pull::Pull),
    Build(build::Build),
    Completions(completions::Completions),
}

impl Command {
    /// Does it and gives the exit code.
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        match self {
            Self::Up(args) => args.run(global, ui),
            Self::Down(args) => args.run(global, ui),
            Self::Adopt(args) => args.run(global, ui),
            Self::Create(args) => args.run(global, ui),
            Self::Start(args) => args.run(global, ui),
            Self::Stop(args) => args.run(global, ui),
            Self::Restart(args) => args.run(global, ui),
            Self::Rm(args) => args.run(global, ui),
            Self::Status(args) => args.run(global, ui),
            Self::Plan(args) => args.run(global, ui),
            Self::Validate(args) => args.run(global, ui),
            Self::Config(args) => args.run(global, ui),
            Self::Convert(args) => args.run(global, ui),
            Self::Ports(args) => args.run(global, ui),
            Self::Rmports(args) => args.run(global, ui),
            Self::Port(args) => args.run(global, ui),
            Self::Links(args) => args.run(global, ui),
            Self::Rmlinks(args) => args.run(global, ui),
            Self::Cgroup(args) => args.run(global, ui),
            Self::Freeze(args) => args.run(global, ui),
            Self::Unfreeze(args) => args.run(global, ui),
            Self::Cleanup(args) => args.run(global, ui),
            Self::Enable(args) => args.run(global, ui),
            Self::Disable(args) => args.run(global, ui),
            Self::Logs(args) => args.run(global, ui),
            Self::Exec(args) => args.run(global, ui),
            Self::Shell(args) => args.run(global, ui),
            Self::Run(args) => args.run(global, ui),
            Self::Cp(args) => args.run(global, ui),
            Self::Top(args) => args.run(global, ui),
            Self::Wait(args) => args.run(global, ui),
            Self::Events(args) => args.run(global, ui),
            Self::Jobs(args) => args.run(global, ui),
            Self::Images(args) => args.run(global, ui),
            Self::Pull(args) => args.run(global, ui),
            Self::Build(args) => args.run(global, ui),
            Self::Completions(args) => args.run(global, ui),
        }
    }
}

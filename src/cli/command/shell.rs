//! `shell`: a shell inside a container.

use clap::Args;

use super::exec;
use crate::cli::error::CliError;
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::job::ExecRequest;

/// Open a shell inside a running container
///
/// The exit status is that of the shell.
#[derive(Debug, Args)]
pub struct Shell {
    /// The user inside, by name or number; otherwise root
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// The container
    name: String,
}

impl Shell {
    pub fn run(self, global: &GlobalArgs, _ui: &Ui) -> Result<u8, CliError> {
        let request = ExecRequest {
            name: self.name,
            index: None,
            argv: Vec::new(),
            user: self.user,
            workdir: None,
            environment: Vec::new(),
            tty: None,
            privileged: false,
            detach: false,
        };
        exec::run("shell", &request, global)
    }
}

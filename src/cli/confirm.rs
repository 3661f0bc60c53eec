//! The question before something is lost.

use std::io::{ErrorKind, IsTerminal};

use colored::Colorize;
use dialoguer::Confirm;
use tokio::signal::unix::{SignalKind, signal};

use super::size;
use super::ui::Ui;
use crate::job::{Consent, ConsentError, PricedLoss};

/// A new line with the cursor that dialoguer hid (DECTCEM).
const SHOW_CURSOR: &str = "\x1b[?25h\n";

/// Asks on the terminal, or takes `--yes` for an answer.
#[derive(Debug)]
pub struct Counter {
    ui: Ui,
    yes: bool,
    terminal: bool,
    only_looking: bool,
}

impl Counter {
    /// With `yes` nothing is asked; what is lost is still said.
    pub fn new(ui: Ui, yes: bool) -> Self {
        let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        Self {
            ui,
            yes,
            terminal,
            only_looking: false,
        }
    }

    /// Says what would be done, and takes that for a no.
    pub fn only_looking(self, only_looking: bool) -> Self {
        Self {
            only_looking,
            ..self
        }
    }

    fn confirm(&self, question: &'static str) -> Result<bool, ConsentError> {
        // While somebody listens, a Ctrl-C ends the question and not the process, which would leave the
        // terminal without its cursor.
        let _listening =
            signal(SignalKind::interrupt()).map_err(|source| ConsentError::Failed { source })?;
        let asked = Confirm::new()
            .with_prompt(question)
            .default(false)
            .interact();
        match asked {
            Ok(answer) => Ok(answer),
            Err(dialoguer::Error::IO(source)) if source.kind() == ErrorKind::Interrupted => {
                self.ui.insist(SHOW_CURSOR);
                Ok(false)
            }
            Err(dialoguer::Error::IO(source)) => Err(ConsentError::Failed { source }),
        }
    }
}

impl Consent for Counter {
    fn ask(&self, losses: &[PricedLoss]) -> Result<bool, ConsentError> {
        let list = list(losses);
        if self.yes {
            self.ui.say(&list);
            return Ok(true);
        }
        self.ui.insist(&list);
        if !self.terminal {
            return Err(ConsentError::NoTerminal);
        }
        self.confirm("Destroy it?")
    }

    fn trust(&self, doubt: &str) -> Result<bool, ConsentError> {
        if self.yes {
            return Ok(true);
        }
        if !self.terminal {
            let doubt = doubt.into();
            return Err(ConsentError::Untrusted { doubt });
        }
        self.ui.insist(&format!(
            "{doubt}, so others than root could have changed this program, which systemd would run as root\n"
        ));
        self.confirm("Trust it?")
    }

    fn agree(&self, what: &str, question: &'static str) -> Result<bool, ConsentError> {
        if self.only_looking {
            self.ui.insist(what);
            return Ok(false);
        }
        if self.yes {
            self.ui.say(what);
            return Ok(true);
        }
        self.ui.insist(what);
        if !self.terminal {
            return Err(ConsentError::NoTerminalToAgree);
        }
        self.confirm(question)
    }
}

fn list(losses: &[PricedLoss]) -> String {
    let mut text = format!("{}\n", "this will destroy:".red().bold());
    for loss in losses {
        let size = loss
            .bytes
            .map(|count| format!(", {}", size::bytes(count)))
            .unwrap_or_default();
        let cause = loss.cause.as_ref();
        let cause = cause.map(|cause| format!(" ({cause})")).unwrap_or_default();
        text.push_str(&format!("  {}{size}{cause}\n", loss.what));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_terminal_only_yes_destroys() {
        let ask = |yes| {
            let counter = Counter {
                ui: Ui::from_raw_args(&[]),
                yes,
                terminal: false,
                only_looking: false,
            };
            counter.ask(&[])
        };
        assert!(ask(true).unwrap());
        assert!(matches!(ask(false), Err(ConsentError::NoTerminal)));
    }

    #[test]
    fn every_loss_is_listed_with_name_size_and_reason() {
        let losses = [
            PricedLoss {
                what: "the root file system of container web".into(),
                cause: None,
                bytes: Some(3 << 20),
            },
            PricedLoss {
                what: "the named volume data".into(),
                cause: Some("not in the file".into()),
                bytes: None,
            },
        ];
        assert_eq!(
            anstream::adapter::strip_str(&list(&losses)).to_string(),
            "this will destroy:\n\
             \x20 the root file system of container web, 3.0 MiB\n\
             \x20 the named volume data (not in the file)\n"
        );
    }
}

//! A text that is drawn in place again and again, and a terminal that is itself again afterwards.
//!
//! The other screen of the terminal is used, so that nothing that stood there is lost; the last text
//! is printed on the usual one. Must only be begun where standard output is a terminal.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

use super::error::CliError;
use super::ui::Ui;

/// To the other screen, without a cursor (xterm's DECSET 1049 and DECTCEM).
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
/// The way back.
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// To the first corner (CUP).
const HOME: &str = "\x1b[H";
/// Clear the rest of the line (EL), and of the screen (ED).
const REST_OF_LINE: &str = "\x1b[K";
const REST_OF_SCREEN: &str = "\x1b[J";

/// A text drawn in place; the terminal is restored when it is dropped.
pub struct Live<'a> {
    ui: &'a Ui,
    last: String,
    left: bool,
}

impl<'a> Live<'a> {
    /// Takes the other screen.
    pub fn begin(ui: &'a Ui) -> Result<Self, CliError> {
        ui.data_raw(ENTER)?;
        Ok(Self {
            ui,
            last: String::new(),
            left: false,
        })
    }

    /// Draws `text` over what was drawn before, as much of it as there is room for.
    pub fn draw(&mut self, text: &str) -> Result<(), CliError> {
        self.last = text.to_owned();
        self.ui.data_raw(&frame(text, self.ui.height()))
    }

    /// Gives the terminal back and leaves the last text there.
    pub fn end(mut self) -> Result<(), CliError> {
        self.leave()?;
        self.ui.data(&self.last)
    }

    fn leave(&mut self) -> Result<(), CliError> {
        match std::mem::replace(&mut self.left, true) {
            true => Ok(()),
            false => self.ui.data_raw(LEAVE),
        }
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        // Nothing can be done when the terminal is gone.
        let _ = self.leave();
    }
}

/// What is written to draw `text` on a screen of so many lines.
fn frame(text: &str, height: Option<u16>) -> String {
    let lines: Vec<&str> = text.lines().collect();
    // A line break in the last line would move the screen.
    let room = height.map_or(usize::MAX, |lines| usize::from(lines).saturating_sub(1));
    let (shown, more) = match lines.len() > room {
        true => {
            let shown = room.saturating_sub(1);
            (shown, Some(format!("… {} more", lines.len() - shown)))
        }
        false => (lines.len(), None),
    };
    let mut frame = String::from(HOME);
    for line in lines[..shown].iter().copied().chain(more.as_deref()) {
        frame.push_str(line);
        frame.push_str(REST_OF_LINE);
        frame.push_str("\r\n");
    }
    frame + REST_OF_SCREEN
}

/// Waits until somebody wants this to end: Ctrl-C, SIGTERM, or the terminal is closed.
pub async fn asked_to_end() -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_long_says_how_much_is_not_shown() {
        let text = "a\nb\nc\nd\n";
        let plain = |height| {
            let frame = frame(text, height);
            anstream::adapter::strip_str(&frame).to_string()
        };
        assert_eq!(plain(None), "a\r\nb\r\nc\r\nd\r\n");
        assert_eq!(plain(Some(5)), "a\r\nb\r\nc\r\nd\r\n");
        assert_eq!(plain(Some(4)), "a\r\nb\r\n… 2 more\r\n");
        assert_eq!(plain(Some(1)), "… 4 more\r\n");
    }
}

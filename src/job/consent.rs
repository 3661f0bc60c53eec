//! Asking before something is lost.

use std::io;
use std::path::Path;

use crate::apply::Host;
use crate::plan::{Cause, Loss};

/// What would be lost, with its size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PricedLoss {
    /// `the root file system of container web`.
    pub what: String,
    /// Why it must go; none when it is just what was asked for.
    pub cause: Option<String>,
    /// Its size in bytes; none when it cannot be told.
    pub bytes: Option<u64>,
}

/// Why nobody could be asked.
#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    /// There is no terminal to ask at.
    #[error("this destroys data and must be confirmed, and there is no terminal to ask at")]
    NoTerminal,
    /// Nobody could be asked whether root's services may run a program that others can change.
    #[error(
        "{doubt}, so others than root could have changed this program, which systemd would run as root"
    )]
    Untrusted {
        /// Who could: `user 1000 owns …`.
        doubt: String,
    },
    /// The same for what destroys nothing.
    #[error("this must be confirmed, and there is no terminal to ask at")]
    NoTerminalToAgree,
    /// Asking failed.
    #[error("cannot ask: {source}")]
    Failed {
        /// The system's word.
        source: io::Error,
    },
}

/// Who is asked: the user at the counter, or whoever answers for them.
pub trait Consent: Send + Sync {
    /// Asked once, before anything is touched, and only when something would be lost. Whether all of
    /// it may go.
    fn ask(&self, losses: &[PricedLoss]) -> Result<bool, ConsentError>;

    /// Asked when root's services are to run a copy of a program that others could have changed; `doubt`
    /// says who. Whether they may.
    fn trust(&self, doubt: &str) -> Result<bool, ConsentError>;

    /// Asked before something is done that destroys no data and that nobody expects: what it is, a line for
    /// each part, and the question.
    fn agree(&self, what: &str, question: &'static str) -> Result<bool, ConsentError>;
}

/// Finds out how much each loss is. A size that cannot be told is no reason to stop.
pub(super) async fn price(host: &Host, losses: &[Loss]) -> Vec<PricedLoss> {
    let priced = losses.iter().map(|loss| async move {
        PricedLoss {
            what: loss.what.clone(),
            cause: (loss.cause != Cause::Asked).then(|| loss.cause.to_string()),
            bytes: size(host, loss).await,
        }
    });
    futures_util::future::join_all(priced).await
}

async fn size(host: &Host, loss: &Loss) -> Option<u64> {
    if let Some(path) = loss.path.clone() {
        let measured = tokio::task::spawn_blocking(move || bytes_below(&path));
        return measured.await.ok()?.ok();
    }
    let name = loss.container.as_ref()?;
    host.backend.inside().size(name).await.ok()
}

/// Bytes of all regular files below `path`, without following links.
fn bytes_below(path: &Path) -> io::Result<u64> {
    let data = std::fs::symlink_metadata(path)?;
    if !data.is_dir() {
        return Ok(data.len());
    }
    let mut total = 0;
    for entry in std::fs::read_dir(path)? {
        total += bytes_below(&entry?.path())?;
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_as_big_as_its_files_and_a_link_leads_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("deep")).unwrap();
        std::fs::write(dir.path().join("one"), [0; 100]).unwrap();
        std::fs::write(dir.path().join("deep/two"), [0; 23]).unwrap();
        assert_eq!(bytes_below(dir.path()).unwrap(), 123);
        std::os::unix::fs::symlink("/usr", dir.path().join("link")).unwrap();
        assert!(bytes_below(dir.path()).unwrap() < 200);
    }
}

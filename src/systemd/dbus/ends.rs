//! The ends of systemd's jobs: one listener for each connection, which is always drained.
//!
//! zbus queues a few signals for each stream and then stands still, with every answer behind them; so nobody
//! else listens, and whoever waits for a job is told by its path. Must not know what a job is about.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::proxy::{JobRemovedStream, ManagerProxy};

/// Who hears how jobs have ended.
pub(super) struct Ends {
    board: Arc<Mutex<Board>>,
    listener: JoinHandle<()>,
}

/// Who waits, and what nobody has waited for yet.
#[derive(Default)]
struct Board {
    /// By the path of the job.
    waiting: HashMap<String, oneshot::Sender<String>>,
    /// Jobs that ended before the answer with their path was read.
    early: HashMap<String, String>,
    /// How many calls are under way whose answer is such a path.
    calls: usize,
    /// The connection is gone: nothing will be heard any more.
    deaf: bool,
}

impl Ends {
    /// Begins to listen.
    pub(super) async fn listen(manager: &ManagerProxy<'static>) -> zbus::Result<Self> {
        let removed = manager.receive_job_removed().await?;
        let board = Arc::default();
        let listener = tokio::spawn(drain(removed, Arc::clone(&board)));
        Ok(Self { board, listener })
    }

    /// To be held from before a job is asked for until [`Self::of`] is called: what ends between is kept.
    pub(super) fn calling(&self) -> Calling {
        locked(&self.board).calls += 1;
        Calling(Arc::clone(&self.board))
    }

    /// The result of the job of this path, `done` when all went well; an error once the connection is gone.
    pub(super) fn of(&self, path: &str) -> oneshot::Receiver<String> {
        let (tell, told) = oneshot::channel();
        locked(&self.board).wait(path, tell);
        told
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// A call whose answer is the path of a job is under way.
pub(super) struct Calling(Arc<Mutex<Board>>);

impl Drop for Calling {
    fn drop(&mut self) {
        locked(&self.0).called();
    }
}

impl Board {
    fn wait(&mut self, path: &str, tell: oneshot::Sender<String>) {
        match self.early.remove(path) {
            // Who asked may have been told to end meanwhile.
            Some(result) => drop(tell.send(result)),
            None if self.deaf => drop(tell),
            None => drop(self.waiting.insert(path.into(), tell)),
        }
    }

    fn called(&mut self) {
        self.calls = self.calls.saturating_sub(1);
        if self.calls == 0 {
            // Of others' jobs, and of those that nobody waits for.
            self.early.clear();
            self.waiting.retain(|_, tell| !tell.is_closed());
        }
    }

    fn ended(&mut self, path: &str, result: String) {
        match self.waiting.remove(path) {
            Some(tell) => drop(tell.send(result)),
            None if self.calls > 0 => drop(self.early.insert(path.into(), result)),
            None => {}
        }
    }
}

async fn drain(mut removed: JobRemovedStream, board: Arc<Mutex<Board>>) {
    while let Some(signal) = removed.next().await {
        let Ok(args) = signal.args() else { continue };
        locked(&board).ended(args.job(), args.result().clone());
    }
    let mut board = locked(&board);
    board.deaf = true;
    board.waiting.clear();
}

fn locked(board: &Mutex<Board>) -> MutexGuard<'_, Board> {
    // Whatever happened to the thread that held it: each change of it is one call.
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_heard_before_and_after_its_path_is_known() {
        let mut board = Board {
            calls: 1,
            ..Board::default()
        };
        board.ended("/job/1", "done".into());
        let (tell, mut told) = oneshot::channel();
        board.wait("/job/1", tell);
        assert_eq!(told.try_recv(), Ok("done".to_string()));
        let (tell, mut told) = oneshot::channel();
        board.wait("/job/2", tell);
        board.called();
        board.ended("/job/2", "failed".into());
        assert_eq!(told.try_recv(), Ok("failed".to_string()));
    }

    #[test]
    fn what_nobody_waits_for_is_not_kept_and_a_lost_bus_is_told_to_all() {
        let mut board = Board::default();
        for job in 0..1000 {
            board.ended(&format!("/job/{job}"), "done".into());
        }
        assert!(board.early.is_empty());
        board.deaf = true;
        let (tell, mut told) = oneshot::channel();
        board.wait("/job/1", tell);
        assert_eq!(told.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }
}

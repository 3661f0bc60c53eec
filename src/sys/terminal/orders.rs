//! Signals of the user's and the system's, handed on to a process somewhere else.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use super::{Remote, size};
use crate::sys::Attention;

/// A third signal of the user's ends us even when the other side does not.
const PATIENCE: u32 = 3;

/// Whether the sender wants us to be gone, rather than that the program hears it.
fn is_final(number: i32) -> bool {
    let of = |kind: SignalKind| kind.as_raw_value();
    number == of(SignalKind::terminate()) || number == of(SignalKind::hangup())
}

/// What the user or the system tells us, and how long the other side may take over it.
pub struct Orders {
    signals: Signals,
    /// Once we are told to end, the other side gets so long; none is without end.
    patience: Option<Duration>,
    asked: u32,
    /// The signal by which we were told to end, and when the patience is over.
    ending: Option<(i32, Instant)>,
}

impl Orders {
    /// Hears what comes from now on.
    pub fn listen(patience: Option<Duration>) -> io::Result<Self> {
        Ok(Self {
            signals: Signals::listen()?,
            patience,
            asked: 0,
            ending: None,
        })
    }

    /// Hands signals on until we must end, and gives the code to end with.
    pub async fn heed(&mut self, remote: &dyn Remote, tty: bool) -> i32 {
        loop {
            let number = tokio::select! {
                number = self.signals.next() => number,
                code = over(self.ending) => return code,
            };
            let Some(number) = number else {
                if let (true, Some((rows, columns))) = (tty, size()) {
                    remote.resize(rows, columns).await;
                }
                continue;
            };
            self.asked += 1;
            if let Some(patience) = self.patience.filter(|_| is_final(number)) {
                let since = self
                    .ending
                    .get_or_insert((number, Instant::now() + patience));
                since.0 = number;
            }
            if self.asked >= PATIENCE || !remote.signal(number).await {
                return 128 + number;
            }
        }
    }
}

/// Waits until the patience is over; for ever when nobody has told us to end.
async fn over(ending: Option<(i32, Instant)>) -> i32 {
    match ending {
        Some((number, at)) => {
            tokio::time::sleep_until(at).await;
            128 + number
        }
        None => std::future::pending().await,
    }
}

/// What the user or the system sends us.
struct Signals {
    asking: [(i32, Signal); 4],
    window: Signal,
    _attention: Attention,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let one = |kind: SignalKind| Ok::<_, io::Error>((kind.as_raw_value(), signal(kind)?));
        Ok(Self {
            asking: [
                one(SignalKind::interrupt())?,
                one(SignalKind::terminate())?,
                one(SignalKind::hangup())?,
                one(SignalKind::quit())?,
            ],
            window: signal(SignalKind::window_change())?,
            _attention: Attention::begin(),
        })
    }

    /// The next one's number; none when the window has another size.
    async fn next(&mut self) -> Option<i32> {
        let [(a, one), (b, two), (c, three), (d, four)] = &mut self.asking;
        tokio::select! {
            _ = one.recv() => Some(*a),
            _ = two.recv() => Some(*b),
            _ = three.recv() => Some(*c),
            _ = four.recv() => Some(*d),
            _ = self.window.recv() => None,
        }
    }
}

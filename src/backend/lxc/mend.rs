//! Mends the network of a running container, for its guard: hears of losses and of questions, and adds
//! what is missing. It never removes anything.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::RecvFlags;

use super::card::Card;
use super::post::Guarded;
use super::rtnl::{GROUPS, repair, socket, tells_of_loss};

/// Time between two repairs, so that a container that fights for its address cannot keep a core busy.
const PAUSE: Duration = Duration::from_millis(10);
/// The pause doubles up to this while losses follow each other, so that scripts that remove in a loop end.
const LONGEST_PAUSE: Duration = Duration::from_millis(320);
/// The network of a running container, heard and mended.
pub(super) struct Network<'a> {
    guarded: &'a Guarded,
    card: Option<&'a Card>,
    ear: OwnedFd,
    mouth: OwnedFd,
    pause: Duration,
    last: Instant,
}

impl<'a> Network<'a> {
    pub(super) fn new(guarded: &'a Guarded, card: Option<&'a Card>) -> std::io::Result<Self> {
        let (ear, mouth) = (socket(GROUPS)?, socket(0)?);
        repair(&mouth, guarded);
        Ok(Self {
            guarded,
            card,
            ear,
            mouth,
            pause: PAUSE,
            last: Instant::now(),
        })
    }

    pub(super) fn fds(&self) -> impl Iterator<Item = PollFd<'_>> {
        let card = self.card.map(|card| PollFd::new(card, PollFlags::IN));
        card.into_iter()
            .chain([PollFd::new(&self.ear, PollFlags::IN)])
    }

    /// Answers questions, and mends what was lost.
    pub(super) fn heard(&mut self) -> std::io::Result<()> {
        if let Some(card) = self.card {
            card.answer(&self.guarded.lease);
        }
        let mut buffer = [0u8; 8192];
        let lost = match rustix::net::recv(&self.ear, &mut buffer[..], RecvFlags::DONTWAIT) {
            Ok((_, length)) => tells_of_loss(buffer.get(..length).unwrap_or_default()),
            Err(Errno::INTR | Errno::AGAIN) => false,
            Err(Errno::NOBUFS) => true,
            Err(error) => return Err(error.into()),
        };
        if lost {
            repair(&self.mouth, self.guarded);
            let quiet = self.last.elapsed() > Duration::from_secs(2);
            self.pause = if quiet {
                PAUSE
            } else {
                (self.pause * 2).min(LONGEST_PAUSE)
            };
            std::thread::sleep(self.pause);
            self.last = Instant::now();
        }
        Ok(())
    }
}

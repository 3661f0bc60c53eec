//! Keeps a container's address: whoever takes it away, it is put back at once; whoever asks for it by
//! DHCP gets it. Notes besides that the container runs and when its console says something.
//!
//! Templates run DHCP clients that flush the interface and hold up the boot until somebody answers. A
//! small process without liblxc, split from the monitor before that grows, answers on the host's end of
//! the veth pair and listens to the kernel's announcements in the container's network namespace. It
//! sleeps in `poll` otherwise, costs nothing, and ends with the monitor. It takes nothing away for good.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::card::Card;
use super::console::Console;
use super::mend::Network;
use super::post::{Guarded, Post};
use super::rtnl;

/// The name of a container's network card inside.
pub(super) const INTERFACE: &str = "eth0";

/// Asks the monitor to let go of memory: a signal that liblxc leaves alone and that means nothing to a
/// process without a terminal.
pub(super) const SHED: Signal = Signal::WINCH;
/// When, after something was heard: liblxc has done by then what it does once.
const SETTLED: Duration = Duration::from_millis(300);

/// How soon the monitor's children are looked at again at first; a start takes some 20 ms.
const LOOK: Duration = Duration::from_millis(3);
/// The same once it takes long, with a slow hook say, or because many end at once.
const SLOW_LOOK: Duration = Duration::from_millis(100);

/// Guards the container of the monitor `monitor`, of which `alive` is a pidfd, through all its reboots, to
/// its end; calls `ready` when it is at its place. Only the thread that calls this goes into its network.
pub(super) fn watch(
    post: &mut Post,
    monitor: Pid,
    alive: &OwnedFd,
    ready: &dyn Fn(),
) -> std::io::Result<()> {
    let home = File::open("/proc/thread-self/ns/net")?;
    let mut card = None;
    while let Some(init) = find(post, monitor, alive, &mut card)? {
        // An init that has gone meanwhile has perhaps a successor.
        if let Ok(init_fd) = enter(init, post.guarded.is_some()) {
            // A refusal is mended, or told, by the look that follows.
            if let (Some(guarded), Ok(mouth)) = (&post.guarded, rtnl::socket(0)) {
                rtnl::wake(&mouth, guarded);
            }
            ready();
            // Without the note nobody hears of the start; the container runs all the same.
            let _ = super::ended::begin(&post.dir, init.as_raw_nonzero().get().unsigned_abs());
            let shed = || {
                // A monitor that has gone needs no memory.
                let _ = pidfd_send_signal(alive, SHED);
                super::memory::shed();
            };
            let kept = keep(post, &init_fd, card.as_ref(), &shed);
            // After a refusal as well: whoever tries again begins at home.
            move_into_link_name_space(home.as_fd(), Some(LinkNameSpaceType::Network))?;
            kept?;
        }
    }
    Ok(())
}

/// A pidfd of init, and with `network` this process in its network.
fn enter(init: Pid, network: bool) -> rustix::io::Result<OwnedFd> {
    let fd = pidfd_open(init, PidfdFlags::empty())?;
    if network {
        let namespace = rustix::fs::open(
            format!("/proc/{}/ns/net", init.as_raw_nonzero()),
            rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        )?;
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
    }
    Ok(fd)
}

/// Waits for the container's init: a child of the monitor in a process namespace of its own that runs
/// another program. From then on liblxc has set up the network. None when the monitor ended, or has noted
/// that the container has. `card` becomes the card that is there.
fn find(
    post: &mut Post,
    monitor: Pid,
    alive: &OwnedFd,
    card: &mut Option<Card>,
) -> std::io::Result<Option<Pid>> {
    let begun = Instant::now();
    let mut hairpin = false;
    loop {
        // Looked for first: when there is an init, there is its card.
        let init = init_of(monitor)?;
        if let Some(Guarded { veth, .. }) = &post.guarded {
            if card.as_ref().is_none_or(|card: &Card| !card.is_still(veth)) {
                // Without raw sockets it is still guarded.
                *card = Card::open(veth).unwrap_or_default();
                hairpin = false;
            }
            // For its own published ports.
            hairpin = hairpin || crate::sys::let_reach_itself(veth);
        }
        if let Some(console) = &mut post.console {
            console.look();
        }
        if let Some(init) = init {
            return Ok(Some(init));
        }
        let wait = timespec(until_next_look(begun.elapsed()));
        let ended = poll(&mut [PollFd::new(alive, PollFlags::IN)], Some(&wait))
            .is_ok_and(|ended| ended > 0);
        if ended || super::ended::ended(&post.dir).is_some() {
            return Ok(None);
        }
    }
}

/// How long to wait for the next look: the longer it has taken, the longer. Thirty guards whose containers
/// end at once would otherwise keep the processors from those who end them.
fn until_next_look(waited: Duration) -> Duration {
    (waited / 8).clamp(LOOK, SLOW_LOOK)
}

/// For times below a second.
fn timespec(wait: Duration) -> Timespec {
    Timespec {
        tv_sec: 0,
        tv_nsec: wait.subsec_nanos().into(),
    }
}

fn init_of(monitor: Pid) -> std::io::Result<Option<Pid>> {
    let monitor = monitor.as_raw_nonzero();
    let children = std::fs::read_to_string(format!("/proc/{monitor}/task/{monitor}/children"));
    let (program, space) = (
        std::fs::metadata("/proc/self/exe")?,
        std::fs::metadata("/proc/self/ns/pid")?,
    );
    let differs = |path: String, from: &std::fs::Metadata| {
        std::fs::metadata(path).is_ok_and(|own| (own.dev(), own.ino()) != (from.dev(), from.ino()))
    };
    let children = children.unwrap_or_default();
    let mut children = children.split_whitespace().filter(|child| {
        differs(format!("/proc/{child}/ns/pid"), &space)
            && differs(format!("/proc/{child}/exe"), &program)
    });
    Ok(children
        .next()
        .and_then(|child| Pid::from_raw(child.parse().ok()?)))
}

/// Guards until init ends. Calls `settled` some time after there was something to do, whatever it was: a
/// console that speaks wakes monitor and guard as a network does.
fn keep(
    post: &mut Post,
    init: &OwnedFd,
    card: Option<&Card>,
    settled: &dyn Fn(),
) -> std::io::Result<()> {
    let mut network = match &post.guarded {
        Some(guarded) => Some(Network::new(guarded, card)?),
        None => None,
    };
    let mut due = Some(Instant::now() + SETTLED);
    loop {
        let heard = listen(
            init,
            network.as_ref(),
            (post.console.as_ref(), post.word.as_ref()),
            &mut due,
            settled,
        )?;
        let works = match heard {
            Heard::End => false,
            Heard::Network | Heard::Word => true,
            Heard::Time => post.console.as_ref().and_then(Console::due).is_some(),
        };
        if works {
            due = due.or_else(|| Some(Instant::now() + SETTLED));
        }
        if let Some(console) = &mut post.console {
            match heard {
                Heard::End => console.last_look(),
                Heard::Network | Heard::Word | Heard::Time => console.look(),
            }
        }
        match (heard, &mut network) {
            (Heard::End, _) => return Ok(()),
            (Heard::Network, Some(network)) => network.heard()?,
            (Heard::Word, _) => take(post.word.as_ref()),
            (Heard::Network | Heard::Time, _) => {}
        }
    }
}

/// What woke the guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// Init has gone.
    End,
    /// There is something to do in the network.
    Network,
    /// The console log has grown, or another thread has worked.
    Word,
    /// The time that was asked for, or a signal.
    Time,
}

/// Sleeps until something is heard, at most until the console must be looked at. Calls `settled` when it
/// is `due` and nothing is heard before, as the last thing before it goes on sleeping: whatever ran after
/// that would be in memory again.
fn listen(
    init: &OwnedFd,
    network: Option<&Network<'_>>,
    (console, word): (Option<&Console>, Option<&OwnedFd>),
    due: &mut Option<Instant>,
    settled: &dyn Fn(),
) -> std::io::Result<Heard> {
    let mut fds = vec![PollFd::new(init, PollFlags::IN)];
    fds.extend(network.iter().flat_map(|network| network.fds()));
    let others = fds.len();
    fds.extend(console.map(|log| PollFd::new(log, PollFlags::IN)));
    fds.extend(word.map(|word| PollFd::new(word, PollFlags::IN)));
    let until =
        |at: Option<Instant>| at.map(|at| timespec(at.saturating_duration_since(Instant::now())));
    let look = console.and_then(Console::due);
    let mut heard = sleep(&mut fds, until(due.iter().copied().chain(look).min()))?;
    if heard == 0 && due.is_some_and(|due| due <= Instant::now()) {
        *due = None;
        let wait = until(look);
        settled();
        heard = sleep(&mut fds, wait)?;
    }
    let called = |fd: &PollFd<'_>| heard > 0 && !fd.revents().is_empty();
    Ok(match fds.iter().position(called) {
        Some(0) => Heard::End,
        Some(at) if at < others => Heard::Network,
        Some(_) => Heard::Word,
        None => Heard::Time,
    })
}

/// Takes a word that was said; how often does not matter.
fn take(word: Option<&OwnedFd>) {
    if let Some(word) = word {
        let _ = rustix::io::read(word, &mut [0; 8]); // none when it was the console that spoke
    }
}

/// How many of `fds` were heard; a signal is as good as none.
fn sleep(fds: &mut [PollFd<'_>], wait: Option<Timespec>) -> std::io::Result<usize> {
    match poll(fds, wait.as_ref()) {
        Ok(heard) => Ok(heard),
        Err(Errno::INTR) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_never_comes_later_than_an_eighth_of_the_wait_and_gets_rare() {
        let next = |waited| until_next_look(Duration::from_millis(waited)).as_millis();
        assert_eq!([0, 20, 40, 400, 60_000].map(next), [3, 3, 5, 50, 100]);
    }
}

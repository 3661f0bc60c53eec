//! Shutting this process in by Landlock (landlock(7)): what it may open, listen on and signal from now on.
//!
//! Unlike a mount namespace this costs nothing that grows with the mounts of the host. What it does not know (modes,
//! owners and attributes of files, and before Linux 6.2 cutting them) is for a filter of system calls.

use std::io;
use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

/// What stays open to a process that shuts itself in. A path that is not there opens nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ground {
    /// Files that may be read, or directories with all below them.
    pub read: Vec<PathBuf>,
    /// Directories below which files and directories may be read, written, made and removed.
    pub write: Vec<PathBuf>,
    /// Whether it may connect by TCP.
    pub connects: bool,
}

/// Whether the kernel that runs here can do it.
pub fn can_confine() -> bool {
    let asked = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::ReadFile);
    asked.and_then(Ruleset::create).is_ok()
}

/// Shuts the calling thread in, and all threads that it begins from now on, for good; whether the kernel has done so.
///
/// # Errors
/// The kernel knows Landlock and refuses this.
pub fn confine(ground: &Ground) -> io::Result<bool> {
    let status = shut(ground).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(status != RulesetStatus::NotEnforced)
}

fn shut(ground: &Ground) -> Result<RulesetStatus, RulesetError> {
    // Up to here; later versions also take sockets of the file system away.
    let all = AccessFs::from_all(ABI::V5);
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let never = AccessFs::Execute | AccessFs::IoctlDev | AccessFs::MakeChar | AccessFs::MakeBlock;
    let network: BitFlags<AccessNet> = match ground.connects {
        true => AccessNet::BindTcp.into(),
        false => AccessNet::from_all(ABI::V4),
    };
    let rules = Ruleset::default()
        .handle_access(all)?
        .handle_access(network)?
        .scope(Scope::Signal)?
        .create()?
        .add_rules(path_beneath_rules(&ground.read, read))?
        .add_rules(path_beneath_rules(&ground.write, all & !never))?;
    Ok(rules.restrict_self()?.ruleset)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn what_is_shut_in_reaches_its_own_ground_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let place = |word: &str| dir.path().join(word);
        for word in ["read", "write", "other"] {
            fs::create_dir(place(word)).unwrap();
            fs::write(place(word).join("a"), word).unwrap();
        }
        let ground = Ground {
            read: vec![place("read"), place("absent")],
            write: vec![place("write")],
            connects: false,
        };
        // It holds for one thread, and so for no other test.
        let tried = std::thread::spawn(move || {
            let done = confine(&ground).unwrap();
            let kind = |done: io::Result<()>| done.err().map(|error| error.kind());
            let text = |at: PathBuf| kind(fs::read_to_string(at).map(drop));
            let write = |at: PathBuf| kind(fs::write(at, "new"));
            let [read, inside] = [&ground.read[0], &ground.write[0]].map(|dir| dir.join("a"));
            let other = ground.read[0].with_file_name("other").join("a");
            let seen = [text(read.clone()), write(read), text(inside.clone())];
            let made = kind(fs::rename(&inside, inside.with_extension("b")));
            (done, seen, made, text(other.clone()), write(other))
        });
        let (done, seen, made, text, write) = tried.join().unwrap();
        assert_eq!(done, can_confine());
        let denied = done.then_some(ErrorKind::PermissionDenied);
        assert_eq!(seen, [None, denied, None]);
        assert_eq!((made, text, write), (None, denied, denied));
    }
}

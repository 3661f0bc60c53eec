//! What a goal means for the project as a whole; what it means for a container is in `intent.rs`.

use super::Goal;

/// What a goal does around the containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    /// What the file says must be sound. Taking things down must work without.
    pub(super) needs_file: bool,
    /// The record may change.
    pub(super) saves: bool,
    /// What a chosen container needs to start is started first.
    pub(super) starts: bool,
    /// The network that running containers need is put in place first.
    pub(super) network: bool,
    /// Hosts files are kept true.
    pub(super) names: bool,
    /// Units are kept true.
    pub(super) units: bool,
}

const MAKE: Scope = Scope {
    needs_file: true,
    saves: true,
    starts: false,
    network: false,
    names: true,
    units: true,
};
const START: Scope = Scope {
    starts: true,
    network: true,
    ..MAKE
};
const PORTS: Scope = Scope {
    network: true,
    names: false,
    units: true,
    ..MAKE
};
const LIMITS: Scope = Scope {
    saves: false,
    network: false,
    ..PORTS
};
const UNPORT: Scope = Scope {
    needs_file: false,
    network: false,
    ..PORTS
};
const NAMES: Scope = Scope {
    needs_file: false,
    saves: false,
    ..MAKE
};
const UNPORTS: Scope = Scope {
    saves: true,
    names: false,
    units: true,
    ..NAMES
};
const QUIET: Scope = Scope {
    names: false,
    units: false,
    ..NAMES
};

const IMAGES: Scope = Scope {
    saves: false,
    names: false,
    units: false,
    ..MAKE
};
const BOOT: Scope = Scope {
    units: true,
    ..IMAGES
};
const STILL: Scope = Scope {
    units: false,
    ..NAMES
};

impl Goal {
    pub(super) fn scope(&self) -> Scope {
        match self {
            Self::Up | Self::Start { .. } | Self::Restart => START,
            Self::Create => MAKE,
            Self::Ports | Self::PortAdd(_) => PORTS,
            Self::Pull | Self::Build => IMAGES,
            Self::Enable(_) => BOOT,
            Self::Limits => LIMITS,
            Self::PortRemove(_) => UNPORT,
            Self::Stop | Self::Links | Self::Unlinks => STILL,
            Self::Remove | Self::Down { .. } | Self::Cleanup => NAMES,
            Self::Unports => UNPORTS,
            Self::Freeze | Self::Unfreeze => QUIET,
        }
    }

    /// Whether containers are made, or begin to run, that did not before.
    pub fn begins(&self) -> bool {
        let scope = self.scope();
        scope == START || scope == MAKE
    }

    /// Whether it is about ports alone: of a unit nothing else is touched.
    pub(super) fn is_of_ports(&self) -> bool {
        match self {
            Self::Ports | Self::Unports | Self::PortAdd(_) | Self::PortRemove(_) => true,
            Self::Up
            | Self::Create
            | Self::Start { .. }
            | Self::Stop
            | Self::Restart
            | Self::Remove
            | Self::Down { .. }
            | Self::Links
            | Self::Unlinks
            | Self::Limits
            | Self::Freeze
            | Self::Unfreeze
            | Self::Pull
            | Self::Build
            | Self::Enable(_)
            | Self::Cleanup => false,
        }
    }

    /// Which of the chosen containers must have been made.
    pub(super) fn must_exist(&self) -> Existence {
        match self {
            Self::Start { .. } | Self::Restart => Existence::All,
            Self::Stop
            | Self::Freeze
            | Self::Unfreeze
            | Self::Limits
            | Self::Links
            | Self::Unlinks
            | Self::Ports => Existence::Named,
            // Rules may be left of a container that is gone, and rules are kept for one to come.
            Self::Up
            | Self::Create
            | Self::Remove
            | Self::Down { .. }
            | Self::Unports
            | Self::PortAdd(_)
            | Self::PortRemove(_)
            | Self::Pull
            | Self::Build
            | Self::Enable(_)
            | Self::Cleanup => Existence::Any,
        }
    }

    /// Whether and how the project as a whole is taken down.
    pub(super) fn takes_down(&self) -> Option<Ending> {
        match self {
            Self::Down { keep, .. } => Some(Ending { forget: !keep }),
            Self::Cleanup => Some(Ending { forget: true }),
            Self::Up
            | Self::Create
            | Self::Start { .. }
            | Self::Stop
            | Self::Restart
            | Self::Remove
            | Self::Ports
            | Self::Unports
            | Self::PortAdd(_)
            | Self::PortRemove(_)
            | Self::Links
            | Self::Unlinks
            | Self::Limits
            | Self::Freeze
            | Self::Unfreeze
            | Self::Pull
            | Self::Build
            | Self::Enable(_) => None,
        }
    }
}

/// Which containers a goal refuses to miss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existence {
    /// Those of the file, and named ones.
    All,
    /// Named ones.
    Named,
    /// None.
    Any,
}

/// How a project is taken down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    /// The record goes too.
    pub(super) forget: bool,
}

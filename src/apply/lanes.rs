//! How many steps run at once: work is bound by the cores, waiting is not.

use crate::model::Kind;
use crate::plan::Step;

/// What a step mostly costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    /// Processor and disk: one for each core.
    Work,
    /// A little processor, then the kernel and the engine: a few for each core.
    Start,
    /// Mostly waiting for something else.
    Wait,
}

const LANES: usize = 3;

/// A started container costs a fork and some milliseconds of the kernel's time; more at once than
/// this only makes each of them slower.
const STARTS_PER_CORE: usize = 4;

/// Each waiting step may hold a thread of tokio's blocking pool, which has 512.
const WAITING_MOST: usize = 128;

fn lane_of(step: &Step) -> Lane {
    match step {
        // The engine does the work, and takes its time with each however many it is asked for.
        Step::Create(spec) if spec.kind() == Kind::Application => Lane::Start,
        Step::Create(_)
        | Step::Build(_)
        | Step::Seed { .. }
        | Step::RemoveWreck { .. }
        | Step::RemoveVolume { .. } => Lane::Work,
        Step::Start { .. } | Step::Destroy { .. } => Lane::Start,
        Step::SaveRecord(_)
        | Step::ForgetProject(_)
        | Step::BringBack { .. }
        | Step::EnsureBridge { .. }
        | Step::RemoveBridge { .. }
        | Step::OpenNetwork(_)
        | Step::CloseNetwork(_)
        | Step::Sweep(_)
        | Step::Pull { .. }
        | Step::EnsureNetwork(_)
        | Step::RemoveNetwork(_)
        | Step::InstallProgram(_)
        | Step::WriteUnits(_)
        | Step::Configure(_)
        | Step::WriteNames { .. }
        | Step::AwaitHealthy { .. }
        | Step::AwaitCompleted { .. }
        | Step::Setup { .. }
        | Step::Stop { .. }
        | Step::Freeze { .. }
        | Step::Unfreeze { .. }
        | Step::Publish { .. }
        | Step::WriteHostNames { .. }
        | Step::EndJob { .. }
        | Step::SetAside { .. } => Lane::Wait,
    }
}

/// Places for running steps.
#[derive(Clone, Debug)]
pub(super) struct Lanes {
    room: [usize; LANES],
    total: usize,
}

impl Lanes {
    /// With `parallel`, at most that many steps of any kind (at least one); else what suits `cores`.
    pub(super) fn new(parallel: Option<usize>, cores: usize) -> Self {
        let cores = cores.max(1);
        match parallel {
            Some(most) => Self {
                room: [most.max(1); LANES],
                total: most.max(1),
            },
            None => Self {
                room: [cores, cores * STARTS_PER_CORE, WAITING_MOST],
                total: cores * (1 + STARTS_PER_CORE) + WAITING_MOST,
            },
        }
    }

    /// For this machine.
    pub(super) fn here(parallel: Option<usize>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::new(parallel, cores)
    }

    /// Takes a place for `step`; false when there is none now.
    pub(super) fn enter(&mut self, step: &Step) -> bool {
        let room = &mut self.room[lane_of(step) as usize];
        if *room == 0 || self.total == 0 {
            return false;
        }
        *room -= 1;
        self.total -= 1;
        true
    }

    /// Gives the place of `step` back.
    pub(super) fn leave(&mut self, step: &Step) {
        self.room[lane_of(step) as usize] += 1;
        self.total += 1;
    }
}

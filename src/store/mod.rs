//! What locker keeps on disk: where, under which lock, and always whole.
//!
//! The root is injectable (`--state-dir`), so that tests touch nothing of the host's. Nothing here
//! knows an engine.

mod adopted;
mod asked;
mod atomic;
mod attended;
mod frozen;
mod held;
mod hooked;
mod jobs;
mod kept;
mod lock;
mod marked;
mod origins;
mod paths;
mod phase;
mod private;
mod program;
mod projects;
mod record;
mod sources;
mod specs;
mod stopped;

pub use adopted::{ADOPTED_VERSION, load_adopted, save_adopted};
pub use asked::{Asked, Asker, Asking, Why, ask, ask_stop, take_asked, take_stopper};
pub use atomic::{StoreError, is_no_room, write_atomic};
pub use attended::{Attended, attend, is_attended};
pub use frozen::{Freezing, Frozen, left_frozen, may_be_frozen};
pub use held::{HeldPort, demand_ports, held_by_another, holder};
pub use hooked::{HookFailed, forget_hook_failed, hook_failed, note_hook_failed};
pub use jobs::{JOB_VERSION, load_jobs, remove_job, save_job};
pub use kept::{KEPT_VERSION, Kept, KeptBridge, kept_projects, load_kept, save_kept};
pub use lock::{Holder, HostLock, LockError, ProjectLock, acquire, acquire_host};
pub use marked::{command_of, services_left, units_of_files};
pub use origins::{Origins, load_origins, save_origins};
pub use paths::Paths;
pub use phase::{Phase, Told, phase, tell_phase};
pub use private::{close, create_private, make_private};
pub use program::{Program, bring_back, install, program, remove_program, settle};
pub use projects::have_units;
pub use record::{
    RECORD_VERSION, load_record, load_records, record_damage, remove_empty, remove_record,
    save_record,
};
pub use sources::{Sources, load_sources, save_sources, unmounted};
pub use specs::{load_unit_spec, load_unit_specs};
pub use stopped::{
    forget_stopped, forget_stopped_of, note_stopped, note_stopped_at, stopped, was_run_stopped,
    was_stopped,
};

//! locker: run a project of containers on a Linux host from one YAML file.
//!
//! The direction of the data is the architecture. A stage knows the values that reach it, never the
//! stage that comes next; every arrow is a value that a test can print.
//!
//! ```text
//! words ──file──▶ meaning ──model──▶ what is ──observed──▶ what to do ──plan──▶ doing ──apply──▶ look again
//! ```
//!
//! | room | what it holds |
//! |---|---|
//! | [`cli`] | the counter: words in, words out; decides nothing |
//! | [`job`] | use cases: one file for each thing one may ask |
//! | [`file`](mod@file) | find, parse, merge, interpolate, check; every value keeps its place |
//! | [`model`] | pure values, no I/O; names are checked here and nowhere else |
//! | [`observed`] | snapshot of what is, filled by the drivers |
//! | [`plan`] | what to do and why; pure |
//! | [`apply`] | does it side by side, remembers how to undo it, looks again |
//! | [`backend`] [`network`] [`firewall`] [`hosts`] [`systemd`] | the drivers |
//! | [`supervise`] | the main process of a container's service |
//! | [`store`] [`sys`] | paths, lock, atomic writes; processes, system calls without unsafe |

pub mod apply;
pub mod backend;
pub mod cli;
pub mod file;
pub mod firewall;
pub mod hosts;
pub mod job;
pub mod model;
pub mod network;
pub mod observed;
pub mod plan;
pub mod store;
pub mod supervise;
pub mod sys;
pub mod systemd;

use std::process::ExitCode;

/// Runs the program with the process's own arguments.
///
/// The container monitor is looked at first and by hand: it must stay a small, single-threaded
/// process, so neither clap nor tokio may be touched on that road.
pub fn main() -> ExitCode {
    if let Some(code) = backend::lxc::monitor::run_if_asked(std::env::args_os()) {
        return code;
    }
    if let Some(code) = sys::sysctls::run_if_asked(std::env::args_os()) {
        return code;
    }
    if let Some(code) = supervise::run_if_asked(std::env::args_os()) {
        return code;
    }
    if let Some(code) = job::keep_network::run_if_asked(std::env::args_os()) {
        return code;
    }
    cli::main()
}

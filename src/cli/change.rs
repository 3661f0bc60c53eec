//! The road that every changing command takes: ask for it, or with `--dry-run` only for its plan.

use std::future::Future;

use super::confirm::Counter;
use super::error::CliError;
use super::global::GlobalArgs;
use super::ui::Ui;
use crate::job::{self, ChangeRequest, Goal, Plan, Setting};

/// A request with everything off.
pub fn request(
    command: &'static str,
    goal: Goal,
    names: &[String],
    global: &GlobalArgs,
) -> ChangeRequest {
    ChangeRequest {
        names: names.to_vec(),
        timeout: global.timeout,
        ..ChangeRequest::new(command, goal)
    }
}

/// Does it; `yes` means that nothing is asked.
pub fn run(
    request: &ChangeRequest,
    global: &GlobalArgs,
    ui: &Ui,
    yes: bool,
) -> Result<u8, CliError> {
    run_in(
        &global.setting_for(&request.names)?,
        request,
        global,
        ui,
        yes,
    )
}

/// The same where the file is read in a way of the command's own.
pub fn run_in(
    setting: &Setting,
    request: &ChangeRequest,
    global: &GlobalArgs,
    ui: &Ui,
    yes: bool,
) -> Result<u8, CliError> {
    if global.dry_run {
        ui.data(&text(&plan(setting, request, ui)?))?;
        return Ok(0);
    }
    let consent = Counter::new(ui.clone(), yes || global.yes);
    let events = ui.events();
    let done = block_on(job::change(setting, request, events.as_ref(), &consent))??;
    ui.warn(&done.warnings);
    super::report::plan_warnings(&done.plan, ui);
    if done.plan.steps.is_empty() {
        ui.say("nothing to do\n");
    }
    Ok(0)
}

/// Only works out what it would do, and tells the warnings.
pub fn plan(setting: &Setting, request: &ChangeRequest, ui: &Ui) -> Result<Plan, CliError> {
    let planned = block_on(job::plan(setting, request))??;
    ui.warn(&planned.warnings);
    super::report::plan_warnings(&planned.plan, ui);
    Ok(planned.plan)
}

/// A plan for people: its steps, and what is asked about before them.
pub fn text(plan: &Plan) -> String {
    match plan.questions() {
        questions if questions.is_empty() => format!("{plan}\n"),
        questions => format!("{plan}\n{questions}\n"),
    }
}

/// Runs a job to its end. The event loop is made here, so that `--help` never pays for it. Two threads
/// beside the job's own: while an engine's long answer is read, the kernel's tables are.
pub fn block_on<T>(job: impl Future<Output = T>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|source| CliError::Runtime { source })?;
    let done = runtime.block_on(job);
    // Who was told twice to end does not wait for threads that are stuck in a call.
    runtime.shutdown_timeout(STUCK);
    Ok(done)
}

/// How long threads that nobody waits for any more may hold the end up.
const STUCK: std::time::Duration = std::time::Duration::from_millis(500);

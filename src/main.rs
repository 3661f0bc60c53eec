//! The doorway: hand the arguments to the library and leave with its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    locker::main()
}

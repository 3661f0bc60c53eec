//! The processes of a container, as `ps` of this host shows them.

use bollard::Docker;
use bollard::query_parameters::TopOptions;

use super::error::failed;
use crate::backend::{BackendError, Process};

const VERB: &str = "list the processes of";
/// The engine runs `ps` with this and keeps the container's own. `args` is last: it holds blanks.
const COLUMNS: &str = "-eo pid,ppid,user:32,etimes,cputimes,args";

/// Its processes, by their ids on the host.
pub(super) async fn processes(docker: &Docker, full: &str) -> Result<Vec<Process>, BackendError> {
    let options = TopOptions {
        ps_args: COLUMNS.into(),
    };
    let seen = docker.top_processes(full, Some(options)).await;
    let seen = seen.map_err(|error| failed(VERB, full, &error))?;
    let rows = seen.processes.unwrap_or_default();
    Ok(rows.iter().filter_map(|row| read(row)).collect())
}

/// A row of the table; none when it is not as asked for.
fn read(row: &[String]) -> Option<Process> {
    let [pid, parent, user, seconds, cpu, command @ ..] = row else {
        return None;
    };
    Some(Process {
        pid: pid.parse().ok()?,
        parent: parent.parse().ok()?,
        user: user.clone(),
        // `ps` says `-` for one that began in the future of a clock that was set back.
        seconds: seconds.parse().unwrap_or(0),
        cpu: cpu.parse().unwrap_or(0.0),
        command: command.join(" "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_becomes_a_process_and_a_strange_one_is_left_out() {
        let row = |words: &str| words.split('|').map(String::from).collect::<Vec<_>>();
        let process = read(&row("812|1|root|65|3|httpd -f -p 80")).unwrap();
        assert_eq!((process.pid, process.parent, process.seconds), (812, 1, 65));
        assert_eq!(
            (process.cpu, process.command.as_str()),
            (3.0, "httpd -f -p 80")
        );
        assert_eq!(read(&row("812|1|root|-|0|x")).map(|p| p.seconds), Some(0));
        assert_eq!(read(&row("PID|PPID|USER|ELAPSED|TIME|COMMAND")), None);
        assert_eq!(read(&row("1|2")), None);
    }
}

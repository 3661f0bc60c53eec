//! What the user can do about an error, where that is known.

use std::collections::BTreeSet;

use crate::apply::{ApplyError, ObserveError, StepError, StepFailure, VerifyError};
use crate::backend::BackendError;
use crate::firewall::FirewallError;
use crate::model::Name;

use super::JobError;

impl JobError {
    /// What the user can do about it, where a driver knows: the command that installs what is missing.
    pub fn hint(&self) -> Option<String> {
        if let Self::Apply(error) | Self::OfLine { error, .. } = self {
            if let ApplyError::Partly { failures, kept, .. } = error
                && !kept.is_empty()
            {
                return Some(look_at(kept, failures));
            }
            return error.failures().iter().find_map(|failure| {
                let StepError::Backend(error) = &failure.error else {
                    return None;
                };
                hint_of(error)
            });
        }
        if let Self::Verify(VerifyError::Ended { ended, tried }) = self {
            return Some(mend(ended, tried));
        }
        if let Self::Backend(error)
        | Self::Observe(ObserveError::Backend(error))
        | Self::Verify(VerifyError::Observe(ObserveError::Backend(error))) = self
        {
            return hint_of(error);
        }
        match self {
            Self::Firewall(FirewallError::Missing { program, .. }) => package_of(program),
            _ => None,
        }
    }
}

/// What installs a program of the firewall.
fn package_of(program: &str) -> Option<String> {
    let package = match program {
        "nft" => "nftables",
        name if name.starts_with("iptables") || name.starts_with("ip6tables") => "iptables",
        _ => return None,
    };
    Some(format!("apt-get install {package}"))
}

/// How to look at containers that have ended, and how to go on; those of `tried` are started again meanwhile.
fn mend(ended: &[StepError], tried: &[Name]) -> String {
    let names = ended.iter().filter_map(|error| {
        let (StepError::Ended { container, .. } | StepError::CameBack { container, .. }) = error
        else {
            return None;
        };
        Some(container.as_str())
    });
    let names: Vec<&str> = names.collect();
    let (it, is) = match names.len() {
        1 => ("it", "is"),
        _ => ("they", "are"),
    };
    let logs = format!(
        "`locker logs {}` shows all that {it} printed",
        names.join(" ")
    );
    let tried: Vec<&str> = tried.iter().map(Name::as_str).collect();
    match tried.is_empty() {
        true => format!("{logs}; once {it} {is} mended `locker up` goes on"),
        false => format!(
            "{logs}; `locker stop {}` ends the tries, and once {it} {is} mended `locker up` begins anew",
            tried.join(" ")
        ),
    }
}

/// How to look at containers that failed and were kept, and how to go on.
fn look_at(kept: &BTreeSet<Name>, failures: &[StepFailure]) -> String {
    let of_setup = |failure: &StepFailure| matches!(&failure.error, StepError::Setup { container, .. } if kept.contains(container));
    let (look, then) = match failures.iter().any(of_setup) {
        true => (
            "`locker exec NAME COMMAND` looks into it, ",
            "goes on with its setup from the first command",
        ),
        false => ("", "tries it again"),
    };
    let all: Vec<String> = kept.iter().map(|name| format!("`{name}`")).collect();
    let (all, are) = (all.join(", "), if kept.len() == 1 { "is" } else { "are" });
    let how = format!(
        "{look}`locker logs NAME` shows what it printed; `locker up` {then}, `locker up --force-recreate NAME` \
         makes it anew, `locker rm NAME` takes it out"
    );
    match (kept.first(), kept.len()) {
        (Some(only), 1) => format!(
            "{all} {are} kept for a look: {}",
            how.replace("NAME", only.as_str())
        ),
        (Some(_) | None, _) => format!("{all} {are} kept for a look: {how}"),
    }
}

fn hint_of(error: &BackendError) -> Option<String> {
    match error {
        BackendError::Unavailable { help, .. } | BackendError::Silent { help, .. } => {
            Some(help.clone())
        }
        BackendError::Image { help, .. } => help.clone(),
        BackendError::Engine { .. }
        | BackendError::Network { .. }
        | BackendError::Volume { .. }
        | BackendError::Io { .. }
        | BackendError::Link { .. }
        | BackendError::Gone { .. }
        | BackendError::Mark { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_of_the_firewall_is_told_with_its_package() {
        for (program, package) in [("nft", "nftables"), ("iptables", "iptables")] {
            let error = JobError::Firewall(FirewallError::Missing {
                program: program.into(),
                source: std::io::ErrorKind::NotFound.into(),
            });
            assert_eq!(error.hint(), Some(format!("apt-get install {package}")));
        }
    }

    #[test]
    fn who_is_told_that_a_container_has_ended_is_told_its_last_lines_and_what_to_run() {
        let db = Name::new("db").unwrap();
        let error = JobError::Verify(VerifyError::Ended {
            ended: vec![StepError::Ended {
                container: db.clone(),
                code: 7,
                log: vec!["reading".into(), "no disk".into()],
                unwell: None,
            }],
            tried: vec![db],
        });
        let text = error.to_string();
        assert!(
            text.ends_with("`db` has ended with exit code 7: no disk"),
            "{text}"
        );
        assert_eq!(error.details(), ["reading", "no disk"]);
        let hint = error.hint().unwrap();
        assert!(
            hint.contains("`locker logs db`") && hint.contains("`locker stop db`"),
            "{hint}"
        );
    }

    #[test]
    fn all_that_have_ended_are_named_and_tries_only_where_there_are_some() {
        let ended = |word: &str, unwell: Option<&str>| StepError::Ended {
            container: Name::new(word).unwrap(),
            code: 137,
            log: vec!["Please press Enter".into()],
            unwell: unwell.map(str::to_owned),
        };
        let why = "its health check failed 2 times (last: exit code 1)";
        let error = JobError::Verify(VerifyError::Ended {
            ended: vec![ended("dk", None), ended("lx", Some(why))],
            tried: Vec::new(),
        });
        let text = error.to_string();
        let told = format!("`lx` was ended because {why}");
        assert!(text.ends_with(&told), "{text}");
        let hint = error.hint().unwrap();
        assert!(
            hint.contains("`locker logs dk lx`") && !hint.contains("tries"),
            "{hint}"
        );
    }

    #[test]
    fn a_missing_engine_comes_with_the_command_that_installs_it() {
        let missing = || BackendError::Unavailable {
            engine: "LXC",
            reason: "no liblxc".into(),
            help: "apt-get install lxc".into(),
        };
        let errors = [
            JobError::Backend(missing()),
            JobError::Observe(missing().into()),
            JobError::Verify(ObserveError::from(missing()).into()),
        ];
        for error in errors {
            assert_eq!(error.hint().as_deref(), Some("apt-get install lxc"));
        }
        assert_eq!(JobError::Refused.hint(), None);
    }

    #[test]
    fn one_that_is_kept_comes_with_how_to_look_at_it_and_how_to_go_on() {
        let db = Name::new("db").unwrap();
        let failed = |error| {
            JobError::Apply(ApplyError::Partly {
                failures: vec![StepFailure {
                    id: 0,
                    what: "it".into(),
                    error,
                }],
                lost: [db.clone()].into(),
                kept: [db.clone()].into(),
                finished: Default::default(),
                aftermath: Box::default(),
                stays: Box::default(),
            })
        };
        let setup = failed(StepError::Setup {
            container: db.clone(),
            what: "setup command `x`".into(),
            code: 3,
            output: String::new(),
        });
        let hint = setup.hint().unwrap();
        for word in [
            "exec db",
            "logs db",
            "`locker up` goes on",
            "--force-recreate db",
            "rm db",
        ] {
            assert!(hint.contains(word), "{hint}");
        }
        let start = failed(StepError::NoEngine);
        let hint = start.hint().unwrap();
        assert!(
            !hint.contains("exec") && hint.contains("`locker up` tries it again"),
            "{hint}"
        );
    }
}

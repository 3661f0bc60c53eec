//! What a step is called while it runs and when it is done.

use crate::job::Step;

/// The words for one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wording {
    /// The container, or the part of the project.
    pub subject: String,
    /// `create`: what is being done.
    pub verb: &'static str,
    /// `created`: what was done.
    pub done: &'static str,
}

impl Wording {
    /// `already created`: that there was nothing to be done.
    pub fn already(&self) -> String {
        for noun in ["volumes", "names", "network"] {
            if let Some(rest) = self.done.strip_prefix(noun) {
                return format!("{noun} already{rest}");
            }
        }
        format!("already {}", self.done)
    }
}

/// The words for `step`.
pub fn of(step: &Step) -> Wording {
    let (subject, verb, done) = words(step);
    Wording {
        subject: subject.to_string(),
        verb,
        done,
    }
}

fn words(step: &Step) -> (&str, &'static str, &'static str) {
    match step {
        Step::SaveRecord(_) => ("record", "save", "saved"),
        Step::ForgetProject(_) => ("record", "remove", "removed"),
        Step::RemoveWreck { container } => (container.as_str(), "clear away", "cleared away"),
        Step::BringBack { container } => (container.as_str(), "bring back", "brought back"),
        Step::EnsureBridge { .. } => ("bridge", "set up", "set up"),
        Step::RemoveBridge { .. } => ("bridge", "remove", "removed"),
        Step::OpenNetwork(_) => ("network", "open", "opened"),
        Step::CloseNetwork(_) => ("network", "close", "closed"),
        Step::Sweep(left) => (left.driver.as_str(), "remove rules", "rules removed"),
        Step::Pull { image, .. } => (image, "fetch", "fetched"),
        Step::Build(build) => (build.image.as_str(), "build", "built"),
        Step::EnsureNetwork(network) => {
            (network.network.as_str(), "make the network", "network made")
        }
        Step::RemoveNetwork(network) => (
            network.network.as_str(),
            "remove the network",
            "network removed",
        ),
        Step::InstallProgram(_) => ("program", "install", "installed"),
        Step::WriteUnits(_) => ("units", "write", "units written"),
        Step::Create(spec) => (spec.name.as_str(), "create", "created"),
        Step::Seed { container, .. } => (container.as_str(), "fill volumes", "volumes filled"),
        Step::Configure(spec) => (spec.name.as_str(), "configure", "configured"),
        Step::WriteNames { container, .. } => (container.as_str(), "write names", "names written"),
        Step::Start { container } => (container.as_str(), "start", "started"),
        Step::AwaitHealthy { container, .. } => (container.as_str(), "wait for health", "healthy"),
        Step::AwaitCompleted { container, .. } => {
            (container.as_str(), "wait for its end", "completed")
        }
        Step::Setup { container, .. } => (container.as_str(), "set up", "set up"),
        Step::Stop { container, .. } => (container.as_str(), "stop", "stopped"),
        Step::Freeze { container } => (container.as_str(), "freeze", "frozen"),
        Step::Unfreeze { container } => (container.as_str(), "thaw", "thawed"),
        Step::Publish { add, .. } if add.is_empty() => ("ports", "take out", "taken out"),
        Step::Publish { .. } => ("ports", "publish", "published"),
        Step::WriteHostNames { .. } => ("host names", "write", "written"),
        Step::SetAside { container } => (container.as_str(), "set aside", "set aside"),
        Step::EndJob { job, .. } => (job.as_str(), "end", "ended and removed"),
        Step::Destroy { container, .. } => (container.as_str(), "destroy", "destroyed"),
        Step::RemoveVolume { .. } => ("volume", "remove", "removed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Name;

    #[test]
    fn a_step_of_a_container_is_called_by_its_name() {
        let container = Name::new("web").unwrap();
        let wording = of(&Step::Start { container });
        assert_eq!(
            (wording.subject.as_str(), wording.verb, wording.done),
            ("web", "start", "started")
        );
        assert_eq!(wording.already(), "already started");
    }

    #[test]
    fn what_was_so_before_is_said_in_english() {
        let step = Step::Seed {
            container: Name::new("web").unwrap(),
            mounts: Vec::new(),
            copy: true,
        };
        assert_eq!(of(&step).already(), "volumes already filled");
    }
}

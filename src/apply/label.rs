//! What a step is called in the journal and in errors: `create web`.

use crate::plan::Step;

/// A few words for a step, without its cause.
pub fn label(step: &Step) -> String {
    match step {
        Step::SaveRecord(_) => "save the record".into(),
        Step::ForgetProject(_) => "forget the project".into(),
        Step::RemoveWreck { container } => format!("clear away the remains of {container}"),
        Step::BringBack { container } => format!("bring back {container}"),
        Step::EnsureBridge { bridge, .. } => format!("set up bridge {bridge}"),
        Step::RemoveBridge { bridge, .. } => format!("remove bridge {bridge}"),
        Step::OpenNetwork(_) => "open the network".into(),
        Step::CloseNetwork(_) => "close the network".into(),
        Step::Sweep(left) => format!("remove the rules of {}", left.driver),
        Step::Pull { image, .. } => format!("fetch image {image}"),
        Step::Build(build) => format!("build image {}", build.image),
        Step::EnsureNetwork(network) => format!("make network {}", network.host_name()),
        Step::InstallProgram(copy) => format!("install the program {}", copy.path.display()),
        Step::WriteUnits(_) => "write the units".into(),
        Step::RemoveNetwork(network) => format!("remove network {}", network.host_name()),
        Step::Create(spec) => format!("create {}", spec.name),
        Step::Seed { container, .. } => format!("fill the volumes of {container}"),
        Step::Configure(spec) => format!("configure {}", spec.name),
        Step::WriteNames { container, .. } => format!("write the names in {container}"),
        Step::Start { container } => format!("start {container}"),
        Step::AwaitHealthy { container, .. } => format!("wait for {container} to be healthy"),
        Step::AwaitCompleted { container, .. } => format!("wait for {container} to end"),
        Step::Setup { container, .. } => format!("set up {container}"),
        Step::Stop {
            container,
            aside: false,
            ..
        } => format!("stop {container}"),
        Step::Stop {
            container,
            aside: true,
            ..
        } => format!("stop the older {container}"),
        Step::Freeze { container } => format!("freeze {container}"),
        Step::Unfreeze { container } => format!("thaw {container}"),
        Step::Publish { .. } => "publish ports".into(),
        Step::WriteHostNames { .. } => "write the host's names".into(),
        Step::SetAside { container } => format!("set {container} aside"),
        Step::EndJob { job, .. } => format!("end the job {job}"),
        Step::Destroy {
            container,
            aside: false,
            ..
        } => format!("destroy {container}"),
        Step::Destroy {
            container,
            aside: true,
            ..
        } => format!("destroy the older {container}"),
        Step::RemoveVolume {
            path: Some(path), ..
        } => format!("remove the volume {}", path.display()),
        Step::RemoveVolume {
            path: None, engine, ..
        } => {
            format!("remove the volume {}", engine.as_deref().unwrap_or("?"))
        }
    }
}

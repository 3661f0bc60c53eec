//! What is mounted into a container: the file's volumes, the engine's own, those of an older self, its
//! hosts file, and the contents of secrets and configs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bollard::models::{
    Mount as EngineMountBody, MountBindOptions, MountBindOptionsPropagationEnum as Propagation,
    MountType, MountVolumeOptions, MountVolumeOptionsDriverConfig,
};

use super::{files, hosts};
use crate::model::{AppSpec, ContainerSpec, EngineMount, EngineVolume, Mount, MountOptions};

/// All mounts of a container, in the file's order; what is mounted below another comes after it in
/// the engine's own order. `held` are the volumes of an older self that had no name.
pub(super) fn mounts(
    spec: &ContainerSpec,
    app: &AppSpec,
    home: &Path,
    held: &[(PathBuf, String)],
) -> Vec<EngineMountBody> {
    let settings = &app.settings;
    let options = |mount: &Mount| settings.mount_options.get(&mount.target);
    let mut all: Vec<_> = spec
        .mounts
        .iter()
        .map(|mount| match named(spec, mount) {
            Some(volume) => of_volume(&volume, mount, options(mount)),
            None => of_path(&mount.host, &mount.target, mount.read_only, options(mount)),
        })
        .collect();
    all.extend(
        settings
            .engine_volumes
            .iter()
            .map(|volume| of_engine(volume, held)),
    );
    if hosts::is_managed(spec, app) {
        let target = Path::new(hosts::TARGET);
        all.push(of_path(
            &hosts::path(home),
            target,
            settings.granted.read_only,
            None,
        ));
    }
    for (number, file) in settings.files.iter().enumerate() {
        all.push(of_path(
            &files::path(home, number),
            &file.target,
            true,
            None,
        ));
    }
    // The image may ask for volumes that the file does not name; those of the older self go on too.
    for (target, volume) in held {
        let taken =
            |mount: &EngineMountBody| mount.target.as_deref().map(Path::new) == Some(target);
        if !all.iter().any(taken) && !settings.granted.tmpfs.contains_key(target) {
            all.push(volume_mount(Some(volume), target, false));
        }
    }
    all
}

/// The engine's name of a named volume of ours: its data stay where locker keeps them for both kinds.
pub(super) fn named(spec: &ContainerSpec, mount: &Mount) -> Option<String> {
    let volume = mount.named.then(|| mount.host.file_name()).flatten()?;
    Some(format!("{}_{}", spec.project, volume.to_string_lossy()))
}

/// What makes the engine's volume of a name lead to a directory of ours. Privately: what somebody mounts in the directory
/// would be unmounted there as well when the engine lets go of the volume (mount_namespaces(7)).
pub(super) fn driver_options(host: &Path) -> HashMap<String, String> {
    HashMap::from([
        ("type".into(), "none".into()),
        ("o".into(), "bind,private".into()),
        ("device".into(), text(host)),
    ])
}

fn of_volume(volume: &str, mount: &Mount, options: Option<&MountOptions>) -> EngineMountBody {
    let mut made = volume_mount(Some(volume), &mount.target, mount.read_only);
    if options.is_some_and(|options| options.no_copy) {
        made.volume_options = Some(no_copy());
    }
    made
}

fn of_engine(volume: &EngineMount, held: &[(PathBuf, String)]) -> EngineMountBody {
    let older = held.iter().find(|(target, _)| *target == volume.target);
    let (name, driver) = match &volume.volume {
        EngineVolume::Anonymous => (older.map(|(_, name)| name.as_str()), None),
        EngineVolume::External(name) => (Some(name.as_str()), None),
        EngineVolume::Driver {
            name,
            driver,
            options,
            labels,
        } => (Some(name.as_str()), Some((driver, options, labels))),
    };
    let mut made = volume_mount(name, &volume.target, volume.read_only);
    let mut options = if volume.no_copy {
        no_copy()
    } else {
        MountVolumeOptions::default()
    };
    if let Some((driver, driver_options, _)) = driver {
        // The volume itself was made before, with its marks; this only says the same again.
        options.driver_config = Some(MountVolumeOptionsDriverConfig {
            name: Some(driver.clone()),
            options: Some(driver_options.clone().into_iter().collect()),
        });
    }
    if options != MountVolumeOptions::default() {
        made.volume_options = Some(options);
    }
    made
}

fn volume_mount(name: Option<&str>, target: &Path, read_only: bool) -> EngineMountBody {
    EngineMountBody {
        typ: Some(MountType::VOLUME),
        source: name.map(str::to_owned),
        target: Some(text(target)),
        read_only: Some(read_only),
        ..EngineMountBody::default()
    }
}

fn of_path(
    host: &Path,
    target: &Path,
    read_only: bool,
    options: Option<&MountOptions>,
) -> EngineMountBody {
    let propagation = options
        .and_then(|options| options.propagation.as_deref())
        .and_then(propagation);
    EngineMountBody {
        typ: Some(MountType::BIND),
        source: Some(text(host)),
        target: Some(text(target)),
        read_only: Some(read_only),
        bind_options: propagation.map(|propagation| MountBindOptions {
            propagation: Some(propagation),
            ..MountBindOptions::default()
        }),
        ..EngineMountBody::default()
    }
}

fn no_copy() -> MountVolumeOptions {
    MountVolumeOptions {
        no_copy: Some(true),
        ..MountVolumeOptions::default()
    }
}

fn propagation(word: &str) -> Option<Propagation> {
    Some(match word {
        "private" => Propagation::PRIVATE,
        "rprivate" => Propagation::RPRIVATE,
        "shared" => Propagation::SHARED,
        "rshared" => Propagation::RSHARED,
        "slave" => Propagation::SLAVE,
        "rslave" => Propagation::RSLAVE,
        _ => return None,
    })
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

//! Which volumes without a name a new self takes over from its older one.
//!
//! As with docker compose: those that the file or the new image still names. The data of the others stay with the
//! engine, and that is told, since nothing of the project leads to them any more.

use std::path::{Path, PathBuf};

use super::client::Link;
use crate::model::{AppSpec, ContainerSpec, EngineVolume};

/// Path inside and the engine's word for each.
pub(super) type Held = Vec<(PathBuf, String)>;

/// Those of `held` that go on, and those that do not.
pub(super) async fn sort(
    link: &Link,
    spec: &ContainerSpec,
    app: &AppSpec,
    held: &[(PathBuf, String)],
) -> (Held, Held) {
    let image = spec.source.image().filter(|_| !held.is_empty());
    let Some(image) = image else {
        return (held.to_vec(), Held::new());
    };
    match link.docker.inspect_image(image).await {
        Ok(found) => {
            let named = found.config.and_then(|config| config.volumes);
            split(app, &named.unwrap_or_default(), held)
        }
        // Why there is no image is told when the container is made.
        Err(_) => (held.to_vec(), Held::new()),
    }
}

fn split(app: &AppSpec, image: &[String], held: &[(PathBuf, String)]) -> (Held, Held) {
    let of_file = |target: &Path| {
        let mut volumes = app.settings.engine_volumes.iter();
        volumes.any(|mount| mount.volume == EngineVolume::Anonymous && mount.target == target)
    };
    let of_image = |target: &Path| image.iter().any(|volume| Path::new(volume) == target);
    let held = held.iter().cloned();
    held.partition(|(target, _)| of_file(target) || of_image(target))
}

/// What becomes of one that does not go on.
pub(super) fn told(spec: &ContainerSpec, (target, volume): &(PathBuf, String)) -> String {
    format!(
        "container `{}`: nothing names a volume at {} any more; the one without a name that it had there stays, and `docker volume rm {volume}` removes it",
        spec.host_name(),
        target.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EngineMount;

    #[test]
    fn what_neither_the_file_nor_the_image_names_is_not_handed_on() {
        let mut app = AppSpec::default();
        app.settings.engine_volumes.push(EngineMount {
            volume: EngineVolume::Anonymous,
            target: "/file".into(),
            read_only: false,
            no_copy: false,
        });
        let at = |target: &str| (PathBuf::from(target), target.to_owned());
        let held = [at("/file"), at("/image"), at("/gone")];
        let (on, left) = split(&app, &["/image/".into()], &held);
        assert_eq!(
            (on, left),
            (vec![at("/file"), at("/image")], vec![at("/gone")])
        );
    }
}

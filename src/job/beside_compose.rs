//! Nothing is started on data that was taken over while containers of docker compose are still there.

use std::collections::BTreeSet;

use crate::model::{Name, Project};
use crate::observed::{ComposeContainer, Observed};

use super::JobError;
use super::adopt::{refused, volumes_of};

/// Refuses to make or start those of `names` that work on data beside containers of docker compose: the data was taken
/// over, and the run that did so was killed before those were gone, or somebody has brought them up again. Before
/// anything is planned: what else is in the way comes from the same containers.
pub(super) fn check(
    project: &Project,
    observed: &Observed,
    names: &BTreeSet<Name>,
) -> Result<(), JobError> {
    // What rests and is of no service of the file is nobody's who could start it here: `adopt` leaves it.
    let counts = |of: &ComposeContainer| {
        let service = of.service.as_deref().and_then(|name| Name::new(name).ok());
        let known = |name: Name| {
            project.containers.contains_key(&name)
                || project.disabled.contains_key(&name)
                || project.none.contains(&name)
        };
        of.runs || service.is_some_and(known)
    };
    let mut containers = observed.engine.compose.containers.iter();
    let Some((former, _)) = containers.find(|(_, of)| counts(of)) else {
        return Ok(());
    };
    let adopted = &observed.adopted;
    let works_on_it = |name: &&Name| {
        let file = project.containers.get(*name);
        let mut volumes = file.into_iter().flat_map(|file| volumes_of(project, file));
        adopted.unnamed.contains_key(*name)
            || volumes.any(|volume| adopted.volumes.contains(&volume))
    };
    names.iter().find(works_on_it).map_or(Ok(()), |name| {
        Err(refused(
            format!(
                "container `{name}` is not started: its data was taken over from docker compose, whose container `{former}` is still \
                 there, and both would write to it"
            ),
            "`locker adopt` stops and removes what docker compose has, and goes on; `docker compose down` removes it as well",
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Container, Source, Volume, VolumeSource};

    fn name(word: &str) -> Name {
        Name::new(word).unwrap()
    }

    #[test]
    fn only_what_works_on_data_that_was_taken_over_is_kept_from_starting_beside_docker_compose() {
        let mut data = Container::bare(name("data"));
        let volume = Volume {
            source: VolumeSource::Named(name("rows")),
            target: "/rows".into(),
            read_only: false,
            short: true,
            must_exist: false,
        };
        data.volumes.push((volume, Default::default()));
        let mut project = crate::job::images::tests::project();
        project.containers.insert(name("data"), data);
        let mut other = Container::bare(name("other"));
        other.source = Source::Image("busybox".into());
        project.containers.insert(name("other"), other);
        let mut observed = Observed::default();
        observed.adopted.volumes.insert("shop_rows".into());
        observed.adopted.unnamed.entry(name("plain")).or_default();
        let refused = |observed: &Observed, word: &str| {
            check(&project, observed, &BTreeSet::from([name(word)])).is_err()
        };
        assert!(!refused(&observed, "data"), "docker compose has nothing");
        let compose = &mut observed.engine.compose.containers;
        compose.insert("shop-gone-1".into(), ComposeContainer::default());
        assert!(
            !refused(&observed, "data"),
            "it rests, and nobody starts it"
        );
        let theirs = ComposeContainer {
            service: Some("data".into()),
            ..ComposeContainer::default()
        };
        let compose = &mut observed.engine.compose.containers;
        compose.insert("shop-data-1".into(), theirs);
        assert!(refused(&observed, "data"));
        assert!(refused(&observed, "plain"), "a volume without a name");
        assert!(!refused(&observed, "other"));
    }
}

//! Containers with ids of their own: whose volumes they may have, and that nobody has the same ids.

use super::apps::{mixed, settings};
use super::shop::volume;
use super::world::World;
use super::*;

#[test]
fn a_copy_for_one_command_has_the_ids_of_its_original_and_shares_its_volumes() {
    let planned = |made: bool, user: Option<&str>| {
        let mut file = mixed();
        let web = file.containers.get_mut("web").unwrap();
        web.isolate = true;
        web.volumes.push((volume("data", "/data"), place(33)));
        let (mut copy, world) = (web.clone(), World::of(&file));
        // Before its original by name, too.
        copy.name = name("a_run_1");
        copy.ids_of = Some(name("web"));
        copy.isolate = user.is_none();
        settings(&mut copy).user = user.map(Into::into);
        file.containers.insert(copy.name.clone(), copy);
        let seen = if made {
            world.look()
        } else {
            World::default().look()
        };
        let plan = plan(&file, &seen, &wish(Goal::Create)).unwrap();
        let specs = plan
            .steps
            .into_iter()
            .filter_map(|planned| match planned.step {
                Step::Create(spec) => Some(*spec),
                _ => None,
            });
        let all: Vec<_> = specs.collect();
        let copy = all.iter().find(|spec| spec.name.as_str() == "a_run_1");
        let copy = copy.unwrap().clone();
        let web = world.seen.containers["web"].mark.clone().unwrap().spec;
        let fresh = all.into_iter().find(|spec| spec.name.as_str() == "web");
        (copy, fresh.unwrap_or(web))
    };
    for made in [false, true] {
        let (copy, web) = planned(made, None);
        assert_eq!(copy.idmap, web.idmap);
        let user = |spec: &ContainerSpec| spec.app.as_ref().unwrap().settings.user.clone();
        assert_eq!(user(&copy), user(&web));
        let (copy, web) = planned(made, Some("root"));
        assert_eq!(
            (user(&copy).as_deref(), &copy.idmap),
            (Some("root"), &web.idmap)
        );
    }
}

#[test]
fn an_isolated_container_with_volumes_of_another_is_refused() {
    let mut file = mixed();
    let web = file.containers.get_mut("web").unwrap();
    web.isolate = true;
    settings(web).volumes_from.push(("db".into(), true));
    let mut world = World::default();
    let foreign = world.seen.foreign.entry(Kind::Application).or_default();
    foreign.insert("db".into());
    let problems = plan(&file, &world.look(), &wish(Goal::Up)).unwrap_err();
    let told: Vec<_> = problems.iter().map(|p| (p.key, &p.message)).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].0, Some(Key::VolumesFrom));
    assert!(
        told[0].1.contains("`volumes_from` names are another's"),
        "{told:?}"
    );
}

#[test]
fn isolated_containers_never_share_a_host_id() {
    let mut file = mixed();
    for container in file.containers.values_mut() {
        container.isolate = true;
    }
    let world = World::of(&file);
    let spec = |word: &str| world.seen.containers[word].mark.clone().unwrap().spec;
    let first = |word: &str| spec(word).idmap[0].host;
    assert!(first("db") != first("web") && first("web") != first("job"));
    let user = |word: &str| spec(word).app.unwrap().settings.user;
    assert_eq!(user("web"), Some(format!("{0}:{0}", first("web"))));
    assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
    let web = file.containers.get_mut("web").unwrap();
    settings(web).user = Some("www".into());
    let problems = plan(&file, &world.look(), &wish(Goal::Up)).unwrap_err();
    assert!(problems[0].message.contains("`user` says otherwise"));
}

//! Whole plan texts of projects of both kinds; `plans.rs` compares them.

use super::apps::{app, extra, image, mixed, mixed_with, on, put_on, settings, several};
use super::shop::{busybox, volume};
use super::world::World;
use super::*;
use crate::observed::*;

type Scenario = (&'static str, String);

/// What `up` does to the mixed project when the file has become `file`.
fn changed(file: &Project) -> String {
    World::of(&mixed()).text(file, &wish(Goal::Up))
}

fn web(change: impl FnOnce(&mut Container)) -> String {
    changed(&mixed_with("web", change))
}

fn first_runs() -> Vec<Scenario> {
    let fresh = World::default();
    let mut only = mixed();
    only.containers.retain(|word, _| word.as_str() == "db");
    let mut later = World::of(&only);
    let added = later.run(&mixed(), &wish(Goal::Up));
    let wait = Wish {
        wait: Some(Wait::default()),
        ..wish(Goal::Up)
    };
    vec![
        ("both kinds", fresh.text(&mixed(), &wish(Goal::Up))),
        ("both kinds, waited for", fresh.text(&mixed(), &wait)),
        (
            "both kinds, create",
            fresh.text(&mixed(), &wish(Goal::Create)),
        ),
        ("applications added to a project", added),
        ("several networks", fresh.text(&several(), &wish(Goal::Up))),
        (
            "a network without IPv6",
            fresh.text(&without_ipv6(), &wish(Goal::Up)),
        ),
        ("IPv6 left out", changed(&without_ipv6())),
        (
            "IPv6 asked for",
            World::of(&without_ipv6()).text(&mixed(), &wish(Goal::Up)),
        ),
    ]
}

fn without_ipv6() -> Project {
    let mut project = mixed();
    project.network.ipv6 = false;
    project
}

fn changes() -> Vec<Scenario> {
    let job = |change: fn(&mut Container)| changed(&mixed_with("job", change));
    vec![
        ("both kinds, nothing changed", changed(&mixed())),
        (
            "application port changed",
            web(|c| c.ports[0].0 = port("9090:80")),
        ),
        (
            "application limit changed",
            web(|c| settings(c).limits.memory = Some(1 << 20)),
        ),
        (
            "application restart changed",
            web(|c| c.restart = Restart::Always),
        ),
        (
            "application command changed, new before old",
            web(|c| settings(c).command = Some(vec!["x".into()])),
        ),
        (
            "application with a volume changed, old before new",
            job(|c| c.volumes.push((volume("data", "/data"), place(60)))),
        ),
        ("image renamed", web(|c| c.source = image("nginx:2"))),
        (
            "system container became an application",
            changed(&{
                let mut file = mixed();
                let mut db = app("db", 10, image("sql:1"));
                db.links = file.containers["db"].links.clone();
                file.containers.insert(name("db"), db);
                file
            }),
        ),
        (
            "application became a system container",
            changed(&mixed_with("job", |c| {
                c.source = busybox();
                c.app = None;
            })),
        ),
    ]
}

fn images() -> Vec<Scenario> {
    let mut newer = World::of(&mixed());
    let images = &mut newer.seen.engine.images;
    images.insert("nginx:1".into(), "another id".into());
    let mut gone = World::of(&mixed());
    gone.seen.engine.images.clear();
    let asked = |goal: Goal| World::of(&mixed()).text(&mixed(), &wish(goal));
    vec![
        ("image fetched anew", newer.text(&mixed(), &wish(Goal::Up))),
        ("image deleted", gone.text(&mixed(), &wish(Goal::Up))),
        ("pull", asked(Goal::Pull)),
        ("build", asked(Goal::Build)),
    ]
}

fn networks() -> Vec<Scenario> {
    let several = several();
    let up = |file: &Project| World::of(&several).text(file, &wish(Goal::Up));
    let mut moved = several.clone();
    moved
        .networks
        .insert(name("front"), extra(5, Some("10.81.0.0/24")));
    let mut fewer = mixed();
    put_on(fewer.containers.get_mut("job").unwrap(), &["default"]);
    let mut inner = several.clone();
    inner.networks.get_mut("front").unwrap().internal = true;
    let mut hurt = World::of(&several);
    let bridge = bridge_of_network(&name("shop"), &name("front"));
    hurt.seen.network.bridges.remove(&bridge);
    let left = |container: &str| StrayCard {
        container: name(container),
        bridge: bridge.clone(),
        card: Some(format!("veth-{container}")),
        misfit: false,
    };
    hurt.seen.network.strays = ["job", "web"].map(left).into();
    let mut boot = World::of(&several);
    boot.seen.network.bridges.get_mut(&bridge).unwrap().mark = None;
    // A `down` takes it as it is; the world refuses what the plan does not say.
    boot.clone().run(&several, &wish(DOWN));
    vec![
        ("subnet of a network changed", up(&moved)),
        ("networks taken out", up(&fewer)),
        ("network made internal", up(&inner)),
        (
            "bridge of applications deleted",
            hurt.text(&several, &wish(Goal::Up)),
        ),
        (
            "bridge made by the engine",
            boot.text(&several, &wish(Goal::Up)),
        ),
        (
            "down with several networks",
            World::of(&several).text(&several, &wish(DOWN)),
        ),
    ]
}

fn ends() -> Vec<Scenario> {
    let file = mixed_with("web", |c| {
        c.depends_on.push(on("job", Condition::Completed))
    });
    let mut world = World::default();
    let first = world.run(&file, &wish(Goal::Up));
    let again = world.text(&file, &wish(Goal::Up));
    let named = world.text(&file, &chosen(START, &["job"]));
    world.container("job").exit = Some(1);
    world.container("web").state = State::Stopped;
    let failed = world.text(&file, &wish(Goal::Up));
    vec![
        ("waits for an end", first),
        ("an end that was waited for", again),
        ("start of one that has ended", named),
        ("an end that failed", failed),
    ]
}

fn goals() -> Vec<Scenario> {
    let up = || World::of(&mixed());
    let keep = Goal::Down {
        keep: true,
        volumes: false,
    };
    let force = Wish {
        recreate: Recreate::Force,
        ..chosen(Goal::Up, &["job"])
    };
    let mut shares = mixed_with("job", |c| {
        settings(c).network = AppNetwork::Container(name("web"));
    });
    let mut only_db = mixed();
    only_db.containers.retain(|word, _| word.as_str() == "db");
    only_db.containers.get_mut("db").unwrap().links.clear();
    let orphans = Wish {
        remove_orphans: true,
        ..wish(Goal::Up)
    };
    let sharing = World::of(&shares).text(&shares, &chosen(Goal::Restart, &["web"]));
    let web = shares.containers.get_mut("web").unwrap();
    settings(web).command = Some(vec!["x".into()]);
    let follows = World::of(&mixed_with("job", |c| {
        settings(c).network = AppNetwork::Container(name("web"));
    }))
    .text(&shares, &wish(Goal::Up));
    vec![
        ("stop of both kinds", up().text(&mixed(), &wish(Goal::Stop))),
        ("down of both kinds", up().text(&mixed(), &wish(DOWN))),
        (
            "down --keep of both kinds",
            up().text(&mixed(), &wish(keep)),
        ),
        ("last application removed", up().text(&only_db, &orphans)),
        ("made anew by force", up().text(&mixed(), &force)),
        ("restart of one whose network is shared", sharing),
        ("one whose network is shared is made anew", follows),
    ]
}

/// A recreation where the new self starts first, killed after so many steps of its own.
fn killed(left: usize) -> String {
    let file = mixed_with("web", |c| settings(c).command = Some(vec!["x".into()]));
    let mut world = World::of(&mixed());
    let whole = plan(&file, &world.look(), &wish(Goal::Up)).unwrap();
    let mut steps = whole.steps.iter();
    let aside = steps.position(|p| matches!(p.step, Step::SetAside { .. }));
    world.follow(&whole, aside.unwrap() + 1 + left);
    world.text(&file, &wish(Goal::Up))
}

fn cuts() -> Vec<Scenario> {
    vec![
        ("new before old, killed before the new", killed(0)),
        ("new before old, killed after the new", killed(1)),
    ]
}

/// All of them.
pub(super) fn all() -> Vec<Scenario> {
    let parts = [
        first_runs(),
        changes(),
        images(),
        networks(),
        ends(),
        goals(),
        cuts(),
    ];
    parts.concat()
}

//! Who waits for whom.

use super::shop::{busybox, container, link, project, shop, with};
use super::world::World;
use super::*;
use crate::observed::Observed;

fn on(word: &str, condition: Condition) -> Dependency {
    Dependency {
        on: name(word),
        condition,
        restart: false,
        required: true,
    }
}

/// Index of the first step that `wanted` is true of.
fn at(plan: &Plan, wanted: impl Fn(&Step) -> bool) -> StepId {
    let found = plan.steps.iter().position(|p| wanted(&p.step));
    found.unwrap_or_else(|| panic!("{plan}"))
}

fn start(plan: &Plan, word: &str) -> StepId {
    at(
        plan,
        |s| matches!(s, Step::Start { container } if container.as_str() == word),
    )
}

fn stop(plan: &Plan, word: &str) -> StepId {
    at(
        plan,
        |s| matches!(s, Step::Stop { container, .. } if container.as_str() == word),
    )
}

fn waits(plan: &Plan, later: StepId, earlier: StepId) -> bool {
    let after = &plan.steps[later].after;
    after.contains(&earlier) || after.iter().any(|id| waits(plan, *id, earlier))
}

fn up(project: &Project) -> Plan {
    plan(project, &Observed::default(), &wish(Goal::Up)).unwrap()
}

#[test]
fn what_others_depend_on_starts_first_and_stops_last() {
    let file = with("db", |db| db.depends_on.push(on("web", Condition::Started)));
    let mut file = file;
    file.containers.get_mut("web").unwrap().links.clear();
    let first = up(&file);
    assert!(waits(&first, start(&first, "db"), start(&first, "web")));
    let world = World::of(&file);
    let last = plan(&file, &world.look(), &wish(Goal::Stop)).unwrap();
    assert!(waits(&last, stop(&last, "web"), stop(&last, "db")));
    assert!(!waits(&last, stop(&last, "cache"), stop(&last, "db")));
    let again = plan(&file, &world.look(), &wish(Goal::Restart)).unwrap();
    assert!(waits(&again, stop(&again, "web"), stop(&again, "db")));
    assert!(waits(&again, start(&again, "db"), start(&again, "web")));
}

#[test]
fn links_order_starts_and_a_circle_of_them_orders_nothing() {
    let first = up(&shop());
    assert!(waits(&first, start(&first, "web"), start(&first, "db")));
    let ring = |word: &str, to: &str| {
        let mut one = container(word, 1, busybox());
        one.links.push((link(to), place(1)));
        one
    };
    let file = project(vec![
        ring("a", "b"),
        ring("b", "c"),
        ring("c", "a"),
        ring("d", "a"),
    ]);
    let made = up(&file);
    for (later, earlier) in [("a", "b"), ("b", "c"), ("c", "a")] {
        assert!(!waits(&made, start(&made, later), start(&made, earlier)));
    }
    assert!(waits(&made, start(&made, "d"), start(&made, "a")));
}

#[test]
fn a_clone_is_copied_when_its_origin_is_made_and_nothing_else_happens_to_it() {
    let made = up(&shop());
    let create = |word: &str| {
        at(
            &made,
            |s| matches!(s, Step::Create(spec) if spec.name.as_str() == word),
        )
    };
    let copy = create("cache");
    assert!(waits(&made, copy, create("db")));
    let names =
        |s: &Step| matches!(s, Step::WriteNames { container, .. } if container.as_str() == "db");
    let seed = |s: &Step| matches!(s, Step::Seed { container, .. } if container.as_str() == "db");
    for later in [at(&made, names), at(&made, seed), start(&made, "db")] {
        assert!(waits(&made, later, copy), "{made}");
    }
}

#[test]
fn everything_waits_for_the_record_and_what_destroys_for_everything_of_its_container() {
    let world = World::of(&shop());
    let file = with("web", |web| {
        web.source = Source::Rootfs("/srv/web.tar".into())
    });
    let made = plan(&file, &world.look(), &wish(Goal::Up)).unwrap();
    let last = made.steps.len() - 1;
    assert!(made.steps[last].step.is_final());
    assert!(waits(&made, last, start(&made, "web")));
    let first = up(&shop());
    assert!(matches!(first.steps[0].step, Step::SaveRecord(_)));
    assert!(first.steps[1..].iter().all(|p| p.after.contains(&0)));
}

#[test]
fn ports_go_before_their_container_stops_and_come_when_all_have_started() {
    let made = up(&shop());
    let publish = at(&made, |s| matches!(s, Step::Publish { .. }));
    for word in ["web", "db", "cache"] {
        assert!(waits(&made, publish, start(&made, word)));
    }
    let world = World::of(&shop());
    let made = plan(&shop(), &world.look(), &wish(DOWN)).unwrap();
    let publish = at(&made, |s| matches!(s, Step::Publish { .. }));
    assert!(waits(&made, stop(&made, "web"), publish));
    let bridge = at(&made, |s| matches!(s, Step::RemoveBridge { .. }));
    let close = at(&made, |s| matches!(s, Step::CloseNetwork(_)));
    let forget = at(&made, |s| matches!(s, Step::ForgetProject(_)));
    assert!(waits(&made, close, stop(&made, "web")));
    assert!(waits(&made, bridge, close) && waits(&made, forget, bridge));
}

#[test]
fn who_follows_others_is_decided_after_them_and_a_circle_last() {
    let follows = [
        ("a", &["d"][..]),
        ("b", &[]),
        ("c", &["b", "d", "gone"]),
        ("d", &["b"]),
        ("x", &["y"]),
        ("y", &["x"]),
        ("z", &["x"]),
    ];
    let one = |(word, needed): (&str, &[&str])| {
        let mut one = container(word, 1, busybox());
        let on = |word: &&str| Dependency {
            restart: true,
            ..on(word, Condition::Started)
        };
        one.depends_on = needed.iter().map(on).collect();
        one
    };
    let file = project(follows.into_iter().map(one).collect());
    let order = needs::in_order(&file, file.containers.keys()).into_iter();
    let order: Vec<&str> = order.map(Name::as_str).collect();
    assert_eq!(order, ["b", "d", "a", "c", "x", "y", "z"]);
}

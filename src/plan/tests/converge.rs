//! A second run has nothing to do, and a run that was killed anywhere is finished by the next one.

use super::apps::{mixed_with, on, settings};
use super::shop::{shop, with};
use super::world::World;
use super::*;
use crate::observed::{State, StrayCard};

fn nothing(world: &World, project: &Project, goal: Goal) {
    let text = world.text(project, &wish(goal.clone()));
    assert_eq!(text, "nothing to do", "{goal:?}");
}

#[test]
fn a_second_run_of_each_goal_has_nothing_to_do() {
    let keep = Goal::Down {
        keep: true,
        volumes: false,
    };
    let all = Goal::Down {
        keep: false,
        volumes: true,
    };
    let quiet = [Goal::Freeze, Goal::Unports, Goal::Unlinks, Goal::Remove];
    let ends = [Goal::Up, Goal::Stop, START, Goal::Cleanup, keep, DOWN, all];
    for goal in quiet.into_iter().chain(ends) {
        let mut world = World::of(&shop());
        world.run(&shop(), &wish(goal.clone()));
        nothing(&world, &shop(), goal);
        world.run(&shop(), &wish(Goal::Up));
        nothing(&world, &shop(), Goal::Up);
    }
}

#[test]
fn a_run_killed_after_any_step_is_finished_by_the_next() {
    let remade = with("web", |web| {
        web.source = Source::Rootfs("/srv/web.tar".into())
    });
    let mut moved = shop();
    moved.network.subnet = "10.250.0.0/24".parse().ok();
    for (file, from) in [
        (&shop(), World::default()),
        (&remade, World::of(&shop())),
        (&moved, World::of(&shop())),
    ] {
        let whole = plan(file, &from.look(), &wish(Goal::Up)).unwrap();
        for end in 0..=whole.steps.len() {
            let mut world = from.clone();
            world.follow(&whole, end);
            world.run(file, &wish(Goal::Up));
            nothing(&world, file, Goal::Up);
            assert!(world.aside.is_empty() && world.half.is_empty());
        }
    }
}

#[test]
fn a_recreation_killed_before_the_new_self_is_whole_can_be_taken_back() {
    let remade = with("web", |web| {
        web.source = Source::Rootfs("/srv/web.tar".into())
    });
    let from = World::of(&shop());
    let old = from.seen.containers["web"].mark.clone();
    let whole = plan(&remade, &from.look(), &wish(Goal::Up)).unwrap();
    let aside = |p: &PlannedStep| matches!(p.step, Step::SetAside { .. });
    let aside = whole.steps.iter().position(aside).unwrap();
    for end in [aside, aside + 1] {
        let mut world = from.clone();
        world.follow(&whole, end);
        world.run(&shop(), &wish(START));
        assert_eq!(world.seen.containers["web"].mark, old);
        nothing(&world, &shop(), Goal::Up);
    }
}

#[test]
fn a_taking_down_killed_after_any_step_is_finished_by_the_next() {
    let all = Goal::Down {
        keep: false,
        volumes: true,
    };
    let from = World::of(&shop());
    let whole = plan(&shop(), &from.look(), &wish(all.clone())).unwrap();
    for end in 0..=whole.steps.len() {
        let mut world = from.clone();
        world.follow(&whole, end);
        world.run(&shop(), &wish(all.clone()));
        assert!(world.seen.containers.is_empty());
        assert_eq!(world.seen.record, None);
        assert!(world.seen.network.bridges.is_empty());
        nothing(&world, &shop(), all.clone());
    }
}

#[test]
fn what_a_killed_run_asked_to_stop_is_started_again() {
    let mut world = World::of(&shop());
    world.container("web").stopping = true;
    let text = world.text(&shop(), &wish(Goal::Up));
    let verbs: Vec<&str> = text.lines().map(|line| &line[..9]).collect();
    assert_eq!(verbs, ["- stop   ", "+ start  "], "{text}");
    assert!(text.contains("an earlier run did not finish it"), "{text}");
}

#[test]
fn cards_of_running_containers_are_put_back_on_a_bridge_that_was_deleted() {
    let mut world = World::of(&shop());
    let mark = world.container("web").mark.clone().unwrap();
    world.seen.network.bridges.clear();
    let veth = mark.spec.nic.unwrap().veth;
    world.seen.network.strays = vec![StrayCard {
        container: name("web"),
        bridge: "lk-shop".into(),
        card: Some(veth.clone()),
        misfit: false,
    }];
    let made = plan(&shop(), &world.look(), &wish(Goal::Up)).unwrap();
    let cards = made.steps.iter().find_map(|planned| match &planned.step {
        Step::EnsureBridge { cards, .. } => Some(cards.clone()),
        step if step.container().is_some() => panic!("a container is touched: {step:?}"),
        _ => None,
    });
    assert_eq!(cards, Some(vec![veth]));
}

#[test]
fn a_container_whose_card_is_gone_is_started_again() {
    let mut world = World::of(&shop());
    world.seen.network.strays = vec![StrayCard {
        container: name("web"),
        bridge: "lk-shop".into(),
        card: None,
        misfit: false,
    }];
    let text = world.text(&shop(), &wish(Goal::Up));
    let verbs: Vec<&str> = text.lines().map(|line| &line[..9]).collect();
    assert_eq!(verbs, ["- stop   ", "+ start  "], "{text}");
    assert!(text.contains("its network card is gone"), "{text}");
}

#[test]
fn ports_puts_back_what_somebody_flushed_the_network_included() {
    let mut world = World::of(&shop());
    let whole = world.look();
    world.seen.firewall.rules.clear();
    world.seen.firewall.networks.clear();
    world.seen.network.forwarding = false;
    world.run(&shop(), &wish(Goal::Ports));
    assert_eq!(world.look(), whole);
    nothing(&world, &shop(), Goal::Ports);
}

/// `job` shares the network of `web`, and says that it depends on it, as people write it.
fn sharing() -> Project {
    mixed_with("job", |c| {
        settings(c).network = AppNetwork::Container(name("web"));
        c.depends_on = vec![on("web", Condition::Started)];
    })
}

/// The lines of a plan that are about `job`.
fn of_job(text: &str) -> Vec<String> {
    let words = text.lines().map(|line| line.split_whitespace().take(3));
    let words = words.map(|words| words.collect::<Vec<_>>().join(" "));
    words.filter(|line| line.ends_with(" job")).collect()
}

#[test]
fn who_shares_a_network_follows_it_whatever_it_says_of_depends_on() {
    let file = sharing();
    let text = World::of(&file).text(&file, &chosen(Goal::Restart, &["web"]));
    let lines = of_job(&text);
    assert!(
        lines.contains(&"- stop job".into()) && lines.contains(&"+ start job".into()),
        "{text}"
    );
}

#[test]
fn who_shares_a_network_is_joined_to_the_new_self_also_when_it_does_not_run() {
    let mut file = sharing();
    let mut world = World::of(&file);
    world.container("job").state = State::Stopped;
    settings(file.containers.get_mut("web").unwrap()).command = Some(vec!["x".into()]);
    let text = world.text(&file, &wish(Goal::Up));
    assert!(of_job(&text).contains(&"+ create job".into()), "{text}");
    // Its work is done: it is left alone.
    let waits = on("job", Condition::Completed);
    file.containers
        .get_mut("db")
        .unwrap()
        .depends_on
        .push(waits);
    world.container("job").exit = Some(0);
    let text = world.text(&file, &wish(Goal::Up));
    assert_eq!(of_job(&text), [""; 0], "{text}");
}

#[test]
fn who_shares_a_network_is_joined_to_the_new_self_also_when_only_that_was_asked_for() {
    let file = sharing();
    let mut world = World::of(&file);
    world.container("job").state = State::Stopped;
    let asked = Wish {
        recreate: Recreate::Force,
        ..chosen(Goal::Up, &["web"])
    };
    let text = world.text(&file, &asked);
    let lines = of_job(&text);
    assert!(
        lines.contains(&"+ create job".into()) && !lines.contains(&"+ start job".into()),
        "{text}"
    );
    // One that was parted otherwise is refused before the engine does it without saying what to do.
    world.container("job").parted = true;
    let problems = plan(&file, &world.look(), &chosen(START, &["job"])).unwrap_err();
    let help = problems[0].help.as_deref();
    assert_eq!(help, Some("make it anew: locker up job"), "{problems:?}");
}

#[test]
fn who_is_joined_to_a_network_that_is_gone_is_made_anew() {
    let file = sharing();
    let mut world = World::of(&file);
    world.container("job").parted = true;
    let text = world.text(&file, &wish(Goal::Up));
    assert!(of_job(&text).contains(&"+ create job".into()), "{text}");
    assert!(
        text.contains("the network that it shares is gone"),
        "{text}"
    );
    let goal = Goal::Stop;
    assert!(!world.text(&file, &wish(goal)).contains("create"));
}

#[test]
fn create_starts_nobody_to_join_what_it_does_not_start() {
    let file = sharing();
    let mut world = World::of(&file);
    world.seen.containers.remove(&name("web"));
    for _ in 0..2 {
        let text = world.run(&file, &wish(Goal::Create));
        assert_eq!(of_job(&text), [""; 0], "{text}");
        world.container("job").parted = true;
    }
    let text = world.run(&file, &wish(Goal::Up));
    assert!(of_job(&text).contains(&"+ create job".into()), "{text}");
    assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
}

#[test]
fn what_has_done_its_work_is_not_set_up_until_it_runs_again() {
    let mut file = sharing();
    let waits = on("job", Condition::Completed);
    let db = file.containers.get_mut("db").unwrap();
    db.depends_on.push(waits);
    let mut world = World::of(&file);
    let job = world.container("job");
    (job.state, job.exit) = (State::Stopped, Some(0));
    job.mark.as_mut().unwrap().setup_done = false;
    let setup = vec![InnerCommand::Shell("true".into())];
    file.containers.get_mut("job").unwrap().setup = setup;
    let text = world.text(&file, &wish(Goal::Up));
    assert!(!of_job(&text).contains(&"+ setup job".into()), "{text}");
    let text = world.text(&file, &chosen(START, &["job"]));
    assert!(of_job(&text).contains(&"+ start job".into()), "{text}");
}

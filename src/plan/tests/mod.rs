//! Tests of the planner: whole plan texts, refusals, order, and convergence on a simulated host.

mod app_networks;
mod app_plans;
mod app_rules;
mod apps;
mod beside_compose;
mod converge;
mod denied;
mod engine_down;
mod granted;
mod isolated;
mod jobs;
mod mtu;
mod name_servers;
mod on_demand;
mod on_networks;
mod order;
mod places;
mod plans;
mod properties;
mod refusals;
mod service_states;
mod shop;
mod speed;
mod supervised;
mod take_over;
mod unheld;
mod unplugged;
mod volume_ids;
mod volumes;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::model::*;

fn name(word: &str) -> Name {
    Name::new(word).unwrap()
}

fn place(line: u32) -> Place {
    Place::new(Path::new("locker.yaml").into(), line, 5)
}

fn port(text: &str) -> Port {
    text.parse().unwrap()
}

fn wish(goal: Goal) -> Wish {
    Wish {
        goal,
        selection: None,
        no_ports: false,
        no_links: false,
        host_names: false,
        no_copy: false,
        timeout: Some(Duration::from_secs(1)),
        lxcpath: PathBuf::from("/var/lib/lxc"),
        remove_orphans: false,
        recreate: Recreate::Changed,
        no_deps: false,
        wait: None,
        program: "/usr/bin/locker".into(),
        copy: None,
        state_dir: None,
        renew_anonymous: false,
        settle: Duration::ZERO,
        moved: None,
    }
}

fn chosen(goal: Goal, names: &[&str]) -> Wish {
    Wish {
        selection: Some(names.iter().map(|word| name(word)).collect()),
        ..wish(goal)
    }
}

const START: Goal = Goal::Start { restart: false };
const DOWN: Goal = Goal::Down {
    keep: false,
    volumes: false,
};

//! Profiles and replicas.

use super::{Home, project};
use crate::file::{LoadError, LoadOptions, load};
use crate::model::{Name, Project};

const PROFILES: &str = "services:\n  foo: {template: x}\n  bar: {template: x, profiles: [test]}\n  \
    baz: {template: x, profiles: [test], depends_on: [bar]}\n  zot: {template: x, profiles: [debug], depends_on: [bar]}\n";

fn names(project: &Project) -> Vec<&str> {
    project.containers.keys().map(Name::as_str).collect()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| word.to_string()).collect()
}

#[test]
fn a_container_takes_part_when_one_of_its_profiles_is_enabled() {
    let home = Home::new(&[("compose.yaml", PROFILES)]);
    for (profiles, named, expected) in [
        (vec![], vec![], Some(vec!["foo"])),
        (vec!["test"], vec![], Some(vec!["bar", "baz", "foo"])),
        (vec!["*"], vec![], Some(vec!["bar", "baz", "foo", "zot"])),
        (
            vec!["debug", "test"],
            vec![],
            Some(vec!["bar", "baz", "foo", "zot"]),
        ),
        (vec![], vec!["bar"], Some(vec!["bar", "baz", "foo"])),
        (
            vec!["test"],
            vec!["zot"],
            Some(vec!["bar", "baz", "foo", "zot"]),
        ),
        // `zot` needs `bar`, whose profile is not enabled.
        (vec!["debug"], vec![], None),
        (vec![], vec!["zot"], None),
    ] {
        let options = LoadOptions {
            profiles: words(&profiles),
            named: words(&named),
            ..home.options()
        };
        match expected {
            Some(expected) => assert_eq!(names(&home.project(&options)), expected),
            None => assert!(load(&options).is_err(), "{profiles:?} {named:?}"),
        }
    }
    let options = LoadOptions {
        profiles: words(&["debug"]),
        ..home.options()
    };
    let drawn = home.drawn(&options);
    assert!(
        drawn.contains("error: depends on `bar`, whose profile `test` is not enabled\n"),
        "{drawn}"
    );
    let project = home.project(&home.options());
    let disabled: Vec<&str> = project.disabled.keys().map(Name::as_str).collect();
    assert_eq!(disabled, ["bar", "baz", "zot"]);
    assert_eq!(project.disabled["bar"], ["test"]);
}

#[test]
fn a_profile_that_is_wrong_is_told() {
    let home = Home::new(&[("compose.yaml", PROFILES)]);
    let options = LoadOptions {
        profiles: words(&["tset"]),
        ..home.options()
    };
    let drawn = home.drawn(&options);
    assert!(
        drawn.contains("no container has the profile `tset`"),
        "{drawn}"
    );
    assert!(drawn.contains("did you mean `test`?"), "{drawn}");
    super::errors::titles(
        "containers: {a: {template: x, profiles: [\"a b\"]}, b: {template: x, profiles: c}}\n",
        &[
            "`a b` is not the name of a profile; it is made of letters, digits, `_`, `.` and `-`",
            "`profiles` takes a list, not a single value",
        ],
    );
    super::errors::titles(
        "defaults: {profiles: [x], scale: 2}\ncontainers: {a: {template: x}}\n",
        &[
            "`profiles` cannot stand in `defaults`",
            "`scale` cannot stand in `defaults`",
        ],
    );
}

#[test]
fn replicas_have_names_ports_and_everything_that_names_them() {
    let project = project(
        "groups: {front: [web]}\ncontainers:\n  \
         web: {template: x, scale: 3, ports: [\"127.0.0.1:8000-8002:80\", \"0:81\", {published: 9000-9009, target: 90}], volumes: [\"/data/$name:/d\"]}\n  \
         one: {image: x, deploy: {replicas: 1}}\n  \
         none: {template: x, scale: 0}\n  \
         lb: {template: x, depends_on: [web, none], links: [\"web:app\", web, none]}\n",
    );
    assert_eq!(names(&project), ["lb", "one", "web", "web-2", "web-3"]);
    let ports = |name: &str| -> Vec<String> {
        let ports = project.containers[name].ports.iter();
        ports.map(|(port, _)| port.to_string()).collect()
    };
    assert_eq!(
        ports("web"),
        ["127.0.0.1:8000:80/tcp", "0:81/tcp", "9000:90/tcp"]
    );
    assert_eq!(
        ports("web-3"),
        ["127.0.0.1:8002:80/tcp", "0:81/tcp", "9002:90/tcp"]
    );
    let volume = |name: &str| project.containers[name].volumes[0].0.to_string();
    assert_eq!(volume("web-2"), "/data/web-2:/d");
    let web = Name::new("web").ok();
    for name in ["web", "web-2", "web-3"] {
        assert_eq!(project.containers[name].replica_of, web);
        assert_eq!(project.containers[name].groups.len(), 1);
    }
    assert_eq!(project.containers["one"].replica_of, None);
    assert!(project.none.contains("none") && project.none.len() == 1);
    assert_eq!(project.groups["front"].len(), 3);
    let lb = &project.containers["lb"];
    let on: Vec<&str> = lb.depends_on.iter().map(|d| d.on.as_str()).collect();
    assert_eq!(on, ["web", "web-2", "web-3"]);
    let links: Vec<String> = lb.links.iter().map(|(link, _)| link.to_string()).collect();
    assert_eq!(
        links,
        [
            "web:app",
            "web",
            "web-2:app",
            "web-3:app",
            "web-2:web",
            "web-3:web"
        ]
    );
}

#[test]
fn the_command_line_wins_over_the_file() {
    let home = Home::new(&[(
        "locker.yaml",
        "containers: {a: {template: x, scale: 3}, b: {template: x}}\n",
    )]);
    let options = |name: &str, count: u32| LoadOptions {
        scale: [(name.to_string(), count)].into(),
        ..home.options()
    };
    assert_eq!(names(&home.project(&options("a", 1))), ["a", "b"]);
    assert_eq!(names(&home.project(&options("a", 0))), ["b"]);
    assert_eq!(
        names(&home.project(&options("b", 2))),
        ["a", "a-2", "a-3", "b", "b-2"]
    );
    let Err(LoadError::Invalid(all)) = load(&options("aa", 2)) else {
        panic!("an unknown name was taken");
    };
    assert_eq!(
        all[0].message,
        "`--scale aa`: this project has no container `aa`"
    );
    assert!(load(&options("a", 1_000_000_000)).is_err());
}

#[test]
fn what_replicas_cannot_share_is_refused() {
    for (body, expected) in [
        (
            "scale: 3, ports: [\"80:80\"]",
            "the host port 80 cannot serve 3 replicas of `a`",
        ),
        (
            "scale: 3, ports: [\"80-81:80\"]",
            "the host ports 80-81 cannot serve 3 replicas of `a`",
        ),
        (
            "scale: 2, ports: [\"80-81:80-81\"]",
            "the host ports 80-81 cannot serve 2 replicas of `a`",
        ),
        (
            "scale: 2, deploy: {replicas: 3}",
            "`scale` is 2 and `deploy.replicas` is 3",
        ),
        ("scale: many", "`scale` is a whole number, not `many`"),
        ("scale: 1001", "1001 replicas of `a` are too many"),
        (
            "scale: 2}, a-2: {template: x",
            "a replica of `a` would be called `a-2`, as another container is",
        ),
        (
            "scale: 0}, b: {clone: a",
            "copies `a`, which is scaled to nothing",
        ),
        (
            "scale: 2, container_name: x",
            "`a` has several replicas; they cannot all have one name",
        ),
    ] {
        let text = format!("containers: {{a: {{template: x, {body}}}}}\n");
        let drawn = super::drawn(&text);
        assert!(
            drawn.contains(&format!("error: {expected}\n")),
            "{text}\n{drawn}"
        );
        if body.contains("ports") {
            assert_eq!(drawn.matches("error: ").count(), 1, "{text}\n{drawn}");
        }
    }
    let drawn =
        super::drawn("containers: {a: {template: x, scale: 3, ports: [\"[::]:80:80/udp\"]}}\n");
    assert!(drawn.contains("`[::]:80-82:80/udp`"), "{drawn}");
}

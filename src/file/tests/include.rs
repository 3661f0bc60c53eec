//! Files that are included.

use super::{Home, load};

#[test]
fn an_included_file_is_a_project_of_its_own_until_it_is_taken_over() {
    let home = Home::new(&[
        (
            "compose.yaml",
            "include:\n  - db/compose.yaml\n  - {path: [web/a.yaml, web/b.yaml], project_directory: ., env_file: [web/x.env]}\nservices: {a: {template: x, depends_on: [db]}}\n",
        ),
        (
            "db/compose.yaml",
            "name: other\nversion: \"3\"\ninclude: [sub/compose.yaml]\nservices: {db: {template: \"$T\", volumes: [\"./d:/d\"]}}\n",
        ),
        ("db/.env", "T=busybox\nBOTH=inner\n"),
        (
            "db/sub/compose.yaml",
            "services: {sub: {template: \"$T\", environment: {B: \"$BOTH\"}}}\n",
        ),
        (
            "web/a.yaml",
            "services: {web: {template: x, volumes: [\"./w:/w\"], environment: {X: $X}}}\n",
        ),
        ("web/b.yaml", "services: {web: {fqdn: web.net}}\n"),
        ("web/x.env", "X=1\n"),
    ]);
    let mut options = home.options();
    options.environment = [("BOTH".to_string(), "outer".to_string())].into();
    assert_eq!(
        home.titles(&options),
        ["warning: `version` has no meaning any more; it is ignored"]
    );
    std::fs::write(
        home.path().join("db/compose.yaml"),
        "include: [sub/compose.yaml]\nservices: {db: {template: \"$T\", volumes: [\"./d:/d\"]}}\n",
    )
    .unwrap();
    let project = home.project(&options);
    let names: Vec<&str> = project
        .containers
        .keys()
        .map(|name| name.as_str())
        .collect();
    assert_eq!(names, ["a", "db", "sub", "web"]);
    let path = home.path().display().to_string();
    let volume = |name: &str| project.containers[name].volumes[0].0.to_string();
    assert_eq!(volume("db"), format!("{path}/db/d:/d"));
    assert_eq!(volume("web"), format!("{path}/w:/w"));
    assert_eq!(project.containers["sub"].environment["B"], "outer");
    assert_eq!(project.containers["web"].environment["X"], "1");
    assert!(project.containers["web"].fqdn.is_some());
}

#[test]
fn a_file_that_is_a_link_lies_where_the_link_lies() {
    let body = "services: {t: {template: x, environment: {WHO: $WHO}, volumes: [\"./d:/d\"]}}\n";
    let home = Home::new(&[
        ("common/compose.yaml", body),
        ("common/.env", "WHO=nobody\n"),
        ("sa/.env", "WHO=sa\n"),
        (
            "sa/compose.override.yaml",
            "services: {t: {fqdn: sa.net}}\n",
        ),
        ("inc/.env", "WHO=inc\n"),
        (
            "ext/compose.yaml",
            "services: {u: {extends: {file: sub/link.yaml, service: t}}}\n",
        ),
        ("ext/sub/x", ""),
        ("compose.yaml", "include: [inc/link.yaml]\n"),
    ]);
    let link = |link: &str, to: &str| {
        std::os::unix::fs::symlink(to, home.path().join(link)).unwrap();
    };
    link("sa/compose.yaml", "../common/compose.yaml");
    link("inc/link.yaml", "../common/compose.yaml");
    link("ext/sub/link.yaml", "../../common/compose.yaml");
    link("sb", "sa");
    let path = home.path().display().to_string();
    let read = |cwd: &str, file: Option<&str>| {
        let mut options = home.options();
        options.cwd.push(cwd);
        options.project_name = None;
        options.environment = [("WHO".to_string(), "env".to_string())].into();
        if cwd != "ext" {
            options.environment.clear();
        }
        options.files = file.into_iter().map(Into::into).collect();
        load(&options).unwrap().project
    };
    // Found, named, and found through a link of the directory, which is another matter.
    for (cwd, file) in [("sa", None), (".", Some("sa/compose.yaml")), ("sb", None)] {
        let project = read(cwd, file);
        assert_eq!(project.name.as_str(), "sa");
        let container = &project.containers["t"];
        assert_eq!(container.environment["WHO"], "sa");
        assert_eq!(
            container.volumes[0].0.to_string(),
            format!("{path}/sa/d:/d")
        );
        assert_eq!(container.fqdn.is_some(), file.is_none());
    }
    let included = &read(".", None).containers["t"];
    assert_eq!(included.environment["WHO"], "inc");
    assert_eq!(
        included.volumes[0].0.to_string(),
        format!("{path}/inc/d:/d")
    );
    let extended = &read("ext", None).containers["u"];
    assert_eq!(
        extended.volumes[0].0.to_string(),
        format!("{path}/ext/sub/d:/d")
    );
}

#[test]
fn a_project_may_be_made_of_included_files_only() {
    let home = Home::new(&[
        ("compose.yaml", "include: [a.yaml, b.yaml]\n"),
        // On two ways the same file is no conflict.
        (
            "a.yaml",
            "include: [c.yaml]\nservices: {a: {template: x}}\n",
        ),
        ("b.yaml", "include: [c.yaml]\n"),
        ("c.yaml", "services: {c: {template: x}}\nvolumes: {v: }\n"),
        // What was included may be changed by a later file.
        ("compose.override.yaml", "services: {c: {fqdn: c.net}}\n"),
    ]);
    let project = home.project(&home.options());
    assert_eq!(project.containers.len(), 2);
    assert!(project.containers["c"].fqdn.is_some());
}

#[test]
fn what_cannot_be_included_is_refused_and_what_lies_outside_is_told() {
    let outside = Home::new(&[("x.yaml", "services: {x: {template: x}}\n")]);
    let out = outside.path().join("x.yaml").display().to_string();
    for (include, expected) in [
        (format!("[{out}]"), format!("warning: `{out}` leads out of the project's directory `HOME`")),
        ("[../../x.yaml]".into(), "error: cannot find `../../x.yaml`".into()),
        ("[link.yaml]".into(), "warning: `link.yaml` leads out of the project's directory `HOME`".into()),
        ("[\"https://example.com/x.git\"]".into(), "error: `https://example.com/x.git` is not on this host; only local files are included".into()),
        ("[\"oci://docker.io/x:1\"]".into(), "error: `oci://docker.io/x:1` is not on this host".into()),
        ("[\"git@github.com:x/y\"]".into(), "error: `git@github.com:x/y` is not on this host".into()),
        ("[{path: ok.yaml, project_directory: ..}]".into(), "warning: `..` leads out of the project's directory `HOME`".into()),
        ("[{path: ok.yaml, env_file: /etc/passwd}]".into(), "warning: `/etc/passwd` leads out of the project's directory `HOME`".into()),
        ("[{path: ok.yaml, env_file: bad.env}]".into(), "error: cannot read the variables in `HOME/bad.env`: line 1: this is no `NAME=VALUE`".into()),
        ("[nosuch.yaml]".into(), "error: cannot find `nosuch.yaml`: No such file or directory (os error 2)".into()),
        ("[.]".into(), "error: cannot read ``: not a regular file".into()),
        ("[{paht: x}]".into(), "error: an item of `include` needs `path`".into()),
        ("ok.yaml".into(), "error: `include` takes a list, not a single value".into()),
        ("[locker.yaml]".into(), "error: `services` and `containers` are two layouts; all files of a project have the same".into()),
        ("[own.yaml]".into(), "error: `firewall` stands in a file that is included".into()),
    ] {
        let home = Home::new(&[
            ("compose.yaml", &format!("services: {{a: {{template: x}}}}\ninclude: {include}\n")),
            ("ok.yaml", "services: {b: {template: x}}\n"),
            ("own.yaml", "firewall: none\nservices: {b: {template: x}}\n"),
            ("bad.env", "no variable\n"),
            ("sub/locker.yaml", ""),
        ]);
        std::fs::write(home.path().join("locker.yaml"), "containers: {b: {template: x}}\n").unwrap();
        std::os::unix::fs::symlink(&out, home.path().join("link.yaml")).unwrap();
        let mut options = home.options();
        options.files = vec!["compose.yaml".into()];
        let expected = expected.replace("HOME", &home.path().display().to_string());
        let titles = home.titles(&options);
        assert!(titles[0].starts_with(&expected) || titles.iter().any(|t| t.starts_with(&expected)), "{include}: {titles:#?}\n{expected}");
    }
}

#[test]
fn files_that_include_each_other_are_told_as_a_chain() {
    let home = Home::new(&[
        ("compose.yaml", "include: [a.yaml]\n"),
        ("a.yaml", "include: [sub/b.yaml]\n"),
        (
            "sub/b.yaml",
            "services: {b: {template: x}}\ninclude: [../a.yaml]\n",
        ),
    ]);
    assert_eq!(
        home.drawn(&home.options()),
        "\
error: a circle: `a.yaml` includes `sub/b.yaml` includes `a.yaml`
 --> sub/b.yaml:2:11
  |
2 | include: [../a.yaml]
  |           ^^^^^^^^^
"
    );
}

#[test]
fn two_things_of_one_name_are_shown_at_both_places() {
    let home = Home::new(&[
        (
            "compose.yaml",
            "include: [a.yaml]\nservices:\n  web: {template: x}\n",
        ),
        ("a.yaml", "services:\n  web: {template: y}\n"),
    ]);
    assert_eq!(
        home.drawn(&home.options()),
        "\
error: `web` is defined here and in a file that is included
 --> compose.yaml:3:3
  |
3 |   web: {template: x}
  |   ^^^
  |
 ::: a.yaml:2:3
  |
2 |   web: {template: y}
  |   --- defined here too
  |
  = help: give one of them another name, or take one away
"
    );
}

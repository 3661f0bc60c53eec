//! Builds without an engine: what is sent and how a failure is told.

use super::super::build_log::base_of;
use super::*;
use bollard::models::BuildInfo;
use std::fs;
use std::sync::Mutex;

/// A build of a directory without wishes.
pub(in super::super) fn plan(context: &Path) -> Build {
    Build {
        image: "shop_web".into(),
        tags: Vec::new(),
        context: context.into(),
        dockerfile: None,
        inline: None,
        args: Default::default(),
        target: None,
        labels: Default::default(),
        cache_from: Vec::new(),
        no_cache: false,
        pull: false,
        network: None,
        extra_hosts: Vec::new(),
        shm_size: None,
        platform: None,
    }
}

fn own(context: &Context) -> Vec<(&str, String)> {
    let own = context.own.iter();
    own.map(|(name, bytes)| (name.as_str(), String::from_utf8_lossy(bytes).into_owned()))
        .collect()
}

#[test]
fn a_dockerfile_of_the_context_is_sent_as_it_is_and_any_other_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let (root, outside) = (dir.path().join("ctx"), dir.path().join("Other"));
    fs::create_dir_all(root.join("sub")).unwrap();
    for path in [
        root.join("dockerfile"),
        root.join("sub/File"),
        outside.clone(),
    ] {
        fs::write(path, "FROM scratch").unwrap();
    }
    std::os::unix::fs::symlink(&outside, root.join("Link")).unwrap();
    let mut build = plan(&root);
    let (context, name) = prepare(&build).unwrap();
    assert_eq!((name.as_str(), context.own.len()), ("dockerfile", 0));
    build.dockerfile = Some(root.join("sub/File"));
    assert_eq!(prepare(&build).unwrap().1, "sub/File");
    for path in [outside, root.join("Link"), root.join("../Other")] {
        build.dockerfile = Some(path);
        let (context, name) = prepare(&build).unwrap();
        assert_eq!(name, SENT);
        let rules = format!("{IGNORE}\n{SENT}\n");
        assert_eq!(
            own(&context),
            [(IGNORE, rules), (SENT, "FROM scratch".into())]
        );
    }
    build.inline = Some("FROM busybox\n".into());
    fs::write(root.join(IGNORE), "*.o").unwrap();
    let (context, _) = prepare(&build).unwrap();
    assert_eq!(own(&context)[0].1, format!("*.o\n{SENT}\n"));
    assert_eq!(own(&context)[1].1, "FROM busybox\n");
}

#[test]
fn rules_beside_the_dockerfile_go_before_those_of_the_context() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("Prod");
    fs::write(&file, "FROM scratch").unwrap();
    fs::write(dir.path().join(IGNORE), "a").unwrap();
    fs::write(dir.path().join("Prod.dockerignore"), "b").unwrap();
    let mut build = plan(dir.path());
    build.dockerfile = Some(file);
    let (context, _) = prepare(&build).unwrap();
    assert!(context.ignore.is_ignored("b") && !context.ignore.is_ignored("a"));
}

#[test]
fn what_is_missing_or_broken_is_named_before_anything_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let error = |build: &Build| prepare(build).err().unwrap().to_string();
    assert!(error(&plan(&dir.path().join("gone"))).contains("gone` is not a directory"));
    let build = plan(dir.path());
    assert!(error(&build).contains("/Dockerfile`: No such file"));
    fs::write(dir.path().join("Dockerfile"), "FROM scratch").unwrap();
    fs::write(dir.path().join(IGNORE), "a\n[").unwrap();
    let text = error(&build);
    assert!(
        text.contains(".dockerignore`, line 2") && text.contains("shop_web"),
        "{text}"
    );
}

#[test]
fn an_argument_without_a_value_is_the_builders_own_or_left_to_the_dockerfile() {
    let mut build = plan(Path::new("/"));
    build.args = [("PATH", None), ("LOCKER_NO_SUCH", None), ("A", Some("1"))]
        .map(|(key, value)| (key.into(), value.map(String::from)))
        .into();
    build.tags = vec!["r.example:5/x".into()];
    build.extra_hosts = vec![("db".into(), "192.0.2.1".into())];
    build.shm_size = Some(1 << 33);
    let options = options(&build, "Dockerfile".into());
    let args = options.buildargs.unwrap();
    assert_eq!(args.get("PATH"), std::env::var("PATH").ok().as_ref());
    assert_eq!(args.len(), 2);
    assert_eq!(
        repeated(&build),
        "t=r.example%3A5%2Fx%3Alatest&extrahosts=db%3A192.0.2.1&shmsize=8589934592"
    );
}

#[test]
fn a_failing_step_is_told_with_the_end_of_what_it_said() {
    let lines = Mutex::new(Vec::new());
    let build = plan(Path::new("/"));
    let mut log = Log::new(&build);
    for text in [
        "Step 1/2 : FROM busybox\n ---> ab\nStep 2/2 : RUN ma",
        "ke\n ---> Running in ab\n",
        "one\n\u{1b}[91mtwo\n\u{1b}[0mno end",
    ] {
        let news = BuildInfo {
            stream: Some(text.into()),
            ..BuildInfo::default()
        };
        log.hear(&news, &|line| lines.lock().unwrap().push(line.to_owned()));
    }
    assert_eq!(lines.lock().unwrap()[2], "Step 2/2 : RUN make");
    let error = bollard::errors::Error::DockerStreamError {
        error: "returned a non-zero code: 3".into(),
    };
    let BackendError::Image { reason, log, .. } = log.failure(&error) else {
        panic!("not an error of an image");
    };
    assert_eq!(
        reason,
        "`Step 2/2 : RUN make` failed: returned a non-zero code: 3"
    );
    assert_eq!(log, ["one", "two", "no end"]);
}

#[test]
fn the_base_image_is_what_from_names() {
    for (step, base) in [
        ("Step 1/2 : FROM r.example/x AS y", Some("r.example/x")),
        ("Step 1/2 : from --platform=linux/arm64 z", Some("z")),
        ("Step 1/2 : RUN from x", None),
        ("", None),
    ] {
        assert_eq!(base_of(step), base, "{step}");
    }
}

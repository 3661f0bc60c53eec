//! Containers that fail as they start: told by the run that started them, always.

use crate::beside::on_a_host_with_docker;
use crate::project::Project;

/// At once, after a wait, and after work that takes a while.
const ENDS: [&str; 3] = [
    "exit 3",
    "sleep 0.1; exit 3",
    "i=0; while [ $i -lt 9000 ]; do i=$((i + 1)); done; exit 3",
];

const APPLICATION: &str = "image: busybox:test\n    command: [sh, /job]";
const SYSTEM: &str =
    "template: {name: tiny}\n    config: [\"lxc.init.cmd = /bin/sh /job\"]\n    links: [well]";

/// One for each source and end, and one that is well.
fn file(sources: &[&str], supervisor: &str, restart: &str) -> String {
    let common = format!("supervisor: {supervisor}\n    stop_grace_period: 0s");
    let mut text = format!("  well:\n    image: busybox:test\n    {common}\n");
    for (kind, source) in sources.iter().enumerate() {
        for end in 0..ENDS.len() {
            text += &format!(
                "  bad{kind}{end}:\n    {source}\n    {common}\n    restart: {restart}\n    \
                 volumes: [\"./job{end}:/job:ro\"]\n"
            );
        }
    }
    text
}

/// How that is told, with the exit code where nobody has started it again.
fn is_told(said: &str, name: &str) -> bool {
    let told = [
        format!("`{name}` has ended with exit code 3"),
        format!("`{name}` ended by itself and was started again"),
    ];
    told.iter().any(|words| said.contains(words))
}

#[test]
fn a_container_that_fails_as_it_starts_is_told_by_that_run_always() {
    on_a_host_with_docker(|host| {
        for (end, script) in ENDS.iter().enumerate() {
            let script = format!("echo the last word of {end}\n{script}\n");
            host.write(&format!("/srv/early/job{end}"), &script);
        }
        let cases: [(&[&str], &str); 3] = [
            (&[APPLICATION, SYSTEM], "systemd"),
            (&[APPLICATION], "none"),
            (&[SYSTEM], "none"),
        ];
        for (sources, supervisor) in cases {
            for restart in ["\"no\"", "always"] {
                let project = Project::new(host, "early", &file(sources, supervisor, restart));
                let ran = project.locker("up");
                let case = format!("{supervisor} {restart}: {}", ran.err);
                assert_eq!(ran.code, 1, "{case}");
                for (kind, _) in sources.iter().enumerate() {
                    for end in 0..ENDS.len() {
                        assert!(
                            is_told(&ran.err, &format!("bad{kind}{end}")),
                            "bad{kind}{end}: {case}"
                        );
                        let word = format!("the last word of {end}");
                        assert!(ran.err.contains(&word), "{word}: {case}");
                    }
                }
                assert!(!is_told(&ran.err, "well"), "{case}");
                project.locker("down --yes").exits(0);
            }
        }
    });
}

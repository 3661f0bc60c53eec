//! One project of LXC and Docker containers: whichever came first, whatever changes, whenever it is killed.

use crate::beside::{answers, id, inside, left, on_a_host_with_docker};
use crate::machine::Host;
use crate::project::Project;

const DB: &str = "  db:\n    template: {name: tiny}\n    links: [web]\n    ports: [\"8080:80\"]\n";
const WEB: &str = "  web:\n    image: busybox:test\n    links: [\"db:database\"]\n    \
    stop_grace_period: 1s\n    ports: [\"8081:80\"]\n";
/// A check that the web server of both kinds passes as soon as it answers.
const CHECK: &str = "    healthcheck: {test: [CMD, wget, -q, -O, /dev/null, \"http://127.0.0.1/\"], interval: 200ms, retries: 50}\n";

/// Both answer from outside and reach each other by name, on the addresses that `status` shows.
#[track_caller]
fn both_work(host: &Host, project: &Project<'_>) {
    answers(host, 8080, "db");
    answers(host, 8081, "hello");
    let said = project.inside("db", "wget -q -O - http://web/").exits(0);
    assert_eq!(said.out, "hello\n");
    assert_eq!(
        inside(host, "both_web", "wget -q -O - http://database/"),
        "db"
    );
    let status = project.locker("status --format json").exits(0).out;
    let rows: serde_json::Value = serde_json::from_str(&status).expect("status is JSON");
    let text = rows.to_string();
    let address = project.ip("db");
    for wanted in ["\"lxc\"", "\"docker\"", "\"running\"", address.as_str()] {
        assert!(text.contains(wanted), "no {wanted} in {text}");
    }
    project.locker("plan --exit-code").exits(0);
}

#[test]
fn docker_joins_a_project_that_began_with_lxc_and_leaves_it_again() {
    on_a_host_with_docker(|host| {
        let project = Project::new(
            host,
            "both",
            "  db:\n    template: {name: tiny}\n    ports: [\"8080:80\"]\n",
        );
        project.up();
        let (alone, init) = (left(host), project.init("db"));
        answers(host, 8080, "db");
        project.rewrite(&format!("{DB}{WEB}"));
        project.up();
        both_work(host, &project);
        assert_eq!(project.init("db"), init, "the LXC container was touched");

        // A port is locker's own rule: no container is made anew or restarted for it.
        let web = id(host, "both_web");
        project.rewrite(&format!("{DB}{}", WEB.replace("8081:80", "8085:80")));
        project.up();
        answers(host, 8085, "hello");
        assert_eq!(host.fetch_from_outside(8081), None);
        assert_eq!((id(host, "both_web"), project.init("db")), (web, init));

        // One that left the file is shown and stays until it is told to go.
        project.rewrite("  db:\n    template: {name: tiny}\n    ports: [\"8080:80\"]\n");
        let ran = project.locker("up").exits(0);
        assert!(
            format!("{}{}", ran.out, ran.err).contains("--remove-orphans"),
            "{}",
            ran.err
        );
        answers(host, 8085, "hello");
        let status = project.locker("status").exits(0).out;
        assert!(
            status.contains("docker") && status.contains("web"),
            "{status}"
        );
        project.locker("up --remove-orphans --yes").exits(0);
        assert_eq!((left(host), project.init("db")), (alone, init));
        assert_eq!(host.fetch_from_outside(8085), None);
    });
}

#[test]
fn lxc_joins_a_project_that_began_with_docker() {
    on_a_host_with_docker(|host| {
        let alone = WEB.replace("    links: [\"db:database\"]\n", "");
        let project = Project::new(host, "both", &alone);
        project.up();
        answers(host, 8081, "hello");
        let (web, pid) = (
            id(host, "both_web"),
            host.sh("docker inspect -f '{{.State.Pid}}' both_web"),
        );
        project.rewrite(&format!("{WEB}{DB}"));
        project.up();
        both_work(host, &project);
        assert_eq!(
            id(host, "both_web"),
            web,
            "the Docker container was made anew"
        );
        assert_eq!(host.sh("docker inspect -f '{{.State.Pid}}' both_web"), pid);

        // A name that changes its kind: the new self takes the place of the old one.
        project.rewrite("  web:\n    template: {name: tiny}\n    ports: [\"8081:80\"]\n");
        project.locker("up --remove-orphans --yes").exits(0);
        answers(host, 8081, "web");
        assert_eq!(host.sh("docker ps -aq"), "");
        assert_eq!(project.state("web"), "RUNNING");
    });
}

#[test]
fn each_kind_waits_for_the_other_as_the_file_says() {
    on_a_host_with_docker(|host| {
        // once (LXC, ends) <- db (LXC, healthy) <- job (Docker, ends) <- web (Docker)
        let file = format!(
            "  web:\n    image: busybox:test\n    stop_grace_period: 0s\n    depends_on: {{job: {{condition: completed_successfully}}}}\n\
             \x20 job:\n    image: busybox:test\n    command: [sh, -c, \"wget -q -O /dev/null http://db/ && echo done\"]\n    \
             links: [db]\n    depends_on: {{db: {{condition: healthy}}}}\n\
             \x20 db:\n    template: {{name: tiny}}\n    depends_on: {{once: {{condition: completed_successfully}}}}\n{CHECK}\
             \x20 once:\n    template: {{name: tiny}}\n    config: [\"lxc.init.cmd = /bin/sh /once\"]\n"
        );
        let project = Project::new(host, "both", &file);
        project.locker("create once").exits(0);
        host.write(
            "/srv/both/once.sh",
            "sleep 0.5\ntouch /ended\nexit $(cat /code)\n",
        );
        host.sh("locker --version >/dev/null; cd /srv/both && locker cp once.sh once:/once && echo 3 > code && locker cp code once:/code");
        let ran = project.locker("up").exits(1);
        assert!(
            ran.err.contains("once") && ran.err.contains('3'),
            "{}",
            ran.err
        );
        assert_eq!(
            host.sh("docker ps -q"),
            "",
            "what depends on failed work runs"
        );

        host.sh("cd /srv/both && echo 0 > code && locker cp code once:/code");
        project.up();
        let status = project.locker("status").exits(0).out;
        assert_eq!(status.matches("stopped (0)").count(), 2, "{status}");
        let at = |what: &str| host.sh(what).parse::<f64>().expect("a time");
        let of = |field: &str, name: &str| {
            at(&format!(
                "date -d \"$(docker inspect -f '{{{{.State.{field}}}}}' {name})\" +%s.%N"
            ))
        };
        let ended = at("stat -c %.9Y /var/lib/lxc/both_once/rootfs/ended");
        assert!(ended < of("StartedAt", "both_job"), "the job did not wait");
        assert!(
            of("FinishedAt", "both_job") < of("StartedAt", "both_web"),
            "web did not wait"
        );

        // Work that is done is not done again.
        let job = host.sh("docker inspect -f '{{.State.StartedAt}}' both_job");
        project.locker("plan --exit-code").exits(0);
        project.up();
        assert_eq!(
            host.sh("docker inspect -f '{{.State.StartedAt}}' both_job"),
            job
        );
        project.locker("wait once job").exits(0);

        // A check that never passes ends within its time and is told.
        project.rewrite(
            &file
                .replace("http://127.0.0.1/\"]", "http://127.0.0.1:9/\"]")
                .replace("retries: 50", "retries: 3"),
        );
        let ran = project.locker("up --wait").exits(1);
        assert!(
            ran.err.contains("db") && ran.err.contains("healthy"),
            "{}",
            ran.err
        );
    });
}

#[test]
fn a_container_that_changes_loses_no_request_and_goes_back_when_it_never_gets_healthy() {
    on_a_host_with_docker(|host| {
        let web = |more: &str| format!("{DB}{WEB}{CHECK}{more}");
        let project = Project::new(host, "both", &web(""));
        project.locker("up --wait").exits(0);
        let first = id(host, "both_web");
        project.up();
        assert_eq!(id(host, "both_web"), first, "made anew without a change");

        // Asked all the time, by the host's loopback and its own address, while it is made anew.
        project.rewrite(&web("    environment: {COLOUR: blue}\n"));
        let script = format!(
            "cd /srv/both; touch /run/ask
             road() {{ while [ -e /run/ask ]; do curl -sf -m 5 http://$1/ >/dev/null && echo $1 ok || echo $1 lost; done; }}
             road 127.0.0.1:8081 > /run/a & road {}:8081 > /run/b &
             sleep 0.5; locker up; code=$?; sleep 0.5; rm /run/ask; wait
             echo code $code; cat /run/a /run/b | sort | uniq -c",
            host.address()
        );
        let asked = host.sh(&script);
        assert!(asked.contains("code 0") && asked.contains("ok"), "{asked}");
        assert!(!asked.contains("lost"), "requests were lost:\n{asked}");
        let second = id(host, "both_web");
        assert_ne!(first, second);
        assert_eq!(inside(host, "both_web", "echo $COLOUR"), "blue");
        both_work(host, &project);

        let bad = web("    environment: {COLOUR: red}\n")
            .replace("http://127.0.0.1/", "http://127.0.0.1:9/")
            .replace("retries: 50", "retries: 3");
        project.rewrite(&bad);
        let ran = project.locker("up").exits(1);
        assert!(
            ran.err.contains("web") && ran.err.contains("healthy"),
            "{}",
            ran.err
        );
        assert_eq!(id(host, "both_web"), second, "the old one is not back");
        answers(host, 8081, "hello");
        assert_eq!(inside(host, "both_web", "echo $COLOUR"), "blue");
        let names = host.sh("docker ps -a --format '{{.Names}}'");
        assert_eq!(names, "both_web", "the new one is left");

        project.rewrite(&web("    environment: {COLOUR: blue}\n"));
        // Nothing differs, not even that its service attends to it.
        project.locker("plan --exit-code").exits(0);
        both_work(host, &project);
    });
}

#[test]
fn a_killed_recreation_converges_and_anonymous_data_stays() {
    on_a_host_with_docker(|host| {
        let file = |colour: usize| {
            format!(
                "{DB}{WEB}    volumes: [\"/anon\"]\n    environment: {{COLOUR: \"c{colour}\"}}\n"
            )
        };
        let project = Project::new(host, "both", &file(0));
        project.up();
        inside(host, "both_web", "echo kept > /anon/data");
        for (round, delay) in ["0.1", "0.4", "0.8", "1.3", "1.6", "1.9", "2.3"]
            .into_iter()
            .enumerate()
        {
            project.rewrite(&file(round + 1));
            host.try_sh(&format!(
                "cd /srv/both; locker up >/dev/null 2>&1 & sleep {delay}; kill -9 $!; wait"
            ));
            project.up();
            assert_eq!(
                inside(host, "both_web", "cat /anon/data; echo $COLOUR"),
                format!("kept\nc{}", round + 1)
            );
            assert_eq!(
                host.sh("docker ps -a --format '{{.Names}}'"),
                "both_web",
                "after {delay} s"
            );
            project.locker("plan --exit-code").exits(0);
            both_work(host, &project);
        }
        project.rewrite(&file(99));
        project.locker("up --renew-anon-volumes").exits(0);
        assert_eq!(inside(host, "both_web", "ls /anon"), "");
        // The volume that nobody has any more was asked to be left behind; it is removed by hand, as with Compose.
        host.sh("docker volume ls -qf dangling=true | xargs -r docker volume rm");
    });
}

/// `cp` with `-`, whether the containers run or not.
#[track_caller]
fn archives_go_both_ways(host: &Host) {
    host.sh("rm -rf /srv/both/tree && mkdir -p /srv/both/tree/deep && echo packed > /srv/both/tree/deep/file");
    for name in ["db", "web"] {
        host.sh(&format!(
            "cd /srv/both && ln -sfn /etc tree/link && tar -c tree | locker cp - {name}:/www"
        ));
        let listed = host.sh(&format!(
            "cd /srv/both && locker cp {name}:/www/tree - | tar -t | sort | tr '\\n' ' '"
        ));
        assert_eq!(
            listed, "tree/ tree/deep/ tree/deep/file tree/link",
            "{name}"
        );
        let packed = host.sh(&format!(
            "cd /srv/both && locker cp {name}:/www/tree/deep/file - | tar -xO"
        ));
        assert_eq!(packed, "packed", "{name}");
        let ran = host.try_sh(&format!(
            "cd /srv/both && tar -c tree | locker cp - {name}:/no/such"
        ));
        assert_ne!(ran.code, 0, "{name}");
        assert!(ran.err.contains("/no/such"), "{name}: {}", ran.err);
        let ran = host.try_sh(&format!(
            "cd /srv/both && echo junk | locker cp - {name}:/www"
        ));
        assert_ne!(ran.code, 0, "{name}");
    }
}

#[test]
fn logs_files_processes_and_commands_are_the_same_for_both_kinds() {
    on_a_host_with_docker(|host| {
        let web = WEB.replace(
            "    stop_grace",
            "    command: [sh, -c, \"echo from web; sleep 1; echo again; exec httpd -f -p 80 -h /www\"]\n    stop_grace",
        );
        let project = Project::new(host, "both", &format!("{DB}{web}"));
        project.up();
        project.inside("db", "echo from db > /dev/console").exits(0);
        std::thread::sleep(std::time::Duration::from_millis(1500));
        let said = project.locker("logs -t").exits(0).out;
        let of = |name: &str, text: &str| {
            said.lines()
                .any(|line| line.starts_with(name) && line.contains(text))
        };
        assert!(
            of("db", "from db") && of("web", "from web") && of("web", "again"),
            "{said}"
        );
        let times: Vec<&str> = said
            .lines()
            .filter_map(|line| line.split_whitespace().nth(2))
            .collect();
        assert!(
            times.windows(2).all(|pair| pair[0] <= pair[1]),
            "not in the order of time:\n{said}"
        );

        host.write("/srv/both/page", "copied\n");
        for (name, port) in [("db", 8080), ("web", 8081)] {
            project
                .locker(&format!("cp page {name}:/www/index.html"))
                .exits(0);
            answers(host, port, "copied");
            project
                .locker(&format!("cp {name}:/www /srv/both/{name}-www"))
                .exits(0);
            assert_eq!(
                host.sh(&format!("cat /srv/both/{name}-www/index.html")),
                "copied"
            );
            let out = project.locker(&format!("exec {name} sh -c 'hostname; exit 7'"));
            assert_eq!(out.code, 7, "{}", out.err);
        }
        let top = project.locker("top --processes").exits(0).out;
        assert_eq!(
            top.lines().filter(|line| line.contains("httpd")).count(),
            2,
            "{top}"
        );
        project.locker("freeze").exits(0);
        let status = project.locker("status").exits(0).out;
        assert_eq!(status.matches("frozen").count(), 2, "{status}");
        project.locker("unfreeze").exits(0);
        answers(host, 8081, "copied");
        archives_go_both_ways(host);
        project.locker("stop").exits(0);
        let codes = project.locker("wait db web").out;
        assert_eq!(codes.lines().count(), 2, "{codes}");
        archives_go_both_ways(host);
        project.locker("start").exits(0);
        answers(host, 8081, "copied");
    });
}

#[test]
fn a_new_self_that_ends_at_once_never_takes_the_place_of_one_that_works() {
    on_a_host_with_docker(|host| {
        for (supervisor, restart) in [
            ("systemd", "\"no\""),
            ("systemd", "always"),
            ("none", "\"no\""),
            // The engine starts it again, quicker than anybody looks.
            ("none", "always"),
        ] {
            let file = |command: &str| {
                format!(
                    "  web:\n    image: busybox:test\n    supervisor: {supervisor}\n    restart: {restart}\n    \
                     stop_grace_period: 0s\n    ports: [\"8081:80\"]\n{command}"
                )
            };
            let project = Project::new(host, "early", &file(""));
            project.up();
            let before = id(host, "early_web");
            project.rewrite(&file("    command: [sh, -c, \"sleep 0.5; exit 3\"]\n"));
            project.locker("up").exits(1).says(&["web"]);
            assert_eq!(id(host, "early_web"), before, "{supervisor} {restart}");
            answers(host, 8081, "hello");
            project.locker("down --yes").exits(0);
        }
    });
}

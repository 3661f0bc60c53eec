//! Images and the inside of application containers, through the real engine and a real registry.

use crate::machine::Host;
use crate::on_a_host;
use crate::project::{Project, eventually};

/// Two registries of this host: one for all, and one for `shop` with a password that the usual base64
/// and the one for URLs write differently.
const REGISTRIES: &str = r#"
set -e
hash=$(python3 -W ignore -c "import crypt; print(crypt.crypt('p~?>a~?>b', crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)))")
mkdir -p /etc/reg
echo "shop:$hash" > /etc/reg/htpasswd
for port in 5000 5001; do
    printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: /var/reg-%s}}\nhttp: {addr: ":%s"}\n' $port $port > /etc/reg/$port.yml
    [ $port = 5000 ] || echo 'auth: {htpasswd: {realm: shop, path: /etc/reg/htpasswd}}' >> /etc/reg/$port.yml
    systemd-run --quiet --unit reg-$port docker-registry serve /etc/reg/$port.yml
done
for port in 5000 5001; do
    for try in $(seq 50); do curl -s -o /dev/null 127.0.0.1:$port/v2/ && break; sleep 0.1; done
done
docker login -u shop -p 'p~?>a~?>b' 127.0.0.1:5001 2>/dev/null
for image in 127.0.0.1:5000/shop/web:1 127.0.0.1:5001/web:latest; do
    docker tag busybox:test $image
    docker push -q $image
    docker rmi $image
done
docker logout 127.0.0.1:5001
"#;

fn with_registries(host: &Host) {
    host.docker();
    host.sh(REGISTRIES);
    host.remember_as_clean();
}

/// Builds run on the engine's own bridge, which gets an address of its own at its first use.
fn with_builder(host: &Host) {
    host.docker();
    host.sh("docker run --rm busybox:test sleep 2");
    host.remember_as_clean();
}

#[test]
fn an_image_is_fetched_anew_when_it_is_older_than_the_file_allows() {
    on_a_host(|host| {
        with_registries(host);
        let image = "127.0.0.1:5000/shop/web:1";
        let file = |policy: &str| {
            format!("  web: {{image: '{image}', stop_signal: KILL, pull_policy: {policy}}}\n")
        };
        let shop = Project::new(host, "shop", &file("daily"));
        shop.up();
        let of = |what: &str| host.sh(&format!("docker inspect -f '{{{{.Image}}}}' {what}"));
        let first = of("shop_web");
        // Somebody else gives the name in the registry to another image.
        host.sh(&format!(
            "docker commit --change 'LABEL v=2' shop_web {image} && docker push -q {image} && docker tag {first} {image}"
        ));
        shop.locker("plan --exit-code").exits(0);
        shop.up();
        assert_eq!(of("shop_web"), first);

        shop.rewrite(&file("every_1s"));
        std::thread::sleep(std::time::Duration::from_secs(2));
        let plan = shop.locker("plan").exits(0).out;
        assert!(plan.contains("pull") && plan.contains(image), "{plan}");
        shop.up();
        let second = of("shop_web");
        assert_ne!(second, first, "the old image runs on");
        // Fresh again: what was fetched now is not fetched at once again.
        shop.rewrite(&file("every_1h"));
        host.sh("systemctl stop reg-5000 reg-5001");
        shop.up();
        assert_eq!(of("shop_web"), second);
    });
}

#[test]
fn an_image_is_pulled_when_it_is_missing_with_the_account_of_docker_login() {
    on_a_host(|host| {
        with_registries(host);
        let shop = Project::new(
            host,
            "shop",
            "  web: {image: '127.0.0.1:5000/shop/web:1', stop_signal: KILL}\n  own: {image: '127.0.0.1:5001/web', stop_signal: KILL}\n",
        );
        let refused = shop
            .locker("up")
            .says(&["127.0.0.1:5001/web", "docker login 127.0.0.1:5001"]);
        assert_ne!(refused.code, 0);
        assert_eq!(
            host.sh("docker ps -aq"),
            "",
            "a project without all its images was begun"
        );
        host.sh("docker login -u shop -p 'p~?>a~?>b' 127.0.0.1:5001");
        shop.up();
        assert_eq!(
            host.sh("docker ps --format '{{.Names}}' | sort"),
            "shop_own\nshop_web"
        );
        let listed = shop.locker("images --format json").exits(0).out;
        assert!(listed.contains("127.0.0.1:5001/web"), "{listed}");
        let again = shop.locker("pull").exits(0);
        assert!(
            !again.err.contains('~'),
            "a password was printed:\n{}",
            again.err
        );
        shop.rewrite("  web: {image: '127.0.0.1:5000/shop/web:2', stop_signal: KILL}\n");
        shop.locker("up")
            .says(&["127.0.0.1:5000/shop/web:2", "check the name and the tag"]);
        assert_eq!(host.sh("docker ps -q --filter name=shop_web | wc -l"), "1");
        host.sh("docker logout 127.0.0.1:5001; systemctl stop reg-5000 reg-5001");
    });
}

#[test]
fn a_helper_that_keeps_accounts_is_asked_and_never_through_a_shell() {
    on_a_host(|host| {
        with_registries(host);
        host.write(
            "/usr/local/bin/docker-credential-safe",
            "#!/bin/sh\nread server\n[ \"$1 $server\" = 'get 127.0.0.1:5001' ] || { echo not found; exit 1; }\n\
             echo '{\"Username\":\"shop\",\"Secret\":\"p~?>a~?>b\"}'\n",
        );
        host.sh("chmod +x /usr/local/bin/docker-credential-safe");
        host.write("/root/.docker/config.json", r#"{"credsStore": "safe"}"#);
        let shop = Project::new(
            host,
            "shop",
            "  own: {image: '127.0.0.1:5001/web', stop_signal: KILL}\n",
        );
        shop.up();
        host.write(
            "/root/.docker/config.json",
            r#"{"credsStore": "x; touch /tmp/owned"}"#,
        );
        shop.locker("pull").says(&["no name of a helper"]);
        host.sh("test ! -e /tmp/owned");
        host.sh("systemctl stop reg-5000 reg-5001");
    });
}

#[test]
fn an_image_is_built_from_scratch_and_from_a_base_with_the_rules_of_dockerignore() {
    on_a_host(|host| {
        with_builder(host);
        let shop = Project::new(
            host,
            "shop",
            "  bare:\n    build: {context: ./bare}\n    stop_signal: KILL\n  app:\n    build:\n      context: ./app\n      dockerfile: ../Other\n      \
             args: {COLOUR: 'deep blue; $$(id)'}\n      target: made\n      tags: ['shop/extra:7']\n      \
             extra_hosts: ['one:192.0.2.1', 'two:192.0.2.2']\n    command: [sleep, '1000']\n    stop_signal: KILL\n",
        );
        let dir = shop.dir();
        host.sh(&format!(
            "mkdir -p {dir}/bare && cp /bin/busybox {dir}/bare"
        ));
        host.write(
            &format!("{dir}/bare/Dockerfile"),
            "FROM scratch\nCOPY busybox /busybox\nCMD [\"/busybox\", \"sleep\", \"1000\"]\n",
        );
        for name in [
            "app/keep",
            "app/secret",
            "app/deep/one.tmp",
            "app/deep/two.tmp",
        ] {
            host.write(&format!("{dir}/{name}"), "x");
        }
        host.write(
            &format!("{dir}/app/.dockerignore"),
            "secret\n**/*.tmp\n!deep/two.tmp\n",
        );
        host.sh(&format!(
            "ln -s /etc/shadow {dir}/app/link; chown 1000:1000 {dir}/app/keep"
        ));
        host.write(
            &format!("{dir}/Other"),
            "FROM busybox:test AS made\nARG COLOUR\nCOPY . /ctx\n\
             RUN echo \"$COLOUR\" > /made; cat /etc/hosts > /seen\nFROM made\nRUN echo last > /last\n",
        );
        shop.up();
        let inside = |script: &str| {
            shop.locker(&format!("exec app sh -c '{script}'"))
                .exits(0)
                .out
        };
        assert_eq!(inside("cat /made").trim(), "deep blue; $(id)");
        let found = inside(
            "cd /ctx; find . -type f | sort; readlink link; stat -c %u keep; ls /last 2>&1 || true",
        );
        let lines: Vec<&str> = found.lines().collect();
        let wanted = [
            "./.dockerignore",
            "./deep/two.tmp",
            "./keep",
            "/etc/shadow",
            "0",
        ];
        assert_eq!(lines[..5], wanted);
        assert!(
            lines[5].contains("No such file"),
            "another stage was built: {found}"
        );
        assert!(inside("cat /seen").contains("192.0.2.2\ttwo"));
        host.sh("docker image inspect shop/extra:7 shop_bare shop_app >/dev/null");
        assert_eq!(
            host.sh("docker ps -aq | wc -l"),
            "2",
            "a build left a container"
        );
    });
}

#[test]
fn a_build_that_fails_shows_its_step_and_the_end_of_its_log_and_leaves_nothing() {
    on_a_host(|host| {
        with_builder(host);
        let shop = Project::new(
            host,
            "shop",
            "  app:\n    build:\n      context: .\n      dockerfile_inline: |\n        FROM busybox:test\n        \
             RUN echo first\n        RUN echo one; echo two >&2; exit 3\n",
        );
        let failed = shop
            .locker("up")
            .says(&["Step 3/3", "exit 3", "two", "non-zero code: 3"]);
        assert_eq!(failed.code, 1);
        assert_eq!(
            host.sh("docker ps -aq; docker network ls -q --filter label=locker.project"),
            ""
        );
        shop.rewrite("  app: {build: {context: ./gone}}\n");
        shop.locker("build").says(&[
            "the directory to build in is not there",
            "/srv/shop/gone",
            "locker.yaml:",
        ]);
        shop.rewrite("  app: {build: {context: .}}\n");
        shop.locker("build")
            .says(&["the Dockerfile is not there", "/srv/shop/Dockerfile"]);
    });
}

#[test]
fn a_build_whose_run_fails_gives_the_name_of_the_image_back() {
    on_a_host(|host| {
        with_builder(host);
        let file = "  a: {build: ., stop_grace_period: 0s}\n";
        let shop = Project::new(host, "shop", file);
        let made_to = |command: &str| {
            let text = format!("FROM busybox:test\nCMD [{command}]\n");
            host.write("/srv/shop/Dockerfile", &text);
        };
        made_to("\"sleep\", \"900\"");
        shop.up();
        let tag = host.sh("docker inspect -f '{{.Config.Image}}' shop_a");
        let named = || host.sh(&format!("docker image inspect -f '{{{{.Id}}}}' {tag}"));
        let runs = || host.sh("docker inspect -f '{{.Id}} {{.State.Running}}' shop_a");
        let (image, container) = (named(), runs());
        // The new self ends at once.
        made_to("\"false\"");
        shop.locker("up --build")
            .exits(1)
            .says(&["again the one from before"]);
        assert_eq!((named(), runs()), (image.clone(), container.clone()));
        shop.locker("plan --exit-code").exits(0);
        // Another image cannot be built.
        host.write("/srv/shop/bad/Dockerfile", "FROM busybox:test\nRUN false\n");
        shop.rewrite(&format!(
            "{file}  b: {{build: ./bad, stop_grace_period: 0s}}\n"
        ));
        made_to("\"sleep\", \"901\"");
        shop.locker("up --build --parallel 1").exits(1);
        assert_eq!((named(), runs()), (image, container));
        shop.rewrite(file);
        host.sh("docker image prune -f");
    });
}

#[test]
fn a_dockerfile_that_needs_buildkit_is_built_with_it() {
    on_a_host(|host| {
        with_builder(host);
        let shop = Project::new(
            host,
            "shop",
            "  app:\n    build:\n      context: .\n      args: {TOKEN: hunter2}\n      dockerfile_inline: |\n        \
             FROM busybox:test\n        ARG TOKEN\n        \
             RUN --mount=type=tmpfs,target=/x grep -c ' /x tmpfs' /proc/mounts > /seen && echo $${#TOKEN} >> /seen\n",
        );
        shop.locker("build").exits(0);
        let seen = host.sh("docker run --rm --network none shop_app cat /seen");
        assert_eq!(seen, "1\n7");
        let file = host.sh("cat /srv/shop/locker.yaml");
        host.write("/srv/shop/locker.yaml", &file.replace("grep -c", "nosuch"));
        let failed = shop.locker("build").says(&["nosuch: not found"]);
        assert_eq!(failed.code, 1);
        host.sh("mv /usr/bin/docker /usr/bin/docker.away");
        shop.locker("build").says(&["needs BuildKit", "docker.io"]);
        host.sh("mv /usr/bin/docker.away /usr/bin/docker");
    });
}

const WEB: &str = "  web:\n    image: busybox:test\n    stop_signal: KILL\n    \
    command: [sh, -c, 'echo out; echo err >&2; exec httpd -f -p 80 -h /www']\n";

#[test]
fn a_command_inside_has_these_streams_this_terminal_and_its_own_exit_code() {
    on_a_host(|host| {
        host.docker();
        let shop = Project::new(host, "shop", WEB);
        shop.up();
        let ran = shop
            .locker("exec web sh -c 'echo o; echo e >&2; exit 7'")
            .exits(7);
        assert_eq!((ran.out.as_str(), ran.err.trim()), ("o\n", "e"));
        let sum = |command: &str| host.sh(&format!("cd {}; {command}", shop.dir()));
        assert_eq!(
            sum("head -c 20000000 /dev/zero | locker exec web cat | wc -c"),
            "20000000"
        );
        assert_eq!(
            sum(
                "locker exec web yes | head -1; sleep 0.3; docker top shop_web | grep -c yes || true"
            ),
            "y\n0"
        );
        let size = sum(
            "script -qec 'stty rows 33 cols 77; locker exec web sh -c \"sleep 1; stty size\"' /dev/null",
        );
        // `script` echoes the end of its own input.
        assert!(size.trim().ends_with("33 77"), "{size}");
        let ended = "timeout -s INT 1 locker exec -T web sh -c 'trap \"echo got; exit 5\" INT; while :; do sleep 0.1; done' || true";
        assert_eq!(sum(ended), "got");
        let env = shop
            .locker("exec -e A='x y' -w /www web sh -c 'echo $A; pwd'")
            .exits(0);
        assert_eq!(env.out, "x y\n/www\n");
        shop.locker("exec web nosuch").exits(126);
        let shown = shop.locker("top --processes").exits(0).out;
        assert!(shown.contains("httpd -f -p 80"), "{shown}");
    });
}

#[test]
fn files_are_copied_both_ways_and_never_through_a_link_of_the_container() {
    on_a_host(|host| {
        host.docker();
        let shop = Project::new(host, "shop", WEB);
        shop.up();
        host.sh("mkdir -p /c/d/sub && echo A > /c/d/a && echo B > /c/d/sub/b && ln -s /etc/passwd /c/d/l");
        for (from, to) in [
            ("/c/d", "web:/tmp"),
            ("/c/d", "web:/tmp/new"),
            ("/c/d/.", "web:/www"),
        ] {
            shop.locker(&format!("cp {from} {to}")).exits(0);
        }
        let found = shop
            .locker("exec web cat /tmp/d/a /tmp/new/sub/b /www/a")
            .exits(0)
            .out;
        assert_eq!(found, "A\nB\nA\n");
        shop.locker("cp web:/tmp/d /c/back").exits(0);
        assert_eq!(
            host.sh("cat /c/back/sub/b; readlink /c/back/l"),
            "B\n/etc/passwd"
        );
        host.sh("mkdir /c/victim; ln -s /c/victim /c/into");
        shop.locker("exec web sh -c 'mkdir /tmp/bad; echo x > /tmp/bad/f'")
            .exits(0);
        shop.locker("cp web:/tmp/bad/f /c/into/f").exits(0);
        host.sh("echo mine > /c/mine; ln -s /c/mine /c/link");
        shop.locker("cp web:/tmp/bad/f /c/link").exits(0);
        assert_eq!(host.sh("cat /c/mine /c/link"), "mine\nx");
        let missing = shop.locker("cp web:/nowhere /c").says(&["/nowhere"]);
        assert_ne!(missing.code, 0);
        let missing = shop.locker("cp /c/d web:/no/dir/x").says(&["/no/dir"]);
        assert_ne!(missing.code, 0);
        shop.locker("stop web").exits(0);
        shop.locker("cp web:/www/index.html /c/page").exits(0);
        assert_eq!(host.sh("cat /c/page"), "hello");
    });
}

#[test]
fn a_container_runs_once_with_its_exit_code_and_is_gone() {
    on_a_host(|host| {
        host.docker();
        let shop = Project::new(host, "shop", WEB);
        let ran = shop
            .locker("run --rm -T web sh -c 'echo o; echo e >&2; exit 6'")
            .exits(6);
        assert_eq!(ran.out, "o\n");
        assert!(ran.err.contains('e'), "{}", ran.err);
        assert_eq!(host.sh("docker ps -aq"), "");
        let sum = |command: &str| host.sh(&format!("cd {}; {command}", shop.dir()));
        assert_eq!(sum("echo in | locker run --rm -T web cat"), "in");
        let term = "timeout -s TERM 4 locker run --rm -T web sh -c 'trap \"echo term; exit 8\" TERM; while :; do sleep 0.1; done' || true";
        assert_eq!(sum(term), "term");
        assert_eq!(host.sh("docker ps -aq"), "");
        let size = sum(
            "script -qec 'stty rows 33 cols 77; locker run --rm web sh -c \"sleep 1; stty size\"' /dev/null",
        );
        assert!(size.trim().ends_with("33 77"), "{size}");
        shop.locker("run web true").exits(0);
        assert_eq!(
            host.sh("docker ps -aq | wc -l"),
            "1",
            "without --rm it stays"
        );
    });
}

#[test]
fn logs_waits_and_events_tell_what_a_container_did() {
    on_a_host(|host| {
        host.docker();
        let job = "  job:\n    image: busybox:test\n    command: [sh, -c, 'echo one; sleep 2; echo two >&2; exit 3']\n";
        let shop = Project::new(host, "shop", &format!("{WEB}{job}"));
        let events = "systemd-run --quiet --unit watch --working-directory /srv/shop -p StandardOutput=file:/root/events \
                      /usr/local/bin/locker events --format json";
        host.sh(events);
        shop.up();
        shop.locker("wait job").exits(3);
        let logs = shop.locker("logs --no-log-prefix web").exits(0);
        let both = format!("{}{}", logs.out, logs.err);
        assert!(both.contains("out\n") && both.contains("err\n"), "{both}");
        let last = shop.locker("logs --no-log-prefix -n 1 job").exits(0);
        assert!(
            !format!("{}{}", last.out, last.err).contains("one"),
            "{last:?}"
        );
        let since = shop.locker(
            "logs --no-log-prefix --since 2000-01-01T00:00:00Z --until 2000-01-02T00:00:00Z web",
        );
        assert_eq!(since.exits(0).out, "");
        eventually(true, || {
            let told = host.sh("cat /root/events");
            ["created", "started", "ended"]
                .iter()
                .all(|word| told.contains(word))
                && told.contains('3')
        });
        host.sh("systemctl stop watch");
    });
}

//! Volumes of the engine: those that docker compose has made, those without a name, those that changed.

use crate::beside::{inside, on_a_host_with_docker};
use crate::machine::Host;

/// As docker compose 2 makes a project `shop` of one service with a named volume, one without a name, and a
/// published port.
const COMPOSE: &str = "\
    p='--label com.docker.compose.project=shop'; w='--label com.docker.compose.project.working_dir=/srv/shop'; \
    docker network create $p --label com.docker.compose.network=default shop_default >/dev/null && \
    docker volume create $p --label com.docker.compose.volume=data shop_data >/dev/null && \
    docker run -d --stop-timeout 1 --name shop-web-1 $p $w --label com.docker.compose.service=web \
        --label com.docker.compose.container-number=1 --label com.docker.compose.oneoff=False \
        --network shop_default -p 8090:80 -v shop_data:/data -v /cache busybox:test >/dev/null && \
    docker exec shop-web-1 sh -c 'echo gold > /data/f; echo warm > /cache/f'";

const FILE: &str = "services: {web: {image: \"busybox:test\", stop_grace_period: 1s, ports: [\"8090:80\"], volumes: [\"data:/data\", /cache]}}\nvolumes: {data: }\n";

fn locker(host: &Host, words: &str) -> crate::ran::Ran {
    host.try_sh(&format!("cd /srv/shop && locker {words} </dev/null"))
}

#[test]
fn a_project_of_docker_compose_moves_with_all_its_data_and_only_its_own_volumes_can_go() {
    on_a_host_with_docker(|host| {
        host.write("/srv/shop/compose.yaml", FILE);
        host.sh(COMPOSE);
        // Told before anything is changed, by the plan as well.
        for words in ["plan", "up --yes"] {
            let told = locker(host, words).exits(1);
            assert!(
                told.err.contains("locker adopt") && told.err.contains("external: true"),
                "{}",
                told.err
            );
            assert!(!told.err.contains("volume rm"), "{}", told.err);
            // One thing is wrong, and it is said once.
            assert_eq!(told.err.matches("error:").count(), 1, "{}", told.err);
            for word in [
                "`shop-web-1` (runs)",
                "network `shop_default`",
                "volume `shop_data`",
                "port `8090:80",
                "docker compose down",
            ] {
                assert!(told.err.contains(word), "{word}: {}", told.err);
            }
        }
        let asked = locker(host, "adopt").exits(2);
        for word in [
            "shop-web-1",
            "shop_default",
            "volume shop_data",
            "at /cache",
            "the way back",
            "docker compose up -d",
        ] {
            assert!(asked.err.contains(word), "{word}: {}", asked.err);
        }
        locker(host, "adopt --dry-run").exits(0);
        assert_eq!(inside(host, "shop-web-1", "cat /data/f"), "gold");
        locker(host, "adopt --yes").exits(0);
        assert_eq!(
            inside(host, "shop_web", "cat /data/f /cache/f"),
            "gold\nwarm"
        );
        assert_ne!(host.try_sh("docker inspect shop-web-1").code, 0);
        assert_ne!(
            host.try_sh("docker network inspect shop_default | grep com.docker.compose")
                .code,
            0
        );
        assert_eq!(locker(host, "plan").exits(0).out.trim(), "nothing to do");
        let again = locker(host, "adopt --yes").exits(1);
        assert!(again.err.contains("has nothing"), "{}", again.err);
        // Without knowing what was taken over nothing is made and no volume goes; all else works.
        let state = "/var/lib/locker/projects/shop/adopted.json";
        host.sh(&format!("cp {state} /root/whole; truncate -s 20 {state}"));
        for words in ["plan", "up --yes", "down --volumes --yes", "adopt --yes"] {
            let told = locker(host, words).exits(1);
            for word in ["adopted.json` is damaged", "locker adopt"] {
                assert!(told.err.contains(word), "{words}: {}", told.err);
            }
        }
        for words in ["status", "logs web", "exec web -- true", "stop", "start"] {
            locker(host, words).exits(0);
        }
        host.sh(&format!("mv /root/whole {state}"));
        assert_eq!(locker(host, "plan").exits(0).out.trim(), "nothing to do");
        // It outlives `down`, and goes with its volumes only when that was asked for.
        locker(host, "down --yes").exits(0);
        locker(host, "up").exits(0);
        assert_eq!(
            inside(host, "shop_web", "cat /data/f /cache/f"),
            "gold\nwarm"
        );
        let refused = locker(host, "down --volumes").exits(2);
        assert!(
            refused.err.contains("shop_data, taken over"),
            "{}",
            refused.err
        );
        // What was written down is lost: they are somebody else's again.
        host.sh("mv /var/lib/locker/projects/shop/adopted.json /root/");
        locker(host, "down --volumes --yes").exits(0);
        host.sh("docker volume inspect shop_data >/dev/null && mkdir -p /var/lib/locker/projects/shop && mv /root/adopted.json /var/lib/locker/projects/shop/");
        locker(host, "up").exits(0);
        locker(host, "down --volumes --yes").exits(0);
        assert_eq!(host.sh("docker volume ls -q"), "");
        // Volumes without a name are listed and asked about.
        host.write(
            "/srv/shop/compose.yaml",
            "services: {t: {image: \"busybox:test\", stop_grace_period: 0s, volumes: [/data]}}\n",
        );
        locker(host, "up").exits(0);
        locker(host, "exec t -- sh -c 'echo gold > /data/f'").exits(0);
        let looked = locker(host, "down --volumes --dry-run").exits(0).out;
        let lost = "lost: the volume without a name at /data of container t";
        assert!(looked.contains(lost), "{looked}");
        let told = locker(host, "down --volumes").exits(2);
        assert!(
            told.err
                .contains("volume without a name at /data of container t"),
            "{}",
            told.err
        );
        assert_eq!(host.sh("docker volume ls -q | wc -l"), "1");
        locker(host, "down --volumes --yes").exits(0);
        assert_eq!(host.sh("docker volume ls -q"), "");
        // A definition that changed is told, not dropped.
        let driven = |size: &str| {
            format!(
                "services: {{t: {{image: \"busybox:test\", stop_grace_period: 0s, volumes: [\"v:/v\"]}}}}\nvolumes: {{v: {{driver_opts: {{type: tmpfs, device: tmpfs, o: \"size={size}\"}}}}}}\n"
            )
        };
        host.write("/srv/shop/compose.yaml", &driven("1m"));
        locker(host, "up").exits(0);
        assert_eq!(locker(host, "plan").exits(0).out.trim(), "nothing to do");
        host.write("/srv/shop/compose.yaml", &driven("2m"));
        for words in ["plan", "up --yes"] {
            let told = locker(host, words).exits(1);
            assert!(
                told.err.contains("`shop_v`") && told.err.contains("option `o`"),
                "{}",
                told.err
            );
        }
    });
}

#[test]
fn an_image_that_cannot_be_had_is_told_while_docker_composes_containers_still_run() {
    on_a_host_with_docker(|host| {
        host.sh(COMPOSE);
        for (more, told) in [
            ("image: \"localhost:1/none:1\"", "localhost:1/none"),
            (
                "build: {context: ., dockerfile_inline: \"FROM busybox:test\\nRUN echo no luck && exit 3\"}",
                "no luck",
            ),
        ] {
            let more = format!("services: {{more: {{{more}}}, ");
            host.write(
                "/srv/shop/compose.yaml",
                &FILE.replace("services: {", &more),
            );
            let adopt = locker(host, "adopt --yes").exits(1);
            assert!(adopt.err.contains(told), "{more}: {}", adopt.err);
            let runs = "docker inspect -f '{{.State.Running}}' shop-web-1";
            assert_eq!(host.sh(runs), "true", "{more}");
            assert_eq!(
                host.sh("ls /var/lib/locker/projects 2>/dev/null || true"),
                "",
                "{more}"
            );
        }
        host.write("/srv/shop/compose.yaml", FILE);
        locker(host, "adopt --yes").exits(0);
        locker(host, "down --volumes --yes").exits(0);
    });
}

#[test]
fn an_adopt_killed_at_any_moment_is_gone_on_with_and_loses_no_volume() {
    on_a_host_with_docker(|host| {
        host.write("/srv/shop/compose.yaml", FILE);
        let (mut hit, mut refused) = (0, 0);
        for after in ["0.05", "0.6", "1.2", "1.6", "2.2"] {
            host.sh(COMPOSE);
            let ran = host.try_sh(&format!(
                "cd /srv/shop; locker adopt --yes >/dev/null 2>&1 & p=$!; sleep {after}; kill -9 $p 2>/dev/null; wait $p; [ $? = 137 ]"
            ));
            hit += u32::from(ran.code == 0);
            // While docker compose's own is there, nothing is started beside it on the same data.
            let there = host
                .try_sh("docker inspect shop-web-1 || docker network inspect shop_default")
                .code
                == 0;
            let up = locker(host, "up");
            if there && up.code == 1 {
                assert!(up.err.contains("`locker adopt`"), "{after}: {}", up.err);
                refused += 1;
                locker(host, "adopt --yes").exits(0);
            } else {
                up.exits(0);
            }
            assert_eq!(
                inside(host, "shop_web", "cat /data/f /cache/f"),
                "gold\nwarm",
                "after a kill at {after} s"
            );
            assert_eq!(locker(host, "plan").exits(0).out.trim(), "nothing to do");
            assert_eq!(host.sh("docker ps -aq --filter name=shop-web-1"), "");
            assert_eq!(host.sh("docker volume ls -q | wc -l"), "2", "{after}");
            locker(host, "down --volumes --yes").exits(0);
            assert_eq!(host.sh("docker volume ls -q"), "");
        }
        assert!(
            hit >= 2 && refused >= 1,
            "{hit} were killed, {refused} refused"
        );
        taken_over_and_no_more(host);
    });
}

/// All is taken over and nothing is up, as a run leaves it that was killed between the two: `adopt` goes on.
fn taken_over_and_no_more(host: &Host) {
    host.sh(COMPOSE);
    locker(host, "adopt --yes --no-up").exits(0);
    locker(host, "adopt --yes").exits(0);
    assert_eq!(
        inside(host, "shop_web", "cat /data/f /cache/f"),
        "gold\nwarm"
    );
    // Somebody brings docker compose's up again on the same data: told, not joined.
    locker(host, "down --yes").exits(0);
    host.sh(&COMPOSE.replace(
        "docker volume create",
        "docker volume inspect shop_data >/dev/null || docker volume create",
    ));
    for words in ["plan", "up", "start"] {
        let told = locker(host, words).exits(1);
        assert!(
            told.err.contains("`shop-web-1` is still there"),
            "{words}: {}",
            told.err
        );
    }
    locker(host, "adopt --yes").exits(0);
    locker(host, "down --volumes --yes").exits(0);
    host.sh("docker volume prune -f");
}

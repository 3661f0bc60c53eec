//! docker compose beside locker: second containers on the same data, others on its networks, moved directories, another
//! name, profiles, and what `adopt` finds out before it stops anything.

use crate::beside::{inside, on_a_host_with_docker};
use crate::machine::Host;
use crate::ran::Ran;

/// A container as docker compose makes it for `service` of `project` in `directory`.
fn begin(host: &Host, (project, directory): (&str, &str), service: &str, options: &str) {
    let label = "--label com.docker.compose";
    host.sh(&format!(
        "docker run -d --stop-timeout 0 --name {project}-{service}-1 {label}.project={project} \
         {label}.project.working_dir={directory} {label}.project.config_files={directory}/compose.yaml {label}.service={service} {label}.container-number=1 \
         {label}.oneoff=False {options} busybox:test >/dev/null"
    ));
}

fn locker(host: &Host, directory: &str, words: &str) -> Ran {
    host.try_sh(&format!("cd {directory} && locker {words} </dev/null"))
}

fn runs(host: &Host, container: &str) -> bool {
    host.try_sh(&format!(
        "docker inspect -f '{{{{.State.Running}}}}' {container}"
    ))
    .out
    .trim()
        == "true"
}

fn file(services: &str) -> String {
    format!(
        "services: {{{}}}\n",
        services.replace("IMAGE", "image: \"busybox:test\", stop_grace_period: 0s")
    )
}

const HA: &str = "ha: {IMAGE, network_mode: host, volumes: [\"./config:/config\"]}";

#[test]
fn no_second_container_is_begun_on_the_data_of_one_of_docker_compose_wherever_it_was_moved() {
    on_a_host_with_docker(|host| {
        // The engine keeps what it makes for its first container on the host's network.
        host.sh("docker run --rm --network host busybox:test true");
        host.remember_as_clean();
        // Two programs of the image on the host's network would want the same port.
        let options = "--network none -v /srv/ha/config:/config";
        host.write("/srv/ha/compose.yaml", &format!("name: ha\n{}", file(HA)));
        begin(host, ("ha", "/srv/ha"), "ha", options);
        for words in ["plan", "up", "create"] {
            let _ = locker(host, "/srv/ha", words).exits(1).says(&[
                "runs project `ha` from this directory",
                "`ha-ha-1` (runs)",
                "`locker adopt`",
            ]);
        }
        // What does not run is in nobody's way.
        host.sh("docker stop ha-ha-1");
        locker(host, "/srv/ha", "up").exits(0);
        locker(host, "/srv/ha", "down --yes").exits(0);
        host.sh("docker start ha-ha-1; docker pause ha-ha-1");
        // The directory was moved, and the engine has made the mount's again.
        host.sh("mv /srv/ha /srv/moved && mkdir -p /srv/ha/config");
        let _ = locker(host, "/srv/moved", "up")
            .exits(1)
            .says(&["from `/srv/ha`, where no project file is any more"]);
        locker(host, "/srv/moved", "adopt --dry-run").exits(0);
        locker(host, "/srv/moved", "adopt --yes").exits(0);
        assert!(runs(host, "ha_ha") && !runs(host, "ha-ha-1"));
        // locker's project was moved, and docker compose was begun beside it.
        host.sh("rm -r /srv/ha; mv /srv/moved /srv/ha");
        begin(host, ("ha", "/srv/ha"), "ha", options);
        let _ = locker(host, "/srv/ha", "restart --yes")
            .exits(1)
            .says(&["`ha-ha-1` (runs)"]);
        host.sh("mv /srv/ha /srv/last");
        locker(host, "/srv/last", "adopt --yes").exits(0);
        assert!(!runs(host, "ha-ha-1"));
        locker(host, "/srv/last", "plan --exit-code").exits(0);
        locker(host, "/srv/last", "down --yes").exits(0);
        another_name(host);
    });
}

/// docker compose makes names of lower case.
fn another_name(host: &Host) {
    let directory = "/srv/Shop";
    host.write("/srv/Shop/compose.yaml", &file(HA));
    begin(host, ("shop", directory), "ha", "--network none -v data:/d");
    let _ = locker(host, directory, "up").exits(1).says(&[
        "runs project `shop`",
        "this is project `Shop`",
        "`locker -p shop adopt`",
    ]);
    host.sh("docker stop shop-ha-1");
    let _ = locker(host, directory, "plan")
        .exits(0)
        .says(&["`locker -p shop adopt`"]);
    host.sh("docker start shop-ha-1");
    locker(host, directory, "-p shop adopt --yes").exits(0);
    assert!(runs(host, "shop_ha") && !runs(host, "shop-ha-1"));
    locker(host, directory, "-p shop down --yes").exits(0);
    host.sh("docker volume rm data");
}

#[test]
fn adopt_knows_before_it_stops_anything_what_would_stop_it_and_loses_no_volume() {
    on_a_host_with_docker(|host| {
        let web = "web: {IMAGE, volumes: [\"data:/data\"]}";
        let tool = "tool: {IMAGE, profiles: [debug], volumes: [\"rows:/rows\", /cache]}";
        let volumes = "volumes: {data: , rows: }\n";
        let whole = format!("{}{volumes}", file(&format!("{web}, {tool}")));
        let (shop, label) = (("shop", "/srv/shop"), "--label com.docker.compose");
        host.sh(&format!(
            "p='{label}.project=shop'; docker network create $p shop_default; docker volume create $p shop_data; \
             docker volume create $p shop_rows"
        ));
        begin(
            host,
            shop,
            "web",
            "--network shop_default -v shop_data:/data",
        );
        let options = "--network shop_default -v shop_rows:/rows -v /cache";
        begin(host, shop, "tool", options);
        host.sh("docker exec shop-tool-1 sh -c 'echo gold >/rows/f; echo warm >/cache/f'");
        host.sh("docker run -d --name guest --stop-timeout 0 --network shop_default busybox:test");
        let refused = |text: &str, word: &str| {
            host.write("/srv/shop/compose.yaml", text);
            let _ = locker(host, "/srv/shop", "adopt --yes")
                .exits(1)
                .says(&[word]);
            assert!(runs(host, "shop-web-1"), "{word}");
        };
        refused(&whole, "`docker network disconnect shop_default guest`");
        host.sh("docker network disconnect shop_default guest");
        let built = whole.replace("web: {image: \"busybox:test\"", "web: {build: ./app");
        refused(&built, "the directory to build in");
        let device = whole.replace("web: {", "web: {devices: [\"/dev/none\"], ");
        refused(&device, "/dev/none");
        host.sh("echo '[Service]' > /etc/systemd/system/locker-shop-web.service");
        refused(&whole, "locker-shop-web.service");
        host.sh("rm /etc/systemd/system/locker-shop-web.service");
        let asked = locker(host, "/srv/shop", "adopt").exits(2);
        let _ = asked.says(&["(`debug`) is not enabled", "volume shop_rows", "handed on"]);
        locker(host, "/srv/shop", "adopt --yes").exits(0);
        locker(host, "/srv/shop", "--profile debug up").exits(0);
        assert_eq!(
            inside(host, "shop_tool", "cat /rows/f /cache/f"),
            "gold\nwarm"
        );
        // Another container has one of the volumes: it stays, and stays the project's.
        host.sh("docker rm -f guest; docker run -d --name guest -v shop_data:/d busybox:test");
        let down = "--profile debug down --volumes --yes";
        let _ = locker(host, "/srv/shop", down)
            .exits(0)
            .says(&["volume `shop_data` stays: container `guest`"]);
        assert_eq!(host.sh("docker volume ls -q"), "shop_data");
        host.sh("docker rm -f guest");
        locker(host, "/srv/shop", "up").exits(0);
        locker(host, "/srv/shop", down).exits(0);
        assert_eq!(host.sh("docker volume ls -q"), "");
    });
}

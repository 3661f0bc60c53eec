//! Host paths of volumes that are missing: made as directories, or refused before anything is changed, by one rule for
//! both kinds of containers.

use crate::machine::Host;
use crate::on_a_host;
use crate::project::{Project, eventually};

/// A Docker container of `source` with these volumes, in the short form.
fn web(source: &str, volumes: &[&str]) -> String {
    format!("  web: {{{source}, stop_signal: KILL, volumes: {volumes:?}}}\n")
}

const IMAGE: &str = "image: 'own:1'";

/// `own:1`: `busybox:test` that asks for a volume without a name. It was made of a container that locker and docker
/// compose have marked, and has those marks.
fn with_image(host: &Host) {
    host.docker();
    host.sh(
        "docker create --name seed --label locker.project=shop --label locker.directory=/srv/shop \
            --label com.docker.compose.project=shop busybox:test && \
         docker commit --change 'VOLUME /spool' seed own:1 && docker rm seed",
    );
}

const LEFT: &str = "docker ps -aq; docker volume ls -q";

#[test]
fn what_would_be_mounted_on_a_file_of_the_image_is_refused_before_anything_changes() {
    on_a_host(|host| {
        with_image(host);
        let page = "./page:/www/index.html";
        let said = [
            "`/srv/shop/page` is missing, and the target `/www/index.html` is a file in the image",
            "make the file first",
            "locker.yaml:3",
        ];
        let project = Project::new(host, "shop", &web(IMAGE, &[page]));
        for words in ["plan", "up", "create", "run --rm web true"] {
            project.locker(words).exits(1).says(&said);
            host.sh("test ! -e /srv/shop/page");
            assert_eq!(host.sh(LEFT), "", "{words}");
        }
        // What runs is not touched.
        project.rewrite(&web(IMAGE, &["./data:/state"]));
        project.up();
        let seen = || host.sh("docker inspect -f '{{.Id}} {{.State.StartedAt}}' shop_web");
        let before = seen();
        project.rewrite(&web(IMAGE, &["./data:/state", page]));
        project.locker("up").exits(1).says(&said[..2]);
        assert_eq!(seen(), before);
        host.sh("test ! -e /srv/shop/page && echo mine > /srv/shop/page");
        project.up();
        project.locker("exec web cat /www/index.html").exits(0);
        // The name of a target says nothing: it is the image that counts, and it has none there.
        let conf = "./conf:/etc/app.conf";
        let lxc = format!("  sys:\n    template: {{name: tiny}}\n    volumes: [{conf:?}]\n");
        project.rewrite(&format!("{}{}", web(IMAGE, &[conf]), lxc));
        project.up();
        host.sh("test -d /srv/shop/conf");
        // That of a source does, for both.
        let gone = "./gone.conf:/etc/gone";
        project.rewrite(&web(IMAGE, &[gone]));
        let said = ["gone.conf` is missing, and its name says that it is a file"];
        project.locker("up").exits(1).says(&said);
        project.rewrite(&lxc.replace(conf, gone));
        project.locker("up").exits(1).says(&said);
        host.sh("test ! -e /srv/shop/gone.conf");
        project.locker("down --yes --volumes").exits(0);
    });
}

#[test]
fn an_image_that_is_built_first_is_looked_into_before_a_running_container_is_touched() {
    on_a_host(|host| {
        with_image(host);
        let project = Project::new(host, "shop", &web(IMAGE, &[]));
        project.up();
        let seen = || host.sh("docker inspect -f '{{.Id}} {{.State.StartedAt}}' shop_web");
        let before = seen();
        host.write("/srv/shop/made/page", "x\n");
        host.write(
            "/srv/shop/made/Dockerfile",
            "FROM busybox:test\nCOPY page /etc/page\nVOLUME /spool\n",
        );
        project.rewrite(&web("build: ./made", &["./gone:/etc/page"]));
        let unknown = ["`shop_web` is looked into once it is there"];
        project.locker("plan").exits(0).says(&unknown);
        for _ in 0..2 {
            let said = ["the target `/etc/page` is a file in the image"];
            project.locker("up").exits(1).says(&said);
            assert_eq!(seen(), before);
            host.sh("test ! -e /srv/shop/gone && docker image inspect shop_web >/dev/null");
            assert_eq!(host.sh("docker ps -aq | wc -l"), "1");
        }
        host.sh("echo mine > /srv/shop/gone");
        project.up();
        assert_ne!(seen(), before);
        project.locker("down --yes --volumes").exits(0);
    });
}

#[test]
fn what_an_image_is_looked_into_with_goes_also_when_the_run_is_ended() {
    on_a_host(|host| {
        with_image(host);
        let project = Project::new(host, "shop", &web(IMAGE, &["./page:/www/index.html"]));
        for signal in ["INT", "TERM", "KILL"] {
            for tenths in 1..8 {
                host.try_sh(&format!(
                    "cd /srv/shop && timeout -s {signal} 0.{tenths} locker plan"
                ));
                // Of one that is killed the next look at the engine removes it.
                eventually(String::new(), || {
                    if signal == "KILL" {
                        project.locker("status");
                    }
                    host.sh(LEFT)
                });
            }
        }
        // That of somebody who still looks is left alone, and shown to nobody.
        let alive = "docker create --name locker-look-1 --label \"locker.look=1 $(awk '{print $22}' /proc/1/stat)\" own:1";
        host.sh(alive);
        host.sh("docker create --name locker-look-2 --label 'locker.look=1 1' own:1");
        let rows = project.locker("status").exits(0);
        assert!(!format!("{}{}", rows.out, rows.err).contains("locker-look"));
        let left = host.sh("docker ps -a --format '{{.Names}}'");
        assert_eq!(left, "locker-look-1");
        host.sh("docker rm -v locker-look-1");
    });
}

//! What is told about real containers while time goes on.

use std::time::{Duration, Instant, SystemTime};

use futures_util::StreamExt;
use locker::backend::{
    Backend, Body, FailedCheck, Inside, LogWish, News, Probe, Sought, Watch, What,
};
use locker::model::{Healthcheck, Name};
use serde_json::json;

use crate::rig::{Rig, in_own_network, name, sh, shell};

/// A container whose init is this script.
async fn one_shot(rig: &Rig, word: &str, script: &str) -> Name {
    let config = json!({"config": [{"key": "lxc.init.cmd", "value": "/once"}], "nic": null});
    rig.make(&rig.mark(word, 2, config)).await;
    let file = rig.rootfs(word).join("once");
    std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    sh(&format!("chmod +x {}", file.display()));
    name(word)
}

async fn exit_of(rig: &Rig, name: &Name) -> Option<i32> {
    let view = rig.lxc.observe(&Sought::default()).await.unwrap();
    view.containers[name].exit
}

#[test]
fn exit_codes_are_kept_however_it_ended_and_forgotten_at_the_next_start() {
    in_own_network(
        "watch::exit_codes_are_kept_however_it_ended_and_forgotten_at_the_next_start",
        async |rig| {
            let job = one_shot(&rig, "job", "sleep 0.3; exit 3").await;
            assert_eq!(exit_of(&rig, &job).await, None);
            let never = rig.lxc.ended(&job).await.unwrap_err().to_string();
            assert!(never.contains("not run yet"), "{never}");
            rig.lxc.start(&job, Body::Present).await.unwrap();
            assert_eq!(rig.lxc.probe(&job, None).await.unwrap(), Probe::Running);
            assert_eq!(exit_of(&rig, &job).await, None);
            assert_eq!(rig.lxc.ended(&job).await.unwrap(), 3);
            assert_eq!(rig.lxc.probe(&job, None).await.unwrap(), Probe::Ended(3));
            assert_eq!(exit_of(&rig, &job).await, Some(3));

            // Work that is done before anybody could see it run is done; failed work is told at once.
            let script = rig.rootfs("job").join("once");
            std::fs::write(&script, "#!/bin/sh\nexit 0\n").unwrap();
            rig.lxc.start(&job, Body::Present).await.unwrap();
            assert_eq!(rig.lxc.ended(&job).await.unwrap(), 0);
            std::fs::write(&script, "#!/bin/sh\necho broken; sleep 100\n").unwrap();
            rig.lxc.start(&job, Body::Present).await.unwrap();
            let begun = Instant::now();
            let (code, stopped) = tokio::join!(
                rig.lxc.ended(&job),
                rig.lxc.stop(&job, Body::Present, Duration::ZERO)
            );
            stopped.unwrap();
            assert_eq!(code.unwrap(), 137);
            assert!(begun.elapsed() < Duration::from_secs(5));
            assert_eq!(exit_of(&rig, &job).await, Some(137));

            // A monitor that is killed takes its container along and leaves no word.
            rig.lxc.start(&job, Body::Present).await.unwrap();
            let init = rig
                .lxc
                .observe(&Sought::default())
                .await
                .unwrap()
                .containers[&job]
                .pid;
            sh(&format!(
                "kill -9 $(awk '/PPid/ {{print $2}}' /proc/{}/status)",
                init.unwrap()
            ));
            assert_eq!(rig.lxc.ended(&job).await.unwrap(), 137);
            rig.lxc.destroy(&job, Body::Present, false).await.unwrap();
        },
    );
}

#[test]
fn readiness_processes_and_log_lines_with_their_times_are_told() {
    in_own_network(
        "watch::readiness_processes_and_log_lines_with_their_times_are_told",
        async |rig| {
            let script = "echo first; sleep 1; echo second; while true; do sleep 1000; done";
            let web = one_shot(&rig, "web", script).await;
            let begun = SystemTime::now();
            rig.lxc.start(&web, Body::Present).await.unwrap();
            let check = |line: &str| Healthcheck {
                timeout: Duration::from_millis(400),
                ..Healthcheck::new(shell(line).command)
            };
            let probe = async |line: &str| rig.lxc.probe(&web, Some(&check(line))).await.unwrap();
            assert_eq!(probe("true").await, Probe::Healthy);
            let said = probe("echo not yet; exit 4").await;
            assert_eq!(said, Probe::Failing(FailedCheck::new(Some(4), "not yet\n")));
            let slow = probe("sleep 50").await;
            assert!(
                matches!(&slow, Probe::Failing(why) if why.output.contains("did not end")),
                "{slow:?}"
            );
            rig.lxc.set_frozen(&web, true).await.unwrap();
            assert_eq!(probe("true").await, Probe::Failing("it is frozen".into()));
            rig.lxc.set_frozen(&web, false).await.unwrap();

            tokio::time::sleep(Duration::from_millis(1500)).await;
            let found = rig.lxc.processes(&web).await.unwrap();
            let init = rig
                .lxc
                .observe(&Sought::default())
                .await
                .unwrap()
                .containers[&web]
                .pid;
            let lines: Vec<&str> = found
                .iter()
                .map(|process| process.command.as_str())
                .collect();
            assert!(lines.contains(&"sleep 1000"), "{lines:?}");
            assert!(
                found
                    .iter()
                    .any(|process| Some(process.pid) == init && process.user == "root")
            );
            assert!(
                found
                    .iter()
                    .all(|process| process.seconds < 30 && process.cpu < 5.0)
            );

            let log = async |wish: LogWish| {
                let stream = rig.lxc.logs(&web, &wish).await.unwrap();
                stream.map(Result::unwrap).collect::<Vec<_>>().await
            };
            let all = log(LogWish::default()).await;
            let texts: Vec<&str> = all.iter().map(|line| line.text.as_str()).collect();
            assert_eq!(texts, ["first", "second"]);
            let (first, second) = (all[0].at.unwrap(), all[1].at.unwrap());
            let apart = second.duration_since(first).unwrap();
            assert!(
                first > begun && apart > Duration::from_millis(900),
                "{all:?}"
            );
            assert!(apart < Duration::from_millis(5000), "{all:?}");
            let since = LogWish {
                since: Some(second),
                ..LogWish::default()
            };
            assert_eq!(log(since).await, all[1..]);
            let until = LogWish {
                until: Some(second),
                ..LogWish::default()
            };
            assert_eq!(log(until).await, all[..1]);
            let last = LogWish {
                lines: Some(1),
                ..LogWish::default()
            };
            assert_eq!(log(last).await, all[1..]);

            let follow = LogWish {
                follow: true,
                lines: Some(1),
                ..LogWish::default()
            };
            let mut coming = rig.lxc.logs(&web, &follow).await.unwrap();
            assert_eq!(coming.next().await.unwrap().unwrap().text, "second");
            let line = "head -c 1500000 /dev/zero | tr '\\0' x > /dev/console; echo; echo third > /dev/console";
            rig.lxc.run(&web, &shell(line), None).await.unwrap();
            loop {
                let line = coming.next().await.unwrap().unwrap();
                if line.text.ends_with("third") {
                    break;
                }
            }
            let again = log(LogWish {
                lines: Some(1),
                ..LogWish::default()
            })
            .await;
            assert!(
                again[0].at.is_some_and(|at| at > second),
                "{:?}",
                again[0].at
            );
            rig.lxc
                .stop(&web, Body::Present, Duration::ZERO)
                .await
                .unwrap();
            rig.lxc.destroy(&web, Body::Present, false).await.unwrap();
            assert!(coming.next().await.is_none(), "it follows what is gone");
            let logs = std::fs::read_dir(rig.top.join("lib/logs/t")).unwrap();
            assert_eq!(logs.count(), 0, "a log or an index is left");
        },
    );
}

#[test]
fn happenings_are_told_in_order_whoever_causes_them() {
    in_own_network(
        "watch::happenings_are_told_in_order_whoever_causes_them",
        async |rig| {
            let mut events = rig.lxc.events(None).await.unwrap();
            let mut next = async || {
                let next = tokio::time::timeout(Duration::from_secs(20), events.next()).await;
                match next.expect("nothing was told").unwrap().unwrap() {
                    News::Happened(happening) => {
                        assert_eq!(happening.container, name("web"));
                        happening.what
                    }
                    news @ (News::Away(..) | News::Back(_)) => panic!("{news:?}"),
                }
            };
            let web = one_shot(&rig, "web", "sleep 1000").await;
            assert_eq!(next().await, What::Created);
            rig.lxc.start(&web, Body::Present).await.unwrap();
            assert_eq!(next().await, What::Started);
            let begun = Instant::now();
            rig.lxc.set_frozen(&web, true).await.unwrap();
            assert_eq!(next().await, What::Frozen);
            rig.lxc.set_frozen(&web, false).await.unwrap();
            assert_eq!(next().await, What::Thawed);
            assert!(
                begun.elapsed() < Duration::from_secs(4),
                "only told by the looks in between"
            );
            let path = rig.top.join("lxc");
            sh(&format!("lxc-freeze -P {} -n t_web", path.display()));
            assert_eq!(next().await, What::Frozen, "by somebody else");
            rig.lxc
                .stop(&web, Body::Present, Duration::ZERO)
                .await
                .unwrap();
            assert_eq!(next().await, What::Ended(Some(137)));

            rig.lxc.set_aside(&web, false).await.unwrap();
            rig.make(&rig.mark("web", 2, json!({}))).await;
            assert_eq!(next().await, What::Created);
            rig.lxc.destroy(&web, Body::Aside, false).await.unwrap();
            assert_eq!(next().await, What::Destroyed, "the older self");
            rig.lxc.destroy(&web, Body::Present, false).await.unwrap();
            assert_eq!(next().await, What::Destroyed);

            one_shot(&rig, "web", "exit 0").await;
            assert_eq!(next().await, What::Created);
            rig.lxc.start(&web, Body::Present).await.unwrap();
            assert_eq!(
                next().await,
                What::Started,
                "it was over before it was seen"
            );
            assert_eq!(next().await, What::Ended(Some(0)));
            rig.lxc.destroy(&web, Body::Present, false).await.unwrap();
        },
    );
}

//! What locker had written down is lost: the marks on units, containers and volumes are enough.

use crate::beside::{answers, on_a_host_with_docker};
use crate::project::{Project, eventually};

const ON_DEMAND: &str = "  od:\n    image: busybox:test\n    on_demand: true\n    idle: 1h\n    stop_grace_period: 0s\n    \
                         autostart: true\n    ports: [\"8090:80\"]\n";

/// Files and links of units, units that systemd has, and who listens.
const UNITS: &str = "find /etc/systemd/system -name 'locker-*'; \
    systemctl list-units --all --no-legend --plain 'locker*'; ss -Hltn sport = :8090";

#[test]
fn a_port_on_demand_is_ours_by_the_mark_of_its_unit_and_goes_with_it() {
    on_a_host_with_docker(|host| {
        let project = Project::new(host, "od", ON_DEMAND);
        project.up();
        answers(host, 8090, "hello");
        let state = "/var/lib/locker/projects/od";
        for lose in [
            &*format!("rm {state}/units/od.json"),
            &*format!(": >{state}/units/od.json"),
            "rm -r /var/lib/locker/projects",
        ] {
            host.sh(lose);
            let plan = project.locker("plan").exits(0).out;
            assert!(plan.contains("of its services is lost"), "{lose}: {plan}");
            let _ = project
                .locker("status")
                .exits(0)
                .says(&["of its services is lost"]);
            project.up();
            project.locker("plan --exit-code").exits(0);
            answers(host, 8090, "hello");
        }
        for lose in [
            &*format!("rm {state}/units/od.json"),
            "rm -r /var/lib/locker/projects",
            "rm -r /var/lib/locker/projects; find /etc/systemd/system -name 'locker-od*' -type f -delete; systemctl daemon-reload",
        ] {
            host.sh(lose);
            project.locker("down --yes").exits(0);
            eventually(String::new(), || host.try_sh(UNITS).out.trim().to_owned());
            project.up();
        }
    });
}

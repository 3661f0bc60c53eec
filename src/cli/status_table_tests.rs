//! Whole tables, and rows for them.

use super::*;
use crate::model::Name;

/// A row without anything.
pub(in crate::cli) fn row(name: &str, state: State) -> StatusRow {
    StatusRow {
        project: Name::new("shop").unwrap(),
        name: Name::new(name).unwrap(),
        container: format!("shop_{name}"),
        r#type: "lxc",
        image: None,
        defined: true,
        group: None,
        fqdn: None,
        state,
        exit_code: None,
        setup: None,
        health: None,
        failed_check: None,
        ips: Vec::new(),
        ports: Vec::new(),
        waiting: false,
        boot: false,
        links: Vec::new(),
        drift: Vec::new(),
        cpus: None,
        shares: None,
        memory: None,
        memory_peak: None,
        memory_limit: None,
        unit: None,
    }
}

fn plain(rows: &[StatusRow], columns: &[Column], width: Option<u16>) -> String {
    anstream::adapter::strip_str(&render(rows, columns, width)).to_string()
}

#[test]
fn ports_stand_one_on_a_line() {
    let mut web = row("web", State::Running);
    web.fqdn = Some("www.example.net".into());
    web.ips = vec!["10.1.2.3".parse().unwrap()];
    web.ports = vec!["8080:80/tcp".into(), "8443:443/tcp".into()];
    let mut old = row("old", State::Stopped);
    old.defined = false;
    assert_eq!(
        plain(&[web, old], &USUAL, None),
        "\
Def.  Name  Type  FQDN             State    Health  IPs       Ports
--------------------------------------------------------------------------
yes   web   lxc   www.example.net  running  -       10.1.2.3  8080:80/tcp
                                                              8443:443/tcp
no    old   lxc   -                stopped  -       -         -
"
    );
}

#[test]
fn what_has_ended_tells_with_what() {
    let mut job = row("job", State::Stopped);
    job.exit_code = Some(0);
    job.r#type = "docker";
    job.image = Some("busybox:1".into());
    let columns = [Column::Name, Column::Type, Column::Image, Column::State];
    assert_eq!(
        plain(&[job], &columns, None).lines().last().unwrap(),
        "job   docker  busybox:1  stopped (0)"
    );
}

#[test]
fn a_narrow_terminal_gets_a_narrow_table() {
    let mut web = row("web", State::Running);
    web.fqdn = Some("a-very-long-host-name.example.net".into());
    let text = plain(&[web], &USUAL, Some(60));
    assert!(
        text.lines().all(|line| line.chars().count() <= 60),
        "{text}"
    );
}

#[test]
fn memory_without_a_limit_is_unlimited() {
    let mut web = row("web", State::Running);
    assert_eq!(memory(&web), "-");
    web.memory = Some(12 << 20);
    assert_eq!(memory(&web), "12/unlimited");
    web.memory_limit = Some(200 << 20);
    assert_eq!(memory(&web), "12/200");
}

#[test]
fn only_the_state_is_coloured() {
    colored::control::set_override(true);
    let text = render(&[row("running", State::Running)], &USUAL, None);
    let line = text.lines().last().unwrap();
    assert_eq!(
        line,
        "yes   running  lxc   -     \x1b[32mrunning\x1b[0m  -       -    -"
    );
}

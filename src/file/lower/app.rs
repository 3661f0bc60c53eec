//! What only application containers have: the process and the engine's settings for it.

mod files;
mod gpus;
pub(super) mod kernel;
pub(super) mod limits;
mod network;
mod process;
mod sharing;

use std::collections::BTreeMap;

use super::container::{Layers, Shared};
use super::values::{flag, number, one, pairs, pairs_of, parsed, parsed_list};
use super::volumes::Mounts;
use super::{build, health, ports};
use crate::file::desk::{Desk, Scope};
use crate::model::{
    App, AppValueError, Fqdn, Key, check_plain, check_platform, check_signal, check_user,
    check_working_dir,
};
use process::{logging, pull, words};
use sharing::{namespaces, volumes_from};

pub(in crate::file) use limits::THROTTLES;
pub(super) use network::{all_extra_hosts, extra_hosts, of_system};

/// A text without control characters that is passed on as it is.
fn plain(desk: &Desk<'_>, layers: &Layers<'_>, key: Key) -> Option<String> {
    parsed(desk, layers, key, |text| {
        kept(text, |text| check_plain(key.as_str(), text))
    })
}

/// The text that a check lets through.
fn kept<E>(text: &str, check: impl FnOnce(&str) -> Result<(), E>) -> Result<String, E> {
    check(text).map(|()| text.to_string())
}

/// A list of such texts.
pub(super) fn plain_list(desk: &Desk<'_>, layers: &Layers<'_>, key: Key) -> Vec<String> {
    parsed_list(desk, layers, key, |text| {
        kept(text, |text| check_plain(key.as_str(), text))
    })
}

/// All settings of an application container.
pub(super) fn lower(
    desk: &Desk<'_>,
    shared: &Shared<'_>,
    layers: &Layers<'_>,
    mounts: Mounts,
) -> App {
    let health = health::lower(desk, layers);
    let mut app = App {
        pull: pull(desk, layers),
        command: words(desk, layers, Key::Command),
        entrypoint: words(desk, layers, Key::Entrypoint),
        group_add: plain_list(desk, layers, Key::GroupAdd),
        dns_search: plain_list(desk, layers, Key::DnsSearch),
        dns_opt: plain_list(desk, layers, Key::DnsOpt),
        logging: logging(desk, layers),
        storage_opt: options(desk, layers, Key::StorageOpt),
        no_healthcheck: health.off,
        health_times: health.times,
        expose: ports::exposed(desk, layers),
        device_requests: gpus::lower(desk, layers),
        limits: limits::lower(desk, layers),
        engine_volumes: mounts.engine,
        mount_options: mounts.options,
        granted: kernel::lower(desk, layers, mounts.tmpfs),
        security_opt: kernel::security(desk, layers),
        files: files::lower(desk, shared, layers),
        volumes_from: volumes_from(desk, shared, layers),
        ..App::default()
    };
    texts(desk, layers, &mut app);
    flags(desk, layers, &mut app);
    namespaces(desk, shared, layers, &mut app);
    network::fill(desk, shared, layers, &mut app);
    // Another runtime may have a kernel of its own.
    if app.runtime.is_none() {
        kernel::check_sysctls(desk, layers, |of| kernel::shared_with_host(&app, of));
    }
    build::isolation(desk, one(desk, layers, Key::Isolation));
    app
}

/// The keys that take one text or number.
fn texts(desk: &Desk<'_>, layers: &Layers<'_>, app: &mut App) {
    app.platform = parsed(desk, layers, Key::Platform, |text| {
        kept(text, check_platform)
    });
    app.user = parsed(desk, layers, Key::User, |text| kept(text, check_user));
    app.working_dir = parsed(desk, layers, Key::WorkingDir, |text| {
        kept(text, check_working_dir)
    });
    app.hostname = parsed(desk, layers, Key::Hostname, |text| {
        // The engine takes an underscore too.
        let fits = Fqdn::new(&text.replace('_', "-")).map_err(|error| error.to_string());
        fits.and_then(|_| of_kernel(text))
    });
    app.domainname = parsed(desk, layers, Key::Domainname, |text| {
        kept(text, |text| check_plain("domainname", text))
    });
    app.stop_signal = parsed(desk, layers, Key::StopSignal, |text| {
        kept(text, check_signal)
    });
    app.runtime = plain(desk, layers, Key::Runtime);
    app.cgroup_parent = plain(desk, layers, Key::CgroupParent);
    app.oom_score_adj = oom_score_adj(desk, layers);
}

/// `oom_score_adj`.
pub(super) fn oom_score_adj(desk: &Desk<'_>, layers: &Layers<'_>) -> Option<i64> {
    parsed(desk, layers, Key::OomScoreAdj, |text| {
        number("oom_score_adj", text, -1000, 1000)
    })
}

/// The kernel keeps 64 characters of a name (sethostname(2)).
fn of_kernel(text: &str) -> Result<String, String> {
    match text.len() <= 64 {
        true => Ok(text.to_string()),
        false => Err(format!(
            "`hostname` has at most 64 characters, `{text}` has {}",
            text.len()
        )),
    }
}

/// The keys that take `true` or `false`.
fn flags(desk: &Desk<'_>, layers: &Layers<'_>, app: &mut App) {
    let flag = |key: Key| flag(desk, layers, key);
    app.tty = flag(Key::Tty).unwrap_or_default();
    app.stdin_open = flag(Key::StdinOpen).unwrap_or_default();
    app.init = flag(Key::Init);
    app.oom_kill_disable = flag(Key::OomKillDisable);
    // Checked only: `up` shows no output of containers.
    flag(Key::Attach);
}

/// Pairs that are passed on as they are.
fn options(desk: &Desk<'_>, layers: &Layers<'_>, key: Key) -> BTreeMap<String, String> {
    let pairs = pairs(desk, layers, key, false).into_iter();
    pairs
        .map(|pair| (pair.key, pair.value.unwrap_or_default()))
        .collect()
}

/// The pairs of a map that each carry a value, checked one by one.
fn checked_pairs(
    desk: &Desk<'_>,
    layers: &Layers<'_>,
    key: Key,
    check: fn(&str) -> Result<(), AppValueError>,
) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let scope: Scope<'_> = layers.scope(key);
    for pair in layers
        .of(key)
        .flat_map(|entry| pairs_of(desk, entry, scope, false))
    {
        let Some(value) = pair.value else {
            desk.error(pair.spot, format!("`{}` of `{key}` has no value", pair.key));
            continue;
        };
        if desk.check(pair.spot, check(&pair.key)).is_some()
            && desk
                .check(pair.spot, check_plain(key.as_str(), &value))
                .is_some()
        {
            all.insert(pair.key, value);
        }
    }
    all
}

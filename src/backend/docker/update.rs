//! Changing a container that lives on: its limits, who starts it again when it ends, and its places on networks
//! that somebody took it off.
//!
//! Only what differs from the mark before is asked for, so a mark that is only written anew costs no
//! request. The mark follows the engine: when the engine refuses, nothing is written.

use std::fs;
use std::sync::OnceLock;

use bollard::models::{ContainerUpdateBody, ContainerUpdateResponse, NetworkConnectRequest};

use super::client::{ANSWER, Link};
use super::create::app_of;
use super::error::{failed, refused};
use super::init::init_of;
use super::known::Known;
use super::limits::{self, Unlimited};
use super::site::Site;
use super::unheld::{self, Remark};
use super::{mark, place, raw};
use crate::backend::{BackendError, Meter, live};
use crate::model::{Attached, ContainerSpec, live_limits};
use crate::observed::Mark;

/// Writes settings and mark anew; a running container has them at once.
pub(super) async fn configure(
    site: &Site,
    link: &Link,
    known: &Known,
    mark: &Mark,
) -> Result<(), BackendError> {
    let (old, new) = (&known.mark.spec, &mark.spec);
    let (before, after) = (&app_of(old)?.settings.limits, &app_of(new)?.settings.limits);
    // What others have changed is asked for again.
    let before = &match is_held(known) {
        true => before.clone(),
        false => limits::other_than(before, after),
    };
    let mut body = limits::change(before, after, &unlimited());
    if limits::restart_policy(old) != limits::restart_policy(new) {
        body.restart_policy = Some(limits::restart_policy(new));
    }
    if body != ContainerUpdateBody::default() {
        let remarks = update(link, known, &body).await;
        let remarks = remarks.map_err(|e| failed("configure", &new.host_name(), &e))?;
        let left_out = |remark: &&String| unheld::sort(remark, after) == Remark::LeftOut;
        if let Some(remark) = remarks.iter().find(left_out) {
            // The rest of it was changed. Why it is taken back is the error to tell.
            let back = limits::change(after, before, &unlimited());
            let _ = update(link, known, &back).await;
            let reason = unheld::left_out(remark);
            return Err(refused("configure", &new.host_name(), reason));
        }
    }
    plug_in(link, known, new).await?;
    mark::change(&site.home(&new.name, &known.token), &known.id, mark)
}

/// Whether the kernel holds the limits that it is known to have; of one that does not run nothing is known.
fn is_held(known: &Known) -> bool {
    let spec = &known.mark.spec;
    let Some(pid) = init_of(&known.id) else {
        return true;
    };
    let meter = OnceLock::new();
    let live = live::read(spec, pid, || meter.get_or_init(Meter::here));
    live_limits(spec).iter().all(|limit| {
        live.get(&limit.key)
            .is_none_or(|live| limit.is_held_by(live))
    })
}

/// Joins it again to the networks that it was made on and is not on, with its addresses and names there. One that
/// runs gets its card at once.
async fn plug_in(link: &Link, known: &Known, spec: &ContainerSpec) -> Result<(), BackendError> {
    let app = app_of(spec)?;
    let lost = |at: &&Attached| known.unplugged.contains(&at.network);
    for attached in app.attached.iter().filter(lost) {
        let request = NetworkConnectRequest {
            container: known.id.clone(),
            endpoint_config: Some(place::endpoint(&spec.name, attached)),
        };
        let network = attached.network.as_str();
        let joined = link.docker.connect_network(network, request).await;
        joined.map_err(|e| failed("join networks of", &spec.host_name(), &e))?;
    }
    Ok(())
}

/// What the engine remarks about the change, which the client does not hand on.
async fn update(
    link: &Link,
    known: &Known,
    body: &ContainerUpdateBody,
) -> Result<Vec<String>, bollard::errors::Error> {
    let path = format!("/containers/{}/update", known.id);
    let body = serde_json::to_value(body)?;
    let answer: ContainerUpdateResponse = raw::post(link, &path, &body, ANSWER).await?;
    Ok(answer.warnings.unwrap_or_default())
}

/// What this host has at most.
fn unlimited() -> Unlimited {
    let read = |path: &str, otherwise: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        match text.trim() {
            "" => otherwise.to_owned(),
            list => list.to_owned(),
        }
    };
    Unlimited {
        cpus: read("/sys/devices/system/cpu/online", "0"),
        count: std::thread::available_parallelism()
            .map_or(1, |count| u64::try_from(count.get()).unwrap_or(1)),
        mems: read("/sys/devices/system/node/online", "0"),
    }
}

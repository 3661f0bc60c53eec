//! Changing a container that lives on: its limits and who starts it again when it ends.
//!
//! Only what differs from the mark before is asked for, so a mark that is only written anew costs no
//! request. The mark follows the engine: when the engine refuses, nothing is written.

use std::fs;

use bollard::models::ContainerUpdateBody;

use super::client::Link;
use super::create::app_of;
use super::error::failed;
use super::known::Known;
use super::limits::{self, Unlimited};
use super::mark;
use super::site::Site;
use crate::backend::BackendError;
use crate::observed::Mark;

/// Writes settings and mark anew; a running container has them at once.
pub(super) async fn configure(
    site: &Site,
    link: &Link,
    known: &Known,
    mark: &Mark,
) -> Result<(), BackendError> {
    let (old, new) = (&known.mark.spec, &mark.spec);
    let mut body = limits::change(
        &app_of(old)?.settings.limits,
        &app_of(new)?.settings.limits,
        &unlimited(),
    );
    if limits::restart_policy(old) != limits::restart_policy(new) {
        body.restart_policy = Some(limits::restart_policy(new));
    }
    if body != ContainerUpdateBody::default() {
        let updated = link.docker.update_container(&known.id, body).await;
        updated.map_err(|e| failed("configure", &new.host_name(), &e))?;
    }
    mark::change(&site.home(&new.name, &known.token), &known.id, mark)
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

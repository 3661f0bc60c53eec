//! Waiting until containers have ended.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::Serialize;

use crate::model::Name;

use super::exec::all_answer;
use super::select::select;
use super::{JobError, Setting, jobs, road};

/// How a container ended. Its JSON form is the published one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// Short name.
    pub name: Name,
    /// Its exit code; 128 + signal when it was killed.
    pub code: i32,
}

/// Waits for the selected containers, all of the project by default, and gives `told` each one when it
/// has ended; those that do not run at once.
pub async fn wait(
    setting: &Setting,
    names: &[String],
    told: &mut (dyn FnMut(&Ended) + Send),
) -> Result<Vec<Ended>, JobError> {
    let opened = road::open(setting, "wait").await?;
    let observed = opened.host.observe(&opened.project, None).await?;
    let selection = select(&opened.project, &observed, names)?;
    match &selection {
        Some(names) => all_answer(&opened.project, &observed, names)?,
        None => all_answer(&opened.project, &observed, opened.project.containers.keys())?,
    }
    for name in selection.iter().flatten() {
        if !observed.containers.contains_key(name) && !observed.jobs.contains_key(name) {
            return Err(JobError::NotMade { name: name.clone() });
        }
    }
    let watch = opened.host.backend.watch();
    let chosen: BTreeSet<&Name> = match &selection {
        Some(names) => names.iter().collect(),
        None => observed.containers.keys().collect(),
    };
    let ended = |name| {
        let there = observed.containers.contains_key(name);
        let job = observed.jobs.contains_key(name);
        let opened = &opened;
        async move {
            let code = match there {
                true => watch.ended(name).await.map_err(JobError::from),
                false => jobs::ended(opened, name).await,
            };
            match code {
                // Its container went with it, before it could be asked.
                Err(_) if there && job => jobs::ended(opened, name).await,
                code => code,
            }
        }
    };
    let mut open: FuturesUnordered<_> = chosen
        .into_iter()
        .map(|name| {
            let ended = ended(name);
            async move { (name, ended.await) }
        })
        .collect();
    let mut all = Vec::new();
    while let Some((name, code)) = open.next().await {
        let ended = Ended {
            name: name.clone(),
            code: code?,
        };
        told(&ended);
        all.push(ended);
    }
    Ok(all)
}

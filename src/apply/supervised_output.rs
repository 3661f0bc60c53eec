//! What tells about supervised containers: the engines, but their output comes from the journal.
//!
//! The journal holds what a container printed in all its runs, and in those of its older selves. Where
//! it cannot be read, or holds nothing of a container (one that was started before systemd ran it, a
//! journal that is kept in memory only), the engine's own log is as good as before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};

use super::Supervised;
use crate::backend::{
    BackendError, Body, EventStream, Lasting, LogLine, LogStream, LogWish, Lost, Probe, Process,
    Runs, Watch,
};
use crate::model::{Healthcheck, Name, host_name_of};
use crate::sys::ExecError;
use crate::systemd::{Printed, Span, names};

impl Supervised {
    /// The services of which the journal holds output; none where it cannot be read.
    async fn in_journal(&self) -> &BTreeSet<String> {
        let services = async || self.journal.services().await.unwrap_or_default();
        self.in_journal.get_or_init(services).await
    }

    /// The services of those of `names` whose output the journal holds, with the names.
    async fn all_journaled(&self, names: &BTreeSet<Name>) -> BTreeMap<String, Name> {
        let mut services = BTreeMap::new();
        for name in names {
            if let Some(service) = self.journaled(name).await {
                services.insert(service, name.clone());
            }
        }
        services
    }

    /// The service of a container whose output the journal holds.
    async fn journaled(&self, name: &Name) -> Option<String> {
        // Of one that no engine has shown, since its own does not answer, the journal may hold output as well.
        if self.is_shown(name) && !self.is_supervised(name, Body::Present) {
            return None;
        }
        let service = names::service(&self.project, name);
        let held = self.in_journal().await;
        held.contains(&service).then_some(service)
    }

    fn unread(&self, name: &Name) -> impl Fn(ExecError) -> BackendError + Send + 'static {
        let container = host_name_of(&self.project, name);
        move |error| BackendError::Engine {
            verb: "read the journal of",
            container: container.clone(),
            reason: error.to_string(),
            log: Vec::new(),
        }
    }
}

fn line(printed: Printed) -> LogLine {
    LogLine {
        at: Some(printed.at),
        error: printed.error,
        text: printed.text,
    }
}

#[async_trait]
impl Watch for Supervised {
    fn unwell(&self, name: &Name) -> Option<String> {
        std::fs::read_to_string(self.paths.unwell(&self.project, name)).ok()
    }

    async fn probe(&self, name: &Name, check: Option<&Healthcheck>) -> Result<Probe, BackendError> {
        self.engines.watch().probe(name, check).await
    }

    async fn comebacks(&self, name: &Name) -> Result<u64, BackendError> {
        self.engines.watch().comebacks(name).await
    }

    async fn logs(&self, name: &Name, wish: &LogWish) -> Result<LogStream, BackendError> {
        // What is followed through the journal comes by `lasting`.
        let from_engine = wish.fresh || wish.follow || wish.runs != Runs::All;
        let service = match from_engine {
            // Its engine has nothing of it any more.
            _ if self.is_past(name) => Some(names::job(&self.project, name)),
            true => None,
            false => self.journaled(name).await,
        };
        let Some(service) = service else {
            return self.engines.watch().logs(name, wish).await;
        };
        let span = Span {
            since: wish.since,
            until: wish.until,
        };
        let unread = self.unread(name);
        let Some(count) = wish.lines else {
            let lines = self.journal.past(&service, span).map_err(&unread)?;
            return Ok(lines
                .map(move |read| read.map(line).map_err(&unread))
                .boxed());
        };
        let lines = self.journal.last(&service, count, span).await;
        let lines = lines.map_err(unread)?.into_iter();
        Ok(stream::iter(lines.map(line).map(Ok)).boxed())
    }

    async fn lasting(
        &self,
        names: &BTreeSet<Name>,
        since: SystemTime,
    ) -> Result<Lasting, BackendError> {
        let services = self.all_journaled(names).await;
        let Some(first) = services.values().next() else {
            return Ok(Lasting::default());
        };
        let unread = self.unread(first);
        let over = BackendError::Engine {
            verb: "follow the journal of",
            container: host_name_of(&self.project, first),
            reason: "`journalctl` has ended".into(),
            log: Vec::new(),
        };
        let asked = services.keys().cloned().collect();
        let lines = self.journal.follow(&asked, since).map_err(&unread)?;
        let names = services.values().cloned().collect();
        let lines = lines.filter_map(move |read| {
            let told = match read {
                Ok(printed) => {
                    let name = services.get(&printed.service).cloned();
                    name.map(|name| Ok((name, line(printed))))
                }
                Err(error) => Some(Err(unread(error))),
            };
            async move { told }
        });
        Ok(Lasting {
            names,
            lines: lines.chain(stream::iter([Err(over)])).boxed(),
        })
    }

    async fn lost(
        &self,
        names: &BTreeSet<Name>,
        since: Option<SystemTime>,
    ) -> Result<Vec<Lost>, BackendError> {
        let services = self.all_journaled(names).await;
        let Some(first) = services.values().next() else {
            return Ok(Vec::new());
        };
        let asked = services.keys().cloned().collect();
        let dropped = self.journal.dropped(&asked, since).await;
        let dropped = dropped.map_err(self.unread(first))?.into_iter();
        let lost = dropped.filter_map(|dropped| {
            Some(Lost {
                name: services.get(&dropped.service)?.clone(),
                at: dropped.at,
                count: dropped.count,
            })
        });
        Ok(lost.collect())
    }

    async fn processes(&self, name: &Name) -> Result<Vec<Process>, BackendError> {
        self.engines.watch().processes(name).await
    }

    async fn ended(&self, name: &Name) -> Result<i32, BackendError> {
        self.engines.watch().ended(name).await
    }

    async fn was_stopped(&self, name: &Name) -> bool {
        self.engines.watch().was_stopped(name).await
    }

    async fn events(&self, since: Option<SystemTime>) -> Result<EventStream, BackendError> {
        self.engines.watch().events(since).await
    }
}

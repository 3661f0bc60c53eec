//! What happens to a project's containers, as the engine tells it.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard::Docker;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use futures_util::StreamExt;

use super::error::{broke_off, failed};
use super::images::LONG;
use super::mark;
use crate::backend::{EventStream, Happening, News, What};
use crate::model::{Name, host_name_of};
use crate::observed::Health;

/// Happenings from now on, or from `since` on: the engine keeps some hundred, and none when it is restarted. They end
/// when it goes away. What is done to an older self that was set aside is no news of the container.
pub(super) fn events(docker: &Docker, project: &Name, since: Option<SystemTime>) -> EventStream {
    let filters = HashMap::from([
        ("type".into(), vec!["container".into()]),
        ("label".into(), vec![format!("{}={project}", mark::PROJECT)]),
    ]);
    let options = EventsOptions {
        since: since.map(seconds),
        filters: Some(filters),
        ..EventsOptions::default()
    };
    let project = project.clone();
    let told = docker.clone().with_timeout(LONG).events(Some(options));
    let told = told.take_while(|event| {
        let gone = event.as_ref().is_err_and(broke_off);
        std::future::ready(!gone)
    });
    let news = told.filter_map(move |event| {
        let news = match event {
            Ok(event) => read(&project, &event).map(|happening| Ok(News::Happened(happening))),
            Err(error) => Some(Err(failed("watch", project.as_str(), &error))),
        };
        std::future::ready(news)
    });
    news.boxed()
}

/// Whether a container was made.
pub(super) fn is_creation(news: &News) -> bool {
    match news {
        News::Happened(happening) => happening.what == What::Created,
        News::Away(..) | News::Back(_) => false,
    }
}

/// A time as the engine takes it.
fn seconds(at: SystemTime) -> String {
    let at = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:09}", at.as_secs(), at.subsec_nanos())
}

/// An event as a happening; none when it is of no interest.
fn read(project: &Name, event: &EventMessage) -> Option<Happening> {
    let actor = event.actor.as_ref()?;
    let attribute = |key: &str| actor.attributes.as_ref()?.get(key).map(String::as_str);
    let container = Name::new(attribute(mark::NAME)?).ok()?;
    if attribute("name")? != host_name_of(project, &container) {
        return None;
    }
    let code = || attribute("exitCode").and_then(|code| code.parse().ok());
    let what = match event.action.as_deref()? {
        "create" => What::Created,
        "start" => What::Started,
        "die" => What::Ended(code()),
        "pause" => What::Frozen,
        "unpause" => What::Thawed,
        "oom" => What::OutOfMemory,
        "destroy" => What::Destroyed,
        "health_status: healthy" => What::Health(Health::Healthy),
        "health_status: unhealthy" => What::Health(Health::Unhealthy),
        _ => return None,
    };
    Some(Happening {
        at: time(event),
        container,
        what,
    })
}

fn time(event: &EventMessage) -> SystemTime {
    let nanos = event.time_nano.and_then(|nanos| u64::try_from(nanos).ok());
    match nanos {
        Some(nanos) => UNIX_EPOCH + Duration::from_nanos(nanos),
        None => SystemTime::now(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::EventActor;

    fn event(action: &str, name: &str) -> EventMessage {
        let attributes = [("name", name), (mark::NAME, "web"), ("exitCode", "137")];
        let attributes = attributes.map(|(key, value)| (key.to_string(), value.to_string()));
        EventMessage {
            action: Some(action.into()),
            actor: Some(EventActor {
                id: None,
                attributes: Some(attributes.into()),
            }),
            time_nano: Some(1_500_000_000),
            ..EventMessage::default()
        }
    }

    #[test]
    fn a_time_is_told_to_the_nanosecond_so_that_nothing_is_told_twice() {
        let at = UNIX_EPOCH + Duration::new(1_800_000_000, 42);
        assert_eq!(seconds(at), "1800000000.000000042");
    }

    #[test]
    fn the_engines_words_become_ours_and_an_older_self_is_no_news() {
        let project = Name::new("shop").unwrap();
        let what = |action: &str, name: &str| read(&project, &event(action, name)).map(|h| h.what);
        for (action, expected) in [
            ("start", Some(What::Started)),
            ("die", Some(What::Ended(Some(137)))),
            (
                "health_status: unhealthy",
                Some(What::Health(Health::Unhealthy)),
            ),
            ("exec_start: sh", None),
        ] {
            assert_eq!(what(action, "shop_web"), expected, "{action}");
        }
        assert_eq!(what("die", "shop_web.locker-old"), None);
        let happening = read(&project, &event("oom", "shop_web")).unwrap();
        assert_eq!(happening.at, UNIX_EPOCH + Duration::from_millis(1500));
        assert_eq!(happening.container.as_str(), "web");
    }
}

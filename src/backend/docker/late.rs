//! Containers of ours that began to run after they were looked at: a run of locker was killed while the engine
//! worked on its request, or somebody started one by hand. Ends them where nobody of ours may be left.

use super::client::Link;
use super::homes::Homes;
use super::known;
use super::list;
use super::power;
use super::site::Site;
use crate::backend::BackendError;
use crate::model::STOP_GRACE;

/// Ends the containers of ours that are on `network`, each with its own grace; whether there were any. Only for
/// a network that goes, when all that the plan knows of has left it.
pub(super) async fn end_all_on(
    site: &Site,
    link: &Link,
    network: &str,
) -> Result<bool, BackendError> {
    let (list, homes) = (list::containers(&link.endpoint).await?, Homes::read(site));
    let mut ended = false;
    for entry in &list {
        let settings = entry.network_settings.as_ref();
        let networks = settings.and_then(|settings| settings.networks.as_ref());
        if !networks.is_some_and(|networks| networks.contains_key(network)) {
            continue;
        }
        let Some((name, _, known)) = known::ours(site, &homes, entry, &list) else {
            continue;
        };
        let grace = known.mark.spec.stop_grace.unwrap_or(STOP_GRACE);
        power::stop(link, &site.full(&name), &known, grace).await?;
        ended = true;
    }
    Ok(ended)
}

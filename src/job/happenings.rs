//! What happens to the project's containers, told as it happens.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use futures_util::StreamExt;

use crate::backend::{Happening, News};

use super::absence::{Absence, Remarks};
use super::select::select;
use super::{JobError, Setting, road};

/// Gives `out` what happens to the selected containers from now on, until it breaks; of an engine that goes away, as
/// soon as it is back.
pub async fn happenings(
    setting: &Setting,
    names: &[String],
    out: &mut (dyn FnMut(&Happening) -> ControlFlow<()> + Send),
    remarks: Remarks<'_>,
) -> Result<(), JobError> {
    let opened = road::open(setting, "events").await?;
    let observed = opened.host.observe(&opened.project, None).await?;
    let selection = select(&opened.project, &observed, names)?;
    let mut absence = Absence::new(&opened.project, &observed, &selection, remarks);
    absence.check(&observed)?;
    absence.looked(&observed);
    let mut stream = opened.host.backend.watch().events(None).await?;
    while let Some(news) = stream.next().await {
        let happened = match news? {
            News::Happened(happened) => happened,
            News::Away(kind, down) => {
                absence.is_away(kind, &down, &BTreeSet::new());
                continue;
            }
            News::Back(kind) => {
                absence.is_back(kind);
                continue;
            }
        };
        let chosen = selection
            .as_ref()
            .is_none_or(|some| some.contains(&happened.container));
        if chosen && out(&happened).is_break() {
            break;
        }
    }
    Ok(())
}

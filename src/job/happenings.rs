//! What happens to the project's containers, told as it happens.

use std::ops::ControlFlow;

use futures_util::StreamExt;

use crate::backend::Happening;

use super::select::select;
use super::{JobError, Setting, road};

/// Gives `out` what happens to the selected containers from now on, until it breaks.
pub async fn happenings(
    setting: &Setting,
    names: &[String],
    out: &mut (dyn FnMut(&Happening) -> ControlFlow<()> + Send),
) -> Result<(), JobError> {
    let opened = road::open(setting, "events").await?;
    let observed = opened.host.observe(&opened.project, None).await?;
    let selection = select(&opened.project, &observed, names)?;
    let mut stream = opened.host.backend.watch().events().await?;
    while let Some(happened) = stream.next().await {
        let happened = happened?;
        let chosen = selection
            .as_ref()
            .is_none_or(|some| some.contains(&happened.container));
        if chosen && out(&happened).is_break() {
            break;
        }
    }
    Ok(())
}

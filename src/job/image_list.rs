//! The images of a project: what its application containers are made from.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::backend::ImageInfo;
use crate::model::Name;

use super::select::select;
use super::{JobError, Setting, road};

/// The image of one container. Its JSON form is the published one.
#[derive(Clone, Debug, Serialize)]
pub struct ImageRow {
    /// Short name of the container.
    pub name: Name,
    /// The image as the file names it.
    pub image: String,
    /// The id of the image that has this name now; none when the host does not have it.
    pub id: Option<String>,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// When it was made, RFC 3339.
    pub created: Option<String>,
    /// The id of the image that the container was made from; none when there is no container.
    pub used: Option<String>,
}

/// The images of the selected application containers, by container.
pub async fn images(setting: &Setting, names: &[String]) -> Result<Vec<ImageRow>, JobError> {
    let opened = road::open(setting, "images").await?;
    let observed = opened.host.observe(&opened.project, None).await?;
    let selection = select(&opened.project, &observed, names)?;
    let mut wanted: BTreeMap<&Name, &str> = BTreeMap::new();
    for (name, found) in &observed.containers {
        let source = found.mark.as_ref().map(|mark| &mark.spec.source);
        wanted.extend(
            source
                .and_then(|source| source.image())
                .map(|image| (name, image)),
        );
    }
    for (name, container) in &opened.project.containers {
        wanted.extend(container.source.image().map(|image| (name, image)));
    }
    if let Some(some) = &selection {
        wanted.retain(|name, _| some.contains(*name));
    }
    let asked: BTreeSet<String> = wanted.values().map(ToString::to_string).collect();
    let known: BTreeMap<String, ImageInfo> = match opened.host.backend.engine() {
        Some(engine) if !asked.is_empty() => {
            let there = engine.images(&asked).await?.into_iter();
            there.map(|info| (info.name.clone(), info)).collect()
        }
        Some(_) | None => BTreeMap::new(),
    };
    let row = |(name, image): (&Name, &str)| {
        let info = known.get(image);
        let found = observed.containers.get(name);
        ImageRow {
            name: name.clone(),
            image: image.into(),
            id: info.map(|info| info.id.clone()),
            size: info.map(|info| info.size),
            created: info.map(|info| info.created.clone()),
            used: found.and_then(|found| found.image.clone()),
        }
    };
    Ok(wanted.into_iter().map(row).collect())
}

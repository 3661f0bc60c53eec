//! Copying between the host and a container.

use std::path::{Path, PathBuf};

use super::exec::all_answer;
use super::select::one;
use super::{JobError, Setting, road};
use crate::backend::Outer;

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the host into the container.
    In,
    /// Out of the container to the host.
    Out,
}

/// One copy.
#[derive(Clone, Debug)]
pub struct CopyRequest {
    /// Short name of the container.
    pub name: String,
    /// Which container of a scaled service, from 1.
    pub index: Option<u32>,
    /// Which way.
    pub way: Way,
    /// What is copied; `-` of the host is an archive on standard input.
    pub from: PathBuf,
    /// Where it goes; `-` of the host is an archive on standard output.
    pub to: PathBuf,
}

/// Copies a file or a directory with all that is in it; a container that does not run is fine.
pub async fn copy(setting: &Setting, request: &CopyRequest) -> Result<(), JobError> {
    let opened = road::open(setting, "cp").await?;
    let observed = opened.host.observe(&opened.project, None).await?;
    let name = one(&opened.project, &observed, &request.name, request.index)?;
    all_answer(&opened.project, &observed, [&name])?;
    if !observed.containers.contains_key(&name) {
        return Err(JobError::NotMade { name });
    }
    let inside = opened.host.backend.inside();
    let (from, to) = (&request.from, &request.to);
    match request.way {
        Way::In => inside.copy_in(&name, outer(from), to).await?,
        Way::Out => inside.copy_out(&name, from, outer(to)).await?,
    }
    Ok(())
}

/// `-` is standard input or output; a file of that name is written `./-`.
fn outer(path: &Path) -> Outer<'_> {
    match path == Path::new("-") {
        true => Outer::Stream,
        false => Outer::Path(path),
    }
}

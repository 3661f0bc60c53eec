//! Builds: how an image is made from a directory.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The key `build`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// The name that the image gets: the key `image`, else `<project>_<name>`.
    pub image: String,
    /// Further names.
    pub tags: Vec<String>,
    /// Absolute path of the directory.
    pub context: PathBuf,
    /// Path of the Dockerfile, absolute; none is `Dockerfile` in the context.
    pub dockerfile: Option<PathBuf>,
    /// The Dockerfile itself, written in the project file.
    pub inline: Option<String>,
    /// Arguments of the build; one without a value takes the builder's own.
    pub args: BTreeMap<String, Option<String>>,
    /// The stage to build; none is the last.
    pub target: Option<String>,
    /// Marks of the image.
    pub labels: BTreeMap<String, String>,
    /// Images whose layers may be used again.
    pub cache_from: Vec<String>,
    /// No layer is used again.
    pub no_cache: bool,
    /// Base images are fetched even when the host has them.
    pub pull: bool,
    /// `host`, `none`, `default`: the network while it is built.
    pub network: Option<String>,
    /// Further lines of the hosts file while it is built.
    pub extra_hosts: Vec<(String, String)>,
    /// Size of /dev/shm while it is built, bytes.
    pub shm_size: Option<u64>,
    /// Platform of the image.
    pub platform: Option<String>,
}

impl Build {
    /// A build of a directory without wishes.
    pub fn plain(image: String, context: PathBuf) -> Self {
        Self {
            image,
            tags: Vec::new(),
            context,
            dockerfile: None,
            inline: None,
            args: BTreeMap::new(),
            target: None,
            labels: BTreeMap::new(),
            cache_from: Vec::new(),
            no_cache: false,
            pull: false,
            network: None,
            extra_hosts: Vec::new(),
            shm_size: None,
            platform: None,
        }
    }
}

//! Options that several commands share, each said once.

use clap::{Args, ValueEnum};

/// Containers by name.
#[derive(Debug, Args)]
pub struct Names {
    /// Containers as named in the file, or `@group`; none means all
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

/// What `start` and `stop` may leave alone or do as well.
#[derive(Debug, Args)]
pub struct Around {
    /// Leave port rules alone
    #[arg(short = 'n', long)]
    pub no_ports: bool,
    /// Leave the names of linked containers alone
    #[arg(short = 'l', short_alias = 'm', long)]
    pub no_links: bool,
    /// Keep the containers' names in the host's /etc/hosts as well
    #[arg(short = 'a', long)]
    pub add_hosts: bool,
}

/// What happens to a container's own content below its volumes.
#[derive(Debug, Args)]
pub struct Copying {
    /// Do not copy the container's content to empty host directories
    #[arg(short = 'd', long, visible_alias = "dont-copy-on-create")]
    pub no_move: bool,
}

/// What happens to containers that the file no longer defines.
#[derive(Debug, Args)]
pub struct Orphans {
    /// Destroy containers of the project that the file no longer defines; asks first
    #[arg(long)]
    pub remove_orphans: bool,
}

/// The form of a reply that is a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// For people
    Table,
    /// One JSON list
    Json,
    /// The same as YAML
    Yaml,
}

//! `build`: build images.

use clap::Args;

use crate::cli::change;
use crate::cli::error::CliError;
use crate::cli::flags::{Names, variable};
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::job::{Goal, ImageWish};

const EXAMPLES: &str = "\
Examples:
  locker build
  locker build web --no-cache --pull
  locker build --build-arg VERSION=1.2
";

/// Build the images of the containers with the key `build`
///
/// Nothing is made or started anew: `up` does that when an image is another one then.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Build {
    #[command(flatten)]
    names: Names,
    /// Use no layer of an earlier build again
    #[arg(long)]
    no_cache: bool,
    /// Fetch base images even when the host has them
    #[arg(long)]
    pull: bool,
    /// An argument of the build; without a value, that of this environment; may be given several times
    #[arg(long, value_name = "NAME[=VALUE]", value_parser = variable)]
    build_arg: Vec<(String, Option<String>)>,
    /// The images of what the named ones depend on as well
    #[arg(long)]
    with_dependencies: bool,
}

impl Build {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let mut request = change::request("build", Goal::Build, &self.names.names, global);
        request.with_deps = self.with_dependencies;
        let mut build_args = std::collections::BTreeMap::new();
        for (name, value) in self.build_arg {
            // The builder is the engine, which does not have this environment.
            let value = value.or_else(|| std::env::var(&name).ok());
            build_args.insert(name, value);
        }
        request.images = ImageWish {
            no_cache: self.no_cache,
            fresh_bases: self.pull,
            build_args,
            ..ImageWish::default()
        };
        change::run(&request, global, ui, false)
    }
}

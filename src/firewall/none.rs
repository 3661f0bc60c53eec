//! No firewall at all: read this driver first.
//!
//! For hosts where somebody else makes the rules. It makes none, and sees only what another driver has left
//! here; it says so by its name, and the planner must not want rules of it.

use async_trait::async_trait;

use super::{Firewall, FirewallChange, FirewallError, elsewhere};
use crate::model::FirewallChoice;
use crate::observed::{Leftover, ObservedFirewall};
use crate::store::Paths;

/// The driver that makes no rules.
#[derive(Clone, Debug)]
pub struct NoFirewall {
    paths: Paths,
}

impl NoFirewall {
    /// The host's lock is under `paths`.
    pub fn new(paths: &Paths) -> Self {
        Self {
            paths: paths.clone(),
        }
    }
}

#[async_trait]
impl Firewall for NoFirewall {
    fn name(&self) -> &'static str {
        "none"
    }

    fn choice(&self) -> FirewallChoice {
        FirewallChoice::None
    }

    async fn observe(&self) -> Result<ObservedFirewall, FirewallError> {
        let chains = elsewhere::chains().await?;
        Ok(ObservedFirewall {
            driver: self.name().into(),
            left: elsewhere::look(None, chains.as_ref()).await?,
            ..ObservedFirewall::default()
        })
    }

    async fn apply(&self, _change: &FirewallChange) -> Result<(), FirewallError> {
        Ok(())
    }

    async fn sweep(&self, left: &Leftover, back: bool) -> Result<(), FirewallError> {
        elsewhere::sweep(&self.paths, left, back).await
    }
}

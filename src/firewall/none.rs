//! No firewall at all: read this driver first.
//!
//! For hosts where somebody else makes the rules. It holds nothing, so it observes nothing; it says
//! so by its name, and the planner must not want rules of it.

use async_trait::async_trait;

use super::{Firewall, FirewallChange, FirewallError};
use crate::observed::ObservedFirewall;

/// The driver that makes no rules.
#[derive(Clone, Copy, Debug)]
pub struct NoFirewall;

#[async_trait]
impl Firewall for NoFirewall {
    fn name(&self) -> &'static str {
        "none"
    }

    async fn observe(&self) -> Result<ObservedFirewall, FirewallError> {
        Ok(ObservedFirewall {
            driver: self.name().into(),
            ..ObservedFirewall::default()
        })
    }

    async fn apply(&self, _change: &FirewallChange) -> Result<(), FirewallError> {
        Ok(())
    }
}

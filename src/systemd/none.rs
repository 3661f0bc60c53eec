//! A host without systemd, or a project that wants none: nothing is there, nothing is written.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::{Job, TransientJob, Units, UnitsError};
use crate::model::{Name, UnitState, UnitsChange};
use crate::observed::ObservedUnits;

/// No manager.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoUnits;

#[async_trait]
impl Units for NoUnits {
    async fn observe(&self, _: &Name) -> Result<ObservedUnits, UnitsError> {
        Ok(ObservedUnits::default())
    }
    async fn write(&self, _: &UnitsChange) -> Result<(), UnitsError> {
        Err(UnitsError::Absent)
    }
    async fn run(&self, _: &Name, _: &Name, _: Job) -> Result<(), UnitsError> {
        Err(UnitsError::Absent)
    }
    async fn queue(&self, _: &Name, _: &Name, _: Job) -> Result<(), UnitsError> {
        Err(UnitsError::Absent)
    }
    async fn states(
        &self,
        _: &Name,
        _: &BTreeSet<Name>,
    ) -> Result<BTreeMap<Name, UnitState>, UnitsError> {
        Ok(BTreeMap::new())
    }
    async fn reset(&self, _: &Name, _: &Name) -> Result<(), UnitsError> {
        Err(UnitsError::Absent)
    }
    async fn transient(&self, _: &TransientJob) -> Result<(), UnitsError> {
        Err(UnitsError::Absent)
    }
    async fn forget(&self, _: &Name, _: &str) -> Result<(), UnitsError> {
        Err(UnitsError::Absent)
    }
}

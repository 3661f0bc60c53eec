//! A host without systemd, or a project that wants none: nothing is there, nothing is written.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::{Job, Jobs, Queued, Rules, TransientJob, Units, UnitsError};
use crate::model::{JobState, Name, UnitState, UnitsChange};
use crate::observed::ObservedUnits;

/// No manager.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoUnits;

#[async_trait]
impl Units for NoUnits {
    async fn observe(&self, _: &Name) -> Result<ObservedUnits, UnitsError> {
        Ok(ObservedUnits::default())
    }
    fn check(&self, _: &UnitsChange) -> Result<(), UnitsError> {
        Ok(())
    }
    async fn write(&self, _: &UnitsChange, _: &dyn Rules) -> Result<(), UnitsError> {
        Err(UnitsError::Absent)
    }
    async fn run(&self, _: &Name, _: &Name, _: Job) -> Result<(), UnitsError> {
        Err(UnitsError::Absent)
    }
    async fn queue<'a>(&'a self, _: &Name, _: &Name, _: Job) -> Result<Queued<'a>, UnitsError> {
        Err(UnitsError::Absent)
    }
    async fn brief(&self, _: &Name, _: &Name) -> Result<UnitState, UnitsError> {
        Ok(UnitState::default())
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
    fn jobs(&self) -> &dyn Jobs {
        self
    }
}

#[async_trait]
impl Jobs for NoUnits {
    async fn start(&self, _: &TransientJob) -> Result<(), UnitsError> {
        Err(UnitsError::Absent)
    }
    async fn states(
        &self,
        _: &Name,
        _: &BTreeSet<Name>,
    ) -> Result<BTreeMap<Name, JobState>, UnitsError> {
        Ok(BTreeMap::new())
    }
    async fn forget(&self, _: &Name, _: &Name) -> Result<(), UnitsError> {
        Ok(())
    }
}

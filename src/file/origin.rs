//! Where a text comes from, and what its relative paths and variables mean.
//!
//! One project may be read from many files. Each is an origin: the number in a
//! [`super::tree::Spot`] is its index. The same file may be two origins, when two others include
//! it with different directories or variables.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::tree::Spot;

/// Variables by name.
pub(super) type Variables = BTreeMap<String, String>;

/// Most files of one project.
pub(super) const MAX_FILES: usize = 200;

/// One file as it was read.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// As the user would name it.
    pub shown: Arc<Path>,
    /// Relative host paths of its values are below it.
    pub directory: Arc<Path>,
    /// The environment, and its files of variables below it.
    pub variables: Arc<Variables>,
}

/// All files of a project, in the order in which they were read; never empty.
#[derive(Debug)]
pub(super) struct Origins(RefCell<Vec<Origin>>);

impl Origins {
    /// The first file.
    pub fn new(first: Origin) -> Self {
        Self(RefCell::new(vec![first]))
    }

    /// Adds a file; its number, or none when there are too many.
    pub fn add(&self, origin: Origin) -> Option<u16> {
        let mut all = self.0.borrow_mut();
        if all.len() >= MAX_FILES {
            return None;
        }
        all.push(origin);
        u16::try_from(all.len() - 1).ok()
    }

    /// The file of a spot.
    pub fn of(&self, spot: Spot) -> Origin {
        self.numbered(spot.file)
    }

    /// The file of a number; an unknown one stands for the first.
    pub fn numbered(&self, number: u16) -> Origin {
        let all = self.0.borrow();
        all.get(usize::from(number)).unwrap_or(&all[0]).clone()
    }

    /// The number of a file by its shown name.
    pub fn rank(&self, shown: &Path) -> usize {
        let all = self.0.borrow();
        let found = all.iter().position(|origin| &*origin.shown == shown);
        found.unwrap_or(all.len())
    }
}

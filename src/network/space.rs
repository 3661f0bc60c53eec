//! A network namespace that one may look out of: the host's, a container's, or a throwaway guest's.
//!
//! Work is done on a thread of its own, which enters the namespace and ends: the program's other
//! threads never leave the host's.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use super::NetworkError;

/// A network namespace; one that has no process in it lives as long as this.
#[derive(Clone, Debug)]
pub struct Space(Option<Arc<File>>);

impl Space {
    /// The caller's own.
    pub fn host() -> Self {
        Self(None)
    }

    /// That of a process, as of a container's init.
    pub fn of(pid: u32) -> Result<Self, NetworkError> {
        let path = format!("/proc/{pid}/ns/net");
        let file = File::open(&path).map_err(|source| NetworkError::Setting {
            verb: "open",
            path,
            source,
        })?;
        Ok(Self(Some(Arc::new(file))))
    }

    /// A new and empty one.
    pub(super) fn fresh() -> Result<Self, NetworkError> {
        let make = || {
            #[expect(deprecated, reason = "only the network of a fresh thread is unshared")]
            rustix::thread::unshare(UnshareFlags::NEWNET)?;
            File::open("/proc/thread-self/ns/net")
        };
        let made = std::thread::spawn(make)
            .join()
            .map_err(|_| Self::broken())?;
        let file = made.map_err(|source| NetworkError::Setting {
            verb: "make a namespace behind",
            path: "/proc/thread-self/ns/net".into(),
            source,
        })?;
        Ok(Self(Some(Arc::new(file))))
    }

    /// The namespace's file; none for the host's own.
    pub(super) fn file(&self) -> Option<&File> {
        self.0.as_deref()
    }

    /// Does `work` inside and waits for it, which must not take long.
    pub fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, NetworkError> {
        let file = self.0.clone();
        let inside = move || {
            if let Some(file) = file {
                move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
            }
            work()
        };
        let done = std::thread::spawn(inside).join();
        done.map_err(|_| Self::broken())?
            .map_err(|source| NetworkError::Setting {
                verb: "work in",
                path: "a network namespace".into(),
                source,
            })
    }

    fn broken() -> NetworkError {
        NetworkError::Setting {
            verb: "work in",
            path: "a network namespace".into(),
            source: std::io::Error::other("its thread ended early"),
        }
    }
}

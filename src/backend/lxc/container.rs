//! A container as liblxc has it: what the verbs call, in Rust's own types.
//!
//! Turns words into C's and back and passes them on; it decides nothing. A word with a zero byte in it
//! can be no key, value or path of liblxc's, so such a call fails as if liblxc had refused.

use std::ffi::CString;
use std::path::Path;

use rustix::process::Pid;

use super::ffi::{Command, Liblxc, Object, Plain, Store};
use super::layout::Words;

/// One container object; not shared between threads.
#[derive(Debug)]
pub(super) struct Container<'a>(Object<'a>);

impl<'a> Container<'a> {
    /// The container `name` under `lxcpath`; none when liblxc cannot read it.
    pub(super) fn open(lxc: &'a Liblxc, name: &str, lxcpath: &Path) -> Option<Self> {
        let name = CString::new(name).ok()?;
        lxc.object(&name, &c_path(lxcpath)?).map(Self)
    }

    /// `STOPPED`, `RUNNING`, `FROZEN`, …
    pub(super) fn state(&self) -> String {
        let state = self.0.state().unwrap_or_default();
        state.to_string_lossy().into_owned()
    }

    /// Process id of its init while it runs.
    pub(super) fn init_pid(&self) -> Option<u32> {
        u32::try_from(self.0.init_pid()).ok().filter(|pid| *pid > 0)
    }

    pub(super) fn freeze(&self) -> bool {
        self.0.plain(Plain::Freeze)
    }

    pub(super) fn unfreeze(&self) -> bool {
        self.0.plain(Plain::Unfreeze)
    }

    pub(super) fn stop(&self) -> bool {
        self.0.plain(Plain::Stop)
    }

    pub(super) fn load_config(&self, file: &Path) -> bool {
        c_path(file).is_some_and(|file| self.0.load_config(&file))
    }

    /// Sets a key for this object; its file stays as it is.
    pub(super) fn set_config(&self, key: &str, value: &str) -> bool {
        self.set(Store::Config, key, value)
    }

    /// Sets a limit of a running container.
    pub(super) fn set_cgroup(&self, key: &str, value: &str) -> bool {
        self.set(Store::Cgroup, key, value)
    }

    /// The value of a key as its file has it; empty when it is unset.
    pub(super) fn config(&self, key: &str) -> String {
        self.get(Store::Config, key).unwrap_or_default()
    }

    /// A limit of a running container; none when the kernel has no such limit.
    pub(super) fn cgroup(&self, key: &str) -> Option<String> {
        self.get(Store::Cgroup, key)
    }

    fn set(&self, store: Store, key: &str, value: &str) -> bool {
        let (Ok(key), Ok(value)) = (CString::new(key), CString::new(value)) else {
            return false;
        };
        self.0.set(store, &key, &value)
    }

    fn get(&self, store: Store, key: &str) -> Option<String> {
        let key = CString::new(key).ok()?;
        let length = usize::try_from(self.0.get(store, &key, &mut [])).ok()?;
        let mut room = vec![0; length + 1]; // and a final zero
        let written = usize::try_from(self.0.get(store, &key, &mut room)).ok()?;
        room.truncate(written.min(length));
        let text = String::from_utf8_lossy(&room);
        Some(text.trim_end_matches('\0').to_owned())
    }

    /// Makes it from a template. Forks; only for a fresh process.
    pub(super) fn create(&self, template: &str, args: &[String]) -> bool {
        let (Ok(template), Some(args)) = (CString::new(template), Words::new(args)) else {
            return false;
        };
        self.0.create(&template, &args)
    }

    /// Starts it in the foreground: returns when it has stopped, with the status of its init as liblxc
    /// puts it; none when it did not start. Only for a fresh process.
    pub(super) fn start(&self) -> Option<i32> {
        let (started, status) = self.0.start();
        started.then_some(status)
    }

    /// Begins a command inside and returns its process; none when liblxc cannot attach. Forks; only for a
    /// fresh process.
    pub(super) fn attach(&self, command: &Command<'_>) -> Option<Pid> {
        self.0.attach(command).and_then(Pid::from_raw)
    }
}

fn c_path(path: &Path) -> Option<CString> {
    CString::new(path.as_os_str().as_encoded_bytes()).ok()
}

//! The door to liblxc: the layout of its container object and every call made through it.
//!
//! liblxc has no stable Rust binding, and linking it would make `locker` fail to run on hosts without
//! it, so the library is opened at run time. The struct is a prefix of `struct lxc_container`
//! (lxccontainer.h), which only ever grows at its end; every field used here exists since LXC 1.0.
//! This is the only file of the crate with `unsafe`; nothing here may decide anything.

#![allow(unsafe_code)] // a C library can be called in no other way

use std::ffi::{CStr, CString, c_char, c_int, c_long, c_void};
use std::path::Path;
use std::ptr::{NonNull, null, null_mut};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use rustix::process::Signal;

type Unused = *const c_void;
type Object = *mut Raw;
type Ask = unsafe extern "C" fn(Object) -> bool;
type SetBool = unsafe extern "C" fn(Object, bool) -> bool;
type SetPair = unsafe extern "C" fn(Object, *const c_char, *const c_char) -> bool;
type Argv = *const *const c_char;
type Create =
    unsafe extern "C" fn(Object, *const c_char, *const c_char, Unused, c_int, Argv) -> bool;
type Item = unsafe extern "C" fn(Object, *const c_char, *mut c_char, c_int) -> c_int;
type AttachWait = unsafe extern "C" fn(Object, *mut AttachOptions, *const c_char, Argv) -> c_int;

/// The prefix of `struct lxc_container` up to the last call that is used.
#[repr(C)]
struct Raw {
    name: *mut c_char,
    configfile: *mut c_char,
    pidfile: *mut c_char,
    slock: Unused,
    privlock: Unused,
    numthreads: c_int,
    lxc_conf: Unused,
    error_string: *mut c_char,
    error_num: c_int,
    daemonize: bool,
    config_path: *mut c_char,
    is_defined: Option<Ask>,
    state: Option<unsafe extern "C" fn(Object) -> *const c_char>,
    is_running: Option<Ask>,
    freeze: Option<Ask>,
    unfreeze: Option<Ask>,
    init_pid: Option<unsafe extern "C" fn(Object) -> c_int>,
    load_config: Option<unsafe extern "C" fn(Object, *const c_char) -> bool>,
    start: Option<unsafe extern "C" fn(Object, c_int, Argv) -> bool>,
    startl: Unused,
    stop: Option<Ask>,
    want_daemonize: Option<SetBool>,
    want_close_all_fds: Option<SetBool>,
    config_file_name: Unused,
    wait: Unused,
    set_config_item: Option<SetPair>,
    destroy: Option<Ask>,
    save_config: Unused,
    create: Option<Create>,
    createl: Unused,
    rename: Unused,
    reboot: Unused,
    shutdown: Unused,
    clear_config: Unused,
    clear_config_item: Unused,
    get_config_item: Option<Item>,
    get_running_config_item: Unused,
    get_keys: Unused,
    get_interfaces: Unused,
    get_ips: Unused,
    get_cgroup_item: Unused,
    set_cgroup_item: Option<SetPair>,
    get_config_path: Unused,
    set_config_path: Unused,
    clone: Unused,
    console_getfd: Unused,
    console: Unused,
    attach: Unused,
    attach_run_wait: Option<AttachWait>,
}

/// `lxc_attach_options_t` (attach_options.h); older versions know a prefix of it.
#[repr(C)]
struct AttachOptions {
    flags: c_int,
    namespaces: c_int,
    personality: c_long,
    initial_cwd: *const c_char,
    uid: u32,
    gid: u32,
    env_policy: c_int,
    extra_env_vars: Argv,
    extra_keep_env: Argv,
    stdin_fd: c_int,
    stdout_fd: c_int,
    stderr_fd: c_int,
    log_fd: c_int,
    lsm_label: *const c_char,
    groups: (usize, *const u32),
    /// Room for what later versions append; zero means unset.
    later: [usize; 8],
}

const ATTACH_DEFAULT: c_int = 0xffff;
const ATTACH_TERMINAL: c_int = 0x8_0000;
const ATTACH_CLEAR_ENV: c_int = 1;

/// The opened library.
#[derive(Debug)]
pub(super) struct Liblxc {
    new: libloading::os::unix::Symbol<unsafe extern "C" fn(*const c_char, *const c_char) -> Object>,
    put: libloading::os::unix::Symbol<unsafe extern "C" fn(Object) -> c_int>,
    _library: Library,
}

impl Liblxc {
    /// Opens `liblxc.so.1`; the error is the loader's own text.
    pub(super) fn open() -> Result<Self, String> {
        // SAFETY: liblxc's constructors have no preconditions; the symbols have the header's types
        // and are dropped with (before) the library that they point into.
        unsafe {
            let library = Library::open(Some("liblxc.so.1"), RTLD_NOW | RTLD_LOCAL)
                .map_err(|e| e.to_string())?;
            let new = library
                .get(b"lxc_container_new\0")
                .map_err(|e| e.to_string())?;
            let put = library
                .get(b"lxc_container_put\0")
                .map_err(|e| e.to_string())?;
            Ok(Self {
                new,
                put,
                _library: library,
            })
        }
    }

    /// The container object of `name` under `lxcpath`; none when liblxc cannot make one.
    pub(super) fn container(&self, name: &str, lxcpath: &Path) -> Option<Container<'_>> {
        let name = CString::new(name).ok()?;
        let path = c_path(lxcpath)?;
        // SAFETY: both strings live during the call, liblxc copies them.
        let raw = unsafe { (self.new)(name.as_ptr(), path.as_ptr()) };
        Some(Container {
            raw: NonNull::new(raw)?,
            library: self,
        })
    }
}

/// How to attach, in liblxc's terms.
#[derive(Debug, Default)]
pub(super) struct Attach<'a> {
    pub(super) argv: &'a [String],
    pub(super) environment: &'a [String],
    pub(super) workdir: Option<&'a str>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) terminal: bool,
}

/// One container object; not shared between threads.
#[derive(Debug)]
pub(super) struct Container<'a> {
    raw: NonNull<Raw>,
    library: &'a Liblxc,
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        // SAFETY: the object came from lxc_container_new and is released once.
        unsafe { (self.library.put)(self.raw.as_ptr()) };
    }
}

impl Container<'_> {
    fn ask(&self, call: impl Fn(&Raw) -> Option<Ask>) -> bool {
        // SAFETY: the object is live; each method takes the object itself and nothing else.
        unsafe { call(self.raw.as_ref()).is_some_and(|f| f(self.raw.as_ptr())) }
    }

    fn pair(&self, call: impl Fn(&Raw) -> Option<SetPair>, key: &str, value: &str) -> bool {
        let (Ok(key), Ok(value)) = (CString::new(key), CString::new(value)) else {
            return false;
        };
        // SAFETY: as in `ask`; both strings live during the call.
        unsafe {
            call(self.raw.as_ref())
                .is_some_and(|f| f(self.raw.as_ptr(), key.as_ptr(), value.as_ptr()))
        }
    }

    /// `STOPPED`, `RUNNING`, `FROZEN`, …
    pub(super) fn state(&self) -> String {
        // SAFETY: liblxc returns a pointer to a static string or null.
        unsafe {
            let Some(call) = self.raw.as_ref().state else {
                return String::new();
            };
            let text = call(self.raw.as_ptr());
            if text.is_null() {
                return String::new();
            }
            CStr::from_ptr(text).to_string_lossy().into_owned()
        }
    }

    /// Process id of its init while it runs.
    pub(super) fn init_pid(&self) -> Option<u32> {
        // SAFETY: as in `ask`.
        let pid = unsafe { self.raw.as_ref().init_pid.map(|f| f(self.raw.as_ptr())) }?;
        u32::try_from(pid).ok().filter(|pid| *pid > 0)
    }

    pub(super) fn freeze(&self) -> bool {
        self.ask(|raw| raw.freeze)
    }

    pub(super) fn unfreeze(&self) -> bool {
        self.ask(|raw| raw.unfreeze)
    }

    pub(super) fn stop(&self) -> bool {
        self.ask(|raw| raw.stop)
    }

    pub(super) fn set_config(&self, key: &str, value: &str) -> bool {
        self.pair(|raw| raw.set_config_item, key, value)
    }

    pub(super) fn set_cgroup(&self, key: &str, value: &str) -> bool {
        self.pair(|raw| raw.set_cgroup_item, key, value)
    }

    pub(super) fn load_config(&self, file: &Path) -> bool {
        let Some(file) = c_path(file) else {
            return false;
        };
        // SAFETY: as in `pair`.
        unsafe {
            self.raw
                .as_ref()
                .load_config
                .is_some_and(|f| f(self.raw.as_ptr(), file.as_ptr()))
        }
    }

    /// The value of a key as its file has it; empty when it is unset.
    pub(super) fn config(&self, key: &str) -> String {
        let Ok(key) = CString::new(key) else {
            return String::new();
        };
        // SAFETY: the first call asks for the length, the second writes at most that many bytes and
        // a final zero into a buffer that is one byte longer.
        unsafe {
            let Some(call) = self.raw.as_ref().get_config_item else {
                return String::new();
            };
            let length = call(self.raw.as_ptr(), key.as_ptr(), null_mut(), 0);
            let Ok(length @ 1..) = usize::try_from(length) else {
                return String::new();
            };
            let mut buffer = vec![0u8; length + 1];
            let room = c_int::try_from(buffer.len()).unwrap_or(c_int::MAX);
            if call(
                self.raw.as_ptr(),
                key.as_ptr(),
                buffer.as_mut_ptr().cast(),
                room,
            ) < 0
            {
                return String::new();
            }
            buffer.truncate(length);
            String::from_utf8_lossy(&buffer)
                .trim_end_matches('\0')
                .to_owned()
        }
    }

    /// Makes it from a template. Forks; only for a fresh process.
    pub(super) fn create(&self, template: &str, args: &[String]) -> bool {
        let Ok(template) = CString::new(template) else {
            return false;
        };
        let Some((_keep, argv)) = c_argv(args) else {
            return false;
        };
        // SAFETY: strings and the null-terminated vector live during the call; a null store means a directory.
        unsafe {
            self.raw.as_ref().create.is_some_and(|f| {
                f(
                    self.raw.as_ptr(),
                    template.as_ptr(),
                    c"dir".as_ptr(),
                    null(),
                    0,
                    argv.as_ptr(),
                )
            })
        }
    }

    /// Starts it in the foreground: returns when it has stopped. Only for a fresh process.
    pub(super) fn start(&self) -> bool {
        // SAFETY: as in `ask`; a null vector means the container's own init.
        unsafe {
            let raw = self.raw.as_ref();
            if let Some(call) = raw.want_daemonize {
                call(self.raw.as_ptr(), false);
            }
            if let Some(call) = raw.want_close_all_fds {
                call(self.raw.as_ptr(), false);
            }
            raw.start.is_some_and(|f| f(self.raw.as_ptr(), 0, null()))
        }
    }

    /// Runs a command inside and returns its wait status; negative when it could not be run.
    pub(super) fn attach(&self, how: &Attach<'_>) -> c_int {
        let Some((_keep, argv)) = c_argv(how.argv) else {
            return -1;
        };
        let Some((_keep_env, env)) = c_argv(how.environment) else {
            return -1;
        };
        let Ok(workdir) = CString::new(how.workdir.unwrap_or("/")) else {
            return -1;
        };
        let mut options = AttachOptions {
            flags: ATTACH_DEFAULT | if how.terminal { ATTACH_TERMINAL } else { 0 },
            namespaces: -1,
            personality: -1,
            initial_cwd: workdir.as_ptr(),
            uid: how.uid.unwrap_or(u32::MAX),
            gid: how.gid.unwrap_or(u32::MAX),
            env_policy: ATTACH_CLEAR_ENV,
            extra_env_vars: env.as_ptr(),
            extra_keep_env: null(),
            stdin_fd: 0,
            stdout_fd: 1,
            stderr_fd: 2,
            log_fd: -9, // -EBADF, as LXC_ATTACH_OPTIONS_DEFAULT has it
            lsm_label: null(),
            groups: (0, null()),
            later: [0; 8],
        };
        // SAFETY: all pointers live during the call; the vectors end with a null.
        unsafe {
            match (self.raw.as_ref().attach_run_wait, argv.first()) {
                (Some(call), Some(program)) if !program.is_null() => {
                    call(self.raw.as_ptr(), &raw mut options, *program, argv.as_ptr())
                }
                (Some(_) | None, Some(_) | None) => -1,
            }
        }
    }
}

/// The signal with this number; real-time signals, which libc numbers at run time, included.
pub(super) fn signal(number: i32) -> Option<Signal> {
    if let Some(named) = Signal::from_named_raw(number) {
        return Some(named);
    }
    // SAFETY: 34..=64 are the kernel's real-time signals that libc leaves to programs (signal(7));
    // they are only sent, never given a handler.
    (34..=64)
        .contains(&number)
        .then(|| unsafe { Signal::from_raw_unchecked(number) })
}

/// Closes every descriptor above standard error that this process was started with.
///
/// Must run before anything opens a file, so that no owner of a descriptor exists yet.
pub(super) fn close_inherited() {
    use std::os::fd::{FromRawFd, OwnedFd};
    let Ok(listing) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    let numbers: Vec<i32> = listing
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2)
        .collect();
    // The listing's own descriptor is among them and closed by now; only inherited ones still answer.
    for number in numbers {
        if std::fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_ok() {
            // SAFETY: it was open before this program ran, so no Rust value owns it.
            drop(unsafe { OwnedFd::from_raw_fd(number) });
        }
    }
}

fn c_path(path: &Path) -> Option<CString> {
    CString::new(path.as_os_str().as_encoded_bytes()).ok()
}

/// C strings and the null-terminated vector that points into them.
fn c_argv(words: &[String]) -> Option<(Vec<CString>, Vec<*const c_char>)> {
    let strings: Vec<CString> = words
        .iter()
        .map(|word| CString::new(word.as_str()))
        .collect::<Result<_, _>>()
        .ok()?;
    let mut pointers: Vec<_> = strings.iter().map(|s| s.as_ptr()).collect();
    pointers.push(null());
    Some((strings, pointers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    /// Offsets printed by a C program with lxc-dev 5.0.2 on x86_64; the same on every 64-bit target.
    #[test]
    #[cfg(target_pointer_width = "64")]
    fn the_layout_is_the_one_of_lxccontainer_h() {
        assert_eq!(offset_of!(Raw, state), OFFSETS[0]);
        assert_eq!(offset_of!(Raw, init_pid), OFFSETS[1]);
        assert_eq!(offset_of!(Raw, start), OFFSETS[2]);
        assert_eq!(offset_of!(Raw, set_config_item), OFFSETS[3]);
        assert_eq!(offset_of!(Raw, create), OFFSETS[4]);
        assert_eq!(offset_of!(Raw, get_config_item), OFFSETS[5]);
        assert_eq!(offset_of!(Raw, set_cgroup_item), OFFSETS[6]);
        assert_eq!(offset_of!(Raw, attach_run_wait), OFFSETS[7]);
        assert_eq!(offset_of!(AttachOptions, uid), OFFSETS[8]);
        assert_eq!(offset_of!(AttachOptions, extra_env_vars), OFFSETS[9]);
        assert_eq!(offset_of!(AttachOptions, log_fd), OFFSETS[10]);
        assert_eq!(offset_of!(AttachOptions, groups), OFFSETS[11]);
    }

    const OFFSETS: [usize; 12] = [88, 120, 136, 192, 216, 272, 320, 376, 24, 40, 68, 80];

    #[test]
    fn a_real_time_signal_is_kept_and_nonsense_refused() {
        assert_eq!(signal(37).map(Signal::as_raw), Some(37));
        assert_eq!(signal(9), Some(Signal::KILL));
        assert!(signal(0).is_none() && signal(65).is_none());
    }
}

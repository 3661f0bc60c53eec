//! How liblxc lays out what it shares with its callers; plain data, no calls.
//!
//! Transcribed from lxccontainer.h and attach_options.h of LXC 5.0.2 and locked by a test.

use std::ffi::{CString, c_char, c_int, c_long, c_void};
use std::ptr::null;

pub(super) type Unused = *const c_void;
pub(super) type Pointer = *mut Raw;
pub(super) type Ask = unsafe extern "C" fn(Pointer) -> bool;
pub(super) type SetBool = unsafe extern "C" fn(Pointer, bool) -> bool;
pub(super) type SetPair = unsafe extern "C" fn(Pointer, *const c_char, *const c_char) -> bool;
pub(super) type Argv = *const *const c_char;
pub(super) type Create =
    unsafe extern "C" fn(Pointer, *const c_char, *const c_char, Unused, c_int, Argv) -> bool;
pub(super) type Item = unsafe extern "C" fn(Pointer, *const c_char, *mut c_char, c_int) -> c_int;
/// What runs in the attached process, and what it is told; its result is the exit code.
pub(super) type Begin = unsafe extern "C" fn(*mut c_void) -> c_int;
pub(super) type Attach = unsafe extern "C" fn(
    Pointer,
    Option<Begin>,
    *mut c_void,
    *mut AttachOptions,
    *mut c_int,
) -> c_int;

/// The prefix of `struct lxc_container` up to the last call that is used. It only ever grows at its
/// end; every field used here exists since LXC 1.0.
#[repr(C)]
pub(super) struct Raw {
    pub(super) name: *mut c_char,
    pub(super) configfile: *mut c_char,
    pub(super) pidfile: *mut c_char,
    pub(super) slock: Unused,
    pub(super) privlock: Unused,
    pub(super) numthreads: c_int,
    pub(super) lxc_conf: Unused,
    pub(super) error_string: *mut c_char,
    pub(super) error_num: c_int,
    pub(super) daemonize: bool,
    pub(super) config_path: *mut c_char,
    pub(super) is_defined: Option<Ask>,
    pub(super) state: Option<unsafe extern "C" fn(Pointer) -> *const c_char>,
    pub(super) is_running: Option<Ask>,
    pub(super) freeze: Option<Ask>,
    pub(super) unfreeze: Option<Ask>,
    pub(super) init_pid: Option<unsafe extern "C" fn(Pointer) -> c_int>,
    pub(super) load_config: Option<unsafe extern "C" fn(Pointer, *const c_char) -> bool>,
    pub(super) start: Option<unsafe extern "C" fn(Pointer, c_int, Argv) -> bool>,
    pub(super) startl: Unused,
    pub(super) stop: Option<Ask>,
    pub(super) want_daemonize: Option<SetBool>,
    pub(super) want_close_all_fds: Option<SetBool>,
    pub(super) config_file_name: Unused,
    pub(super) wait: Unused,
    pub(super) set_config_item: Option<SetPair>,
    pub(super) destroy: Option<Ask>,
    pub(super) save_config: Unused,
    pub(super) create: Option<Create>,
    pub(super) createl: Unused,
    pub(super) rename: Unused,
    pub(super) reboot: Unused,
    pub(super) shutdown: Unused,
    pub(super) clear_config: Unused,
    pub(super) clear_config_item: Unused,
    pub(super) get_config_item: Option<Item>,
    pub(super) get_running_config_item: Unused,
    pub(super) get_keys: Unused,
    pub(super) get_interfaces: Unused,
    pub(super) get_ips: Unused,
    pub(super) get_cgroup_item: Option<Item>,
    pub(super) set_cgroup_item: Option<SetPair>,
    pub(super) get_config_path: Unused,
    pub(super) set_config_path: Unused,
    pub(super) clone: Unused,
    pub(super) console_getfd: Unused,
    pub(super) console: Unused,
    pub(super) attach: Option<Attach>,
}

/// `lxc_attach_options_t` (attach_options.h); older versions know a prefix of it.
#[repr(C)]
pub(super) struct AttachOptions {
    pub(super) flags: c_int,
    pub(super) namespaces: c_int,
    pub(super) personality: c_long,
    pub(super) initial_cwd: *const c_char,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) env_policy: c_int,
    pub(super) extra_env_vars: Argv,
    pub(super) extra_keep_env: Argv,
    pub(super) stdin_fd: c_int,
    pub(super) stdout_fd: c_int,
    pub(super) stderr_fd: c_int,
    pub(super) log_fd: c_int,
    pub(super) lsm_label: *const c_char,
    pub(super) groups: Groups,
    /// Room for what later versions append; zero means unset.
    pub(super) later: [usize; 8],
}

/// `lxc_groups_t`.
#[repr(C)]
pub(super) struct Groups {
    pub(super) size: usize,
    pub(super) list: *const u32,
}

pub(super) const ATTACH_DEFAULT: c_int = 0xffff;
pub(super) const ATTACH_SETGROUPS: c_int = 0x0020_0000;
pub(super) const ATTACH_CLEAR_ENV: c_int = 1;

/// C strings and the null-terminated vector that points into them.
#[derive(Debug)]
pub(super) struct Words {
    _strings: Vec<CString>,
    pub(super) pointers: Vec<*const c_char>,
}

impl Words {
    /// None when a word holds a zero byte.
    pub(super) fn new(words: &[String]) -> Option<Self> {
        let strings: Vec<CString> = words
            .iter()
            .map(|word| CString::new(word.as_str()))
            .collect::<Result<_, _>>()
            .ok()?;
        let mut pointers: Vec<_> = strings.iter().map(|s| s.as_ptr()).collect();
        pointers.push(null());
        Some(Self {
            _strings: strings,
            pointers,
        })
    }
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
        assert_eq!(offset_of!(Raw, attach), OFFSETS[7]);
        assert_eq!(offset_of!(AttachOptions, uid), OFFSETS[8]);
        assert_eq!(offset_of!(AttachOptions, extra_env_vars), OFFSETS[9]);
        assert_eq!(offset_of!(AttachOptions, log_fd), OFFSETS[10]);
        assert_eq!(offset_of!(AttachOptions, groups), OFFSETS[11]);
    }

    const OFFSETS: [usize; 12] = [88, 120, 136, 192, 216, 272, 320, 368, 24, 40, 68, 80];
}

//! The door to C: liblxc's calls, and those of libc's that rustix lacks.
//!
//! liblxc has no stable Rust binding, and linking it would make `locker` fail to run on hosts without
//! it, so the library is opened at run time.
//! This is the only file of the crate with `unsafe`; nothing here may decide anything. What callers
//! use is [`super::container`].

#![allow(unsafe_code)] // a C library can be called in no other way

use std::ffi::{CStr, c_char, c_int, c_long, c_ulong};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::{NonNull, null, null_mut};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW, Symbol};
use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};
use rustix::process::Signal;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::card::{CardAddress, Instruction};
use super::layout::{
    ATTACH_CLEAR_ENV, ATTACH_DEFAULT, ATTACH_SETGROUPS, Argv, AttachOptions, Groups, Pointer, Raw,
    Unused, Words,
};

/// The opened library.
#[derive(Debug)]
pub(super) struct Liblxc {
    new: Symbol<unsafe extern "C" fn(*const c_char, *const c_char) -> Pointer>,
    put: Symbol<unsafe extern "C" fn(Pointer) -> c_int>,
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

    /// A new container object; none when liblxc cannot make one.
    pub(super) fn object(&self, name: &CStr, lxcpath: &CStr) -> Option<Object<'_>> {
        // SAFETY: both strings live during the call, liblxc copies them.
        let raw = unsafe { (self.new)(name.as_ptr(), lxcpath.as_ptr()) };
        Some(Object {
            raw: NonNull::new(raw)?,
            library: self,
        })
    }
}

/// Calls that take a container and nothing else.
#[derive(Clone, Copy, Debug)]
pub(super) enum Plain {
    Freeze,
    Unfreeze,
    Stop,
}

/// What is set and got by key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Store {
    Config,
    Cgroup,
}

/// A command to run inside.
#[derive(Debug)]
pub(super) struct Command<'a> {
    pub(super) argv: &'a Words,
    pub(super) environment: &'a Words,
    pub(super) workdir: &'a CStr,
    /// `u32::MAX` leaves the id as it is.
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Further groups; only meant with a user.
    pub(super) groups: &'a [u32],
    /// Its standard input is a terminal, which its session gets for its own.
    pub(super) terminal: bool,
    /// It leads a session, and so a process group, of its own.
    pub(super) session: bool,
    /// The kernel kills it with this process.
    pub(super) tied: bool,
    /// Its standard streams.
    pub(super) streams: [BorrowedFd<'a>; 3],
    /// Where it is told that it could not begin: the stage and the error number, four bytes each. Closed
    /// by itself once the program runs.
    pub(super) word: BorrowedFd<'a>,
}

/// What [`begin`] is told, in memory that the attached process has a copy of.
struct Beginning {
    argv: Argv,
    workdir: *const c_char,
    word: c_int,
    session: bool,
    terminal: bool,
    tied: bool,
}

/// The attached process's own part, after liblxc has moved it inside: it becomes the program. Only
/// async-signal-safe calls, since the process that was copied may have had several threads.
unsafe extern "C" fn begin(payload: *mut std::ffi::c_void) -> c_int {
    const PR_SET_PDEATHSIG: c_int = 1;
    const SIG_SETMASK: c_int = 2;
    const DEFAULT: usize = 0;
    const TIOCSCTTY: c_ulong = 0x540e;
    // SAFETY: the payload is the `Beginning` that `attach` passes, with its pointers; signal numbers and
    // the empty set (at least as large as the kernel's) are valid.
    unsafe {
        let told = &*payload.cast::<Beginning>();
        if told.session {
            setsid(); // refused when it leads one already
        }
        if told.terminal {
            ioctl(0, TIOCSCTTY, 0);
        }
        if told.tied {
            prctl(PR_SET_PDEATHSIG, Signal::KILL.as_raw());
        }
        for number in 1..32 {
            libc_signal(number, DEFAULT); // ignored ones would stay so in the program
        }
        let none = [0_u64; 16];
        sigprocmask(SIG_SETMASK, none.as_ptr().cast(), null_mut());
        let stage = if chdir(told.workdir) != 0 {
            STAGE_DIRECTORY
        } else {
            execvp(*told.argv, told.argv);
            STAGE_PROGRAM
        };
        let number = std::io::Error::last_os_error()
            .raw_os_error()
            .unwrap_or_default();
        let said = [stage, number];
        write(told.word, said.as_ptr().cast(), size_of_val(&said));
        EXIT_UNKNOWN
    }
}

/// [`begin`] could not enter the directory.
pub(super) const STAGE_DIRECTORY: c_int = 1;
/// [`begin`] could not become the program.
pub(super) const STAGE_PROGRAM: c_int = 2;
/// Its exit code then; nobody is told it.
const EXIT_UNKNOWN: c_int = 126;

/// One container object; not shared between threads.
#[derive(Debug)]
pub(super) struct Object<'a> {
    raw: NonNull<Raw>,
    library: &'a Liblxc,
}

impl Drop for Object<'_> {
    fn drop(&mut self) {
        // SAFETY: the object came from lxc_container_new and is released once.
        unsafe { (self.library.put)(self.raw.as_ptr()) };
    }
}

impl Object<'_> {
    fn methods(&self) -> &Raw {
        // SAFETY: the object is live until it is dropped, and liblxc never changes its methods.
        unsafe { self.raw.as_ref() }
    }

    pub(super) fn plain(&self, call: Plain) -> bool {
        let method = match call {
            Plain::Freeze => self.methods().freeze,
            Plain::Unfreeze => self.methods().unfreeze,
            Plain::Stop => self.methods().stop,
        };
        // SAFETY: the object is live; the method takes it and nothing else.
        method.is_some_and(|f| unsafe { f(self.raw.as_ptr()) })
    }

    /// The name of its state, of which liblxc has a fixed set.
    pub(super) fn state(&self) -> Option<&'static CStr> {
        // SAFETY: liblxc returns a pointer to a static string or null.
        unsafe {
            let text = self.methods().state?(self.raw.as_ptr());
            (!text.is_null()).then(|| CStr::from_ptr(text))
        }
    }

    /// Process id of its init; negative when it has none.
    pub(super) fn init_pid(&self) -> c_int {
        // SAFETY: as in `plain`.
        let pid = self
            .methods()
            .init_pid
            .map(|f| unsafe { f(self.raw.as_ptr()) });
        pid.unwrap_or(-1)
    }

    pub(super) fn load_config(&self, file: &CStr) -> bool {
        let method = self.methods().load_config;
        // SAFETY: as in `plain`; the string lives during the call.
        method.is_some_and(|f| unsafe { f(self.raw.as_ptr(), file.as_ptr()) })
    }

    pub(super) fn set(&self, store: Store, key: &CStr, value: &CStr) -> bool {
        let method = match store {
            Store::Config => self.methods().set_config_item,
            Store::Cgroup => self.methods().set_cgroup_item,
        };
        // SAFETY: as in `plain`; both strings live during the call.
        method.is_some_and(|f| unsafe { f(self.raw.as_ptr(), key.as_ptr(), value.as_ptr()) })
    }

    /// Writes a value into `room` and returns its length; with an empty `room` only the length.
    pub(super) fn get(&self, store: Store, key: &CStr, room: &mut [u8]) -> c_int {
        let method = match store {
            Store::Config => self.methods().get_config_item,
            Store::Cgroup => self.methods().get_cgroup_item,
        };
        let size = c_int::try_from(room.len()).unwrap_or(c_int::MAX);
        let place = if room.is_empty() {
            null_mut()
        } else {
            room.as_mut_ptr().cast()
        };
        // SAFETY: as in `plain`; liblxc writes at most `size` bytes, a null place means none.
        method.map_or(-1, |f| unsafe {
            f(self.raw.as_ptr(), key.as_ptr(), place, size)
        })
    }

    /// Makes it from a template, in a directory.
    pub(super) fn create(&self, template: &CStr, args: &Words) -> bool {
        let (raw, store) = (self.raw.as_ptr(), c"dir".as_ptr());
        let (template, args) = (template.as_ptr(), args.pointers.as_ptr());
        // SAFETY: strings and the null-terminated vector live during the call; a null is an unset option.
        self.methods()
            .create
            .is_some_and(|f| unsafe { f(raw, template, store, null(), 0, args) })
    }

    /// Starts it in the foreground: returns when it has stopped, with what liblxc left in `error_num`.
    pub(super) fn start(&self) -> (bool, c_int) {
        let (raw, methods) = (self.raw.as_ptr(), self.methods());
        // SAFETY: as in `plain`; a null vector means the container's own init. The number is plain data
        // that liblxc writes during the call only; it is read when no reference to the object exists.
        unsafe {
            if let Some(call) = methods.want_daemonize {
                call(raw, false);
            }
            if let Some(call) = methods.want_close_all_fds {
                call(raw, false);
            }
            let done = methods.start.is_some_and(|f| f(raw, 0, null()));
            (done, (&raw const (*raw).error_num).read())
        }
    }

    /// Begins a command inside and returns its process; none when liblxc cannot attach.
    pub(super) fn attach(&self, how: &Command<'_>) -> Option<c_int> {
        let [input, output, errors] = how.streams.map(|fd| fd.as_raw_fd());
        let mut options = AttachOptions {
            flags: match how.groups {
                [] => ATTACH_DEFAULT,
                [..] => ATTACH_DEFAULT | ATTACH_SETGROUPS,
            },
            namespaces: -1,
            personality: -1,
            initial_cwd: c"/".as_ptr(),
            uid: how.uid,
            gid: how.gid,
            env_policy: ATTACH_CLEAR_ENV,
            extra_env_vars: how.environment.pointers.as_ptr(),
            extra_keep_env: null(),
            stdin_fd: input,
            stdout_fd: output,
            stderr_fd: errors,
            log_fd: -9, // -EBADF, as LXC_ATTACH_OPTIONS_DEFAULT has it
            lsm_label: null(),
            groups: Groups {
                size: how.groups.len(),
                list: how.groups.as_ptr(),
            },
            later: [0; 8],
        };
        let argv = &how.argv.pointers;
        let call = self.methods().attach?;
        if argv.first()?.is_null() {
            return None; // no words at all
        }
        let mut told = Beginning {
            argv: argv.as_ptr(),
            workdir: how.workdir.as_ptr(),
            word: how.word.as_raw_fd(),
            session: how.session,
            terminal: how.terminal,
            tied: how.tied,
        };
        let mut pid = -1;
        let payload = (&raw mut told).cast();
        // SAFETY: all pointers live during the call, in which the process is copied; the vectors end with
        // a null.
        let done = unsafe {
            call(
                self.raw.as_ptr(),
                Some(begin),
                payload,
                &raw mut options,
                &raw mut pid,
            )
        };
        (done >= 0 && pid > 0).then_some(pid)
    }
}

/// Ignores signals in this process and in what it copies from now on.
pub(super) fn ignore(signals: &[Signal]) {
    const IGNORE: usize = 1;
    for signal in signals {
        // SAFETY: no handler is installed.
        unsafe { libc_signal(signal.as_raw(), IGNORE) };
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

/// Takes over a descriptor that this process was started with.
///
/// Only for descriptors that no value of this program owns: those found before anything was opened.
pub(super) fn inherited(number: i32) -> OwnedFd {
    // SAFETY: what the caller promises.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// Lets a task wait until a descriptor can be read.
pub(super) fn readable(fd: OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an owned descriptor stays open until it is dropped, with the registration.
    let registered = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
    registered.map_err(std::io::Error::from)
}

unsafe extern "C" {
    fn fork() -> c_int;
    #[link_name = "signal"]
    fn libc_signal(number: c_int, handler: usize) -> usize;
    fn madvise(start: usize, length: usize, advice: c_int) -> c_int;
    fn setsockopt(fd: c_int, level: c_int, name: c_int, value: Unused, size: u32) -> c_int;
    fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
    fn syscall(number: c_long, ...) -> c_long;
    fn setfsuid(id: u32) -> c_int;
    fn setfsgid(id: u32) -> c_int;
    fn setsid() -> c_int;
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
    fn prctl(option: c_int, ...) -> c_int;
    fn sigprocmask(how: c_int, set: Unused, old: *mut c_int) -> c_int;
    fn chdir(path: *const c_char) -> c_int;
    fn execvp(program: *const c_char, argv: Argv) -> c_int;
    fn write(fd: c_int, bytes: Unused, length: usize) -> isize;
}

/// Lets the kernel kill this process as soon as nobody holds the other end of the pipe any more:
/// signal-driven I/O (fcntl(2), `F_SETOWN`, `F_SETSIG`, `O_ASYNC`), for which no thread has to wait.
pub(super) fn die_with_writer(end: &OwnedFd) -> std::io::Result<()> {
    const F_SETFL: c_int = 4;
    const F_SETOWN: c_int = 8;
    const F_SETSIG: c_int = 10;
    const O_ASYNC: c_int = 0o20_000;
    let own = rustix::process::getpid().as_raw_nonzero().get();
    for (command, value) in [
        (F_SETOWN, own),
        (F_SETSIG, Signal::KILL.as_raw()),
        (F_SETFL, O_ASYNC),
    ] {
        // SAFETY: the descriptor is open, and each of these commands takes a number.
        if unsafe { fcntl(end.as_raw_fd(), command, value) } < 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(())
}

/// A stretch of this process's address space.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) start: usize,
    pub(super) length: usize,
}

/// Lets go of pages that are the same in their files (madvise(2), `MADV_DONTNEED`).
pub(super) fn let_go(clean: &[Range]) {
    const MADV_DONTNEED: c_int = 4;
    for range in clean {
        // SAFETY: unwritten pages of a private file mapping are read from the file again when they
        // are needed; a refusal changes nothing.
        unsafe { madvise(range.start, range.length, MADV_DONTNEED) };
    }
}

/// What the handler of [`let_go_on`] lets go of: a signal handler can be told in no other way.
static CLEAN: std::sync::OnceLock<Vec<Range>> = std::sync::OnceLock::new();

/// Does so whenever this process gets the signal. Only async-signal-safe calls are made then.
pub(super) fn let_go_on(number: Signal, clean: Vec<Range>) {
    extern "C" fn handler(_: c_int) {
        if let Some(clean) = CLEAN.get() {
            let_go(clean);
        }
    }
    // A second call keeps the first list, which is as good.
    let _ = CLEAN.set(clean);
    // SAFETY: the handler reads a value that is set once, and makes system calls.
    unsafe { libc_signal(number.as_raw(), handler as extern "C" fn(c_int) as usize) };
}

/// Whose side of [`split`] the caller is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Parent,
    Child,
}

/// fork(2). Must be called while the process has one thread.
pub(super) fn split() -> std::io::Result<Side> {
    // SAFETY: with one thread no lock can be held by a thread that the child lacks.
    match unsafe { fork() } {
        ..0 => Err(std::io::Error::last_os_error()),
        0 => Ok(Side::Child),
        1.. => Ok(Side::Parent),
    }
}

/// `struct sock_fprog`.
#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}

/// Lets only the frames that `filter` accepts reach `socket` (socket(7), `SO_ATTACH_FILTER`).
pub(super) fn attach_filter(socket: &OwnedFd, filter: &[Instruction]) -> std::io::Result<()> {
    const SOL_SOCKET: c_int = 1;
    const SO_ATTACH_FILTER: c_int = 26;
    let program = Program {
        length: u16::try_from(filter.len()).unwrap_or(0), // which the kernel refuses
        instructions: filter.as_ptr(),
    };
    let (value, size) = ((&raw const program).cast(), size_of::<Program>() as u32);
    // SAFETY: program and instructions live during the call; the kernel copies and checks them.
    match unsafe {
        setsockopt(
            socket.as_raw_fd(),
            SOL_SOCKET,
            SO_ATTACH_FILTER,
            value,
            size,
        )
    } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

// SAFETY: the pointer is to a whole `sockaddr_ll` that lives during the call, with its size.
unsafe impl SocketAddrArg for CardAddress {
    unsafe fn with_sockaddr<R>(
        &self,
        f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R,
    ) -> R {
        f(
            (&raw const *self).cast(),
            size_of::<Self>() as SocketAddrLen,
        )
    }
}

/// What is changed of a mount.
#[derive(Clone, Copy, Debug)]
pub(super) enum MountChange<'a> {
    /// It shares nothing that happens below it.
    Private,
    ReadOnly,
    /// Its ids are those of a user namespace.
    Mapped(BorrowedFd<'a>),
}

/// `struct mount_attr` of mount_setattr(2).
#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    users: u64,
}

/// Changes a mount that is nowhere yet; with `deep` those below it, too. For want of a wrapper in rustix.
pub(super) fn change_mount(
    tree: BorrowedFd<'_>,
    deep: bool,
    change: MountChange<'_>,
) -> rustix::io::Result<()> {
    const MOUNT_SETATTR: c_long = 442; // of every architecture
    const EMPTY_PATH: c_int = 0x1000;
    const RECURSIVE: c_int = 0x8000;
    let (set, propagation, users) = match change {
        MountChange::Private => (0, 1 << 18, 0),
        MountChange::ReadOnly => (0x1, 0, 0),
        MountChange::Mapped(users) => (0x10_0000, 0, users.as_raw_fd().unsigned_abs()),
    };
    let attributes = MountAttributes {
        set,
        clear: 0,
        propagation,
        users: users.into(),
    };
    let flags = EMPTY_PATH | if deep { RECURSIVE } else { 0 };
    // SAFETY: the path and the attributes live during the call; the kernel reads as many bytes as are told.
    let done = unsafe {
        syscall(
            MOUNT_SETATTR,
            tree.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of::<MountAttributes>(),
        )
    };
    match done {
        0 => Ok(()),
        _ => Err(
            rustix::io::Errno::from_io_error(&std::io::Error::last_os_error())
                .unwrap_or(rustix::io::Errno::IO),
        ),
    }
}

/// Makes this thread act on files as these ids, and keep its capabilities (setfsuid(2), capabilities(7)). A
/// file system that belongs to a user namespace has no place for an owner whom the namespace does not know.
pub(super) fn act_as(user: u32, group: u32) -> rustix::io::Result<()> {
    use rustix::thread::{CapabilitiesSecureBits, set_capabilities_secure_bits};
    set_capabilities_secure_bits(CapabilitiesSecureBits::NO_SETUID_FIXUP)?;
    // SAFETY: they take numbers only. What has become of the first call the second one tells.
    let (user_now, group_now) = unsafe {
        setfsgid(group);
        setfsuid(user);
        (setfsuid(u32::MAX), setfsgid(u32::MAX))
    };
    match (user_now.cast_unsigned(), group_now.cast_unsigned()) == (user, group) {
        true => Ok(()),
        false => Err(rustix::io::Errno::PERM),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_time_signal_is_kept_and_nonsense_refused() {
        assert_eq!(signal(37).map(Signal::as_raw), Some(37));
        assert_eq!(signal(9), Some(Signal::KILL));
        assert!(signal(0).is_none() && signal(65).is_none());
    }
}

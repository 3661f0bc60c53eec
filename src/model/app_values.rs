//! The syntaxes of single values of application containers: devices, limits, names the kernel knows.

mod logging;
mod network;

use std::path::PathBuf;

use super::{Device, Ulimit};

pub use logging::*;
pub use network::*;

/// Why such a value is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppValueError {
    /// A control character, or nothing at all.
    #[error("`{0}` is empty or holds a control character")]
    Plain(&'static str),
    /// Not a device.
    #[error("`{0}` is not a device; it is `/dev/HOST[:/dev/INSIDE[:rwm]]`")]
    Device(String),
    /// A device that a plugin hands out.
    #[error("`{0}` is a device of a CDI plugin, which locker cannot hand out")]
    Cdi(String),
    /// Not a name of setrlimit(2).
    #[error("`{0}` is not a resource limit; these are {LIMITS}")]
    LimitName(String),
    /// Not a value of one.
    #[error("`{0}` is not a resource limit's value; it is a number, or -1 for none")]
    LimitValue(String),
    /// The soft limit is above the hard one.
    #[error("the soft limit {0} is above the hard one {1}")]
    LimitOrder(i64, i64),
    /// So few open files that no container starts.
    #[error("a container cannot start with {0} open files; it needs {LEAST_FILES}")]
    LimitFiles(i64),
    /// Not a name below /proc/sys.
    #[error("`{0}` is not a kernel parameter; it is words with dots, as in `net.core.somaxconn`")]
    Sysctl(String),
    /// Not a capability.
    #[error("`{0}` is not a capability; it is a word such as `NET_ADMIN`, or `ALL`")]
    Capability(String),
    /// Not a rule of the device cgroup.
    #[error("`{0}` is not a device rule; it is `TYPE MAJOR:MINOR ACCESS`, as in `c 1:3 mr`")]
    DeviceRule(String),
    /// Not a signal.
    #[error("`{0}` is not a signal; it is a name such as `SIGTERM`, or a number from 1 to 64")]
    Signal(String),
    /// Not a line of a hosts file.
    #[error("`{0}` is not a host; it is `NAME=ADDRESS`, and the address may be `host-gateway`")]
    Host(String),
    /// Not a hardware address.
    #[error(
        "`{0}` is not a hardware address; it is six bytes as in `02:42:ac:11:65:43`, none of a group"
    )]
    Mac(String),
    /// Not processors.
    #[error("`{0}` is not a list of processors; it is numbers and ranges, as in `0-2,4`")]
    Cpuset(String),
    /// Not a number of processors.
    #[error("`{0}` is not a number of processors, such as `0.5` or `2`")]
    Cpus(String),
    /// Not an absolute path.
    #[error("`{0}` is not an absolute path in the container")]
    WorkingDir(String),
    /// Not a user.
    #[error("`{0}` is not a user; it is `USER[:GROUP]`, names or numbers from 0 to 2147483647")]
    User(String),
    /// Not an option of a memory file system.
    #[error(
        "`{0}` is not an option of a memory file system; it is a flag such as `noexec`, or `size=64m`, `mode=1777`, `uid=1000`, `gid=1000`, `nr_inodes=1k`"
    )]
    Tmpfs(String),
    /// A kernel parameter of the whole host.
    #[error(
        "`{0}` is a parameter of the whole host; a container has its own of `net.*`, `fs.mqueue.*`, `kernel.domainname`, and of `kernel.` those of System V IPC"
    )]
    SysctlOfHost(String),
    /// Not permissions.
    #[error("`{0}` are not permissions; they are octal, as in `\"0440\"`")]
    Mode(String),
    /// Not a platform.
    #[error("`{0}` is not a platform; it is `linux/ARCHITECTURE`, as in `linux/amd64`")]
    Platform(String),
    /// Not how mounts travel.
    #[error(
        "`{0}` is not a propagation; it is `private`, `shared`, `slave`, or one of them with `r` before it"
    )]
    Propagation(String),
}

const LIMITS: &str = "core, cpu, data, fsize, locks, memlock, msgqueue, nice, nofile, nproc, rss, rtprio, rttime, sigpending, stack";

/// Refuses what is empty or holds a control character; `what` is the key it belongs to.
pub fn check_plain(what: &'static str, text: &str) -> Result<(), AppValueError> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(AppValueError::Plain(what));
    }
    Ok(())
}

impl Device {
    /// Reads `HOST[:INSIDE][:PERMISSIONS]`.
    pub fn parse(text: &str) -> Result<Self, AppValueError> {
        let parts: Vec<&str> = text.split(':').collect();
        match parts[..] {
            [host] => Self::new(host, host, "rwm"),
            [host, last] if !last.starts_with('/') => Self::new(host, host, last),
            [host, target] => Self::new(host, target, "rwm"),
            [host, target, permissions] => Self::new(host, target, permissions),
            _ => Err(AppValueError::Device(text.into())),
        }
    }

    /// Puts it together.
    pub fn new(host: &str, target: &str, permissions: &str) -> Result<Self, AppValueError> {
        let shown = || format!("{host}:{target}:{permissions}");
        if !host.starts_with('/') && host.contains('/') && host.contains('=') {
            return Err(AppValueError::Cdi(host.into()));
        }
        let path = |text: &str| text.starts_with('/') && !text.chars().any(char::is_control);
        let access = |text: &str| {
            !text.is_empty()
                && text.len() <= 3
                && text
                    .chars()
                    .all(|c| "rwm".contains(c) && text.matches(c).count() == 1)
        };
        if !path(host) || !path(target) || !access(permissions) {
            return Err(AppValueError::Device(shown()));
        }
        Ok(Self {
            host: PathBuf::from(host),
            target: PathBuf::from(target),
            permissions: permissions.into(),
        })
    }
}

/// Open files that runc needs until the container's program runs (measured with runc 1.1).
const LEAST_FILES: i64 = 12;

impl Ulimit {
    /// Puts it together.
    pub fn new(soft: i64, hard: i64) -> Result<Self, AppValueError> {
        if soft < -1 || hard < -1 {
            return Err(AppValueError::LimitValue(soft.min(hard).to_string()));
        }
        if hard != -1 && (soft == -1 || soft > hard) {
            return Err(AppValueError::LimitOrder(soft, hard));
        }
        Ok(Self { soft, hard })
    }

    /// Refuses a limit with which no container starts.
    pub fn check_least(&self, name: &str) -> Result<(), AppValueError> {
        match name == "nofile" && (0..LEAST_FILES).contains(&self.soft) {
            true => Err(AppValueError::LimitFiles(self.soft)),
            false => Ok(()),
        }
    }

    /// One value of it.
    pub fn value(text: &str) -> Result<i64, AppValueError> {
        if matches!(text, "-1" | "unlimited") {
            return Ok(-1);
        }
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        let value = text.parse().ok().filter(|_| digits);
        value.ok_or_else(|| AppValueError::LimitValue(text.into()))
    }

    /// The name of one.
    pub fn check_name(name: &str) -> Result<(), AppValueError> {
        if LIMITS.split(", ").any(|known| known == name) {
            return Ok(());
        }
        Err(AppValueError::LimitName(name.into()))
    }
}

/// Checks a working directory.
pub fn check_working_dir(text: &str) -> Result<(), AppValueError> {
    check_plain("working_dir", text)?;
    match text.starts_with('/') {
        true => Ok(()),
        false => Err(AppValueError::WorkingDir(text.into())),
    }
}

/// Checks `USER[:GROUP]`. Whether a name is there only the image knows.
pub fn check_user(text: &str) -> Result<(), AppValueError> {
    check_plain("user", text)?;
    let bad = || AppValueError::User(text.into());
    let mut parts = text.split(':');
    let (user, group) = (parts.next().unwrap_or_default(), parts.next());
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '@' | '$');
    let fits = |word: &str| {
        let number = word.bytes().all(|b| b.is_ascii_digit());
        let id = || word.parse::<i32>().is_ok();
        word.chars().all(named) && !word.starts_with('-') && (!number || id() || word.is_empty())
    };
    let whole = parts.next().is_none() && !(user.is_empty() && group.is_none_or(str::is_empty));
    if whole && fits(user) && group.is_none_or(fits) {
        return Ok(());
    }
    Err(bad())
}

/// The flags that the engine takes for a memory file system.
const TMPFS_FLAGS: &str = "defaults ro rw suid nosuid dev nodev exec noexec sync async dirsync remount mand nomand atime \
    noatime diratime nodiratime relatime norelatime strictatime nostrictatime";

/// Checks the options of a memory file system, divided by commas.
pub fn check_tmpfs(options: &str) -> Result<(), AppValueError> {
    let words = options.split(',').filter(|word| !word.is_empty());
    for word in words {
        let good = match word.split_once('=') {
            None => TMPFS_FLAGS.split_whitespace().any(|flag| flag == word),
            Some(("size", size)) => is_counted(size, "kmgtKMGT%"),
            Some(("nr_inodes" | "nr_blocks", count)) => is_counted(count, "kmgtKMGT"),
            Some(("mode", mode)) => file_mode(mode).is_ok(),
            Some(("uid" | "gid", id)) => is_counted(id, "") && id.parse::<u32>().is_ok(),
            Some(("mpol", policy)) => !policy.is_empty(),
            Some((_, _)) => false,
        };
        if !good {
            return Err(AppValueError::Tmpfs(word.into()));
        }
    }
    Ok(())
}

/// Digits, and behind them at most one of these letters.
fn is_counted(text: &str, units: &str) -> bool {
    let digits = text
        .strip_suffix(|c: char| units.contains(c))
        .unwrap_or(text);
    !digits.is_empty() && digits.len() <= 19 && digits.bytes().all(|b| b.is_ascii_digit())
}

/// Whose kernel parameter it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SysctlOf {
    /// The container's network.
    Network,
    /// Its System V and POSIX message queues, semaphores and shared memory.
    Ipc,
    /// Its host name's.
    Uts,
}

/// The namespace that has a kernel parameter (namespaces(7)); one of the whole host is refused.
pub fn sysctl_of(name: &str) -> Result<SysctlOf, AppValueError> {
    check_sysctl(name)?;
    let dotted = name.replace('/', ".");
    let ipc = [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
    ];
    match dotted.as_str() {
        word if word.starts_with("net.") => Ok(SysctlOf::Network),
        word if word.starts_with("fs.mqueue.") || ipc.contains(&word) => Ok(SysctlOf::Ipc),
        "kernel.domainname" => Ok(SysctlOf::Uts),
        _ => Err(AppValueError::SysctlOfHost(name.into())),
    }
}

/// Checks the name of a kernel parameter.
pub fn check_sysctl(name: &str) -> Result<(), AppValueError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    let word = |part: &str| !part.is_empty();
    let whole = name.contains(['.', '/']) && name.chars().all(fits);
    if whole && name.split(['.', '/']).all(word) {
        return Ok(());
    }
    Err(AppValueError::Sysctl(name.into()))
}

/// A capability as the engine writes it: capitals, without `CAP_`.
pub fn capability(text: &str) -> Result<String, AppValueError> {
    let word = text.to_ascii_uppercase();
    let word = word.strip_prefix("CAP_").unwrap_or(&word);
    if word != "ALL" && !CAPABILITIES.split_whitespace().any(|known| known == word) {
        return Err(AppValueError::Capability(text.into()));
    }
    Ok(word.into())
}

/// All that capabilities(7) has.
const CAPABILITIES: &str = "AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE \
    DAC_READ_SEARCH FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN \
    NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT \
    SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM";

/// Checks a rule of the device cgroup.
pub fn check_device_rule(text: &str) -> Result<(), AppValueError> {
    let number =
        |word: &str| word == "*" || word.parse::<u32>().is_ok_and(|_| !word.starts_with('+'));
    let parts: Vec<&str> = text.split(' ').collect();
    let fits = match parts[..] {
        [kind, numbers, access] => {
            matches!(kind, "a" | "b" | "c")
                && numbers
                    .split_once(':')
                    .is_some_and(|(major, minor)| number(major) && number(minor))
                && (1..=3).contains(&access.len())
                && access.chars().all(|c| "rwm".contains(c))
        }
        _ => false,
    };
    if fits {
        return Ok(());
    }
    Err(AppValueError::DeviceRule(text.into()))
}

/// Checks a signal.
pub fn check_signal(text: &str) -> Result<(), AppValueError> {
    let number = text
        .parse::<u8>()
        .is_ok_and(|n| (1..=64).contains(&n) && !text.starts_with('+'));
    let upper = text.to_ascii_uppercase();
    let word = upper.strip_prefix("SIG").unwrap_or(&upper);
    let within = |text: &str, most: u8| {
        let digits = !text.starts_with(['+', '0']);
        text.parse::<u8>()
            .is_ok_and(|n| digits && (1..=most).contains(&n))
    };
    let real_time = match (word.strip_prefix("RTMIN"), word.strip_prefix("RTMAX")) {
        (Some(rest), _) => rest.is_empty() || rest.strip_prefix('+').is_some_and(|n| within(n, 15)),
        (None, Some(rest)) => {
            rest.is_empty() || rest.strip_prefix('-').is_some_and(|n| within(n, 14))
        }
        (None, None) => false,
    };
    if number || real_time || SIGNALS.split_whitespace().any(|known| known == word) {
        return Ok(());
    }
    Err(AppValueError::Signal(text.into()))
}

/// Those of signal(7) that have a name of their own.
const SIGNALS: &str = "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS \
    TERM TRAP TSTP TTIN TTOU UNUSED URG USR1 USR2 VTALRM WINCH XCPU XFSZ";

/// Checks a list of processors.
pub fn check_cpuset(text: &str) -> Result<(), AppValueError> {
    let number = |word: &str| {
        let digits = !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
        word.parse::<u16>().ok().filter(|_| digits)
    };
    let part = |part: &str| match part.split_once('-') {
        Some((first, last)) => match (number(first), number(last)) {
            (Some(first), Some(last)) => first <= last,
            (Some(_) | None, None) | (None, Some(_)) => false,
        },
        None => number(part).is_some(),
    };
    if text.split(',').all(part) {
        return Ok(());
    }
    Err(AppValueError::Cpuset(text.into()))
}

/// A number of processors in billionths.
pub fn nano_cpus(text: &str) -> Result<u64, AppValueError> {
    let bad = || AppValueError::Cpus(text.into());
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |word: &str| word.bytes().all(|b| b.is_ascii_digit());
    if whole.len() + part.len() == 0 || !digits(whole) || !digits(part) || part.len() > 9 {
        return Err(bad());
    }
    let whole: u64 = format!("0{whole}").parse().map_err(|_| bad())?;
    let part: u64 = format!("{part:0<9}").parse().map_err(|_| bad())?;
    let all = whole
        .checked_mul(1_000_000_000)
        .and_then(|all| all.checked_add(part));
    all.filter(|all| (1..=1_000_000_000_000_000).contains(all))
        .ok_or_else(bad)
}

/// Permission bits from their number.
pub fn file_bits(number: u32) -> Result<u32, AppValueError> {
    let fits = Some(number).filter(|bits| *bits <= 0o7777);
    fits.ok_or_else(|| AppValueError::Mode(number.to_string()))
}

/// Permission bits from octal digits.
pub fn file_mode(text: &str) -> Result<u32, AppValueError> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let octal =
        (1..=5).contains(&digits.len()) && digits.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let mode = u32::from_str_radix(digits, 8)
        .ok()
        .filter(|mode| octal && *mode <= 0o7777);
    mode.ok_or_else(|| AppValueError::Mode(text.into()))
}

/// Checks a platform.
pub fn check_platform(text: &str) -> Result<(), AppValueError> {
    let fits =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.' | '-');
    let parts: Vec<&str> = text.split('/').collect();
    let words = parts
        .iter()
        .all(|part| !part.is_empty() && part.chars().all(fits));
    let named = text.starts_with(|c: char| c.is_ascii_lowercase());
    if named && words && (1..=3).contains(&parts.len()) {
        return Ok(());
    }
    Err(AppValueError::Platform(text.into()))
}

/// Checks how mounts travel.
pub fn check_propagation(text: &str) -> Result<(), AppValueError> {
    if matches!(
        text,
        "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave"
    ) {
        return Ok(());
    }
    Err(AppValueError::Propagation(text.into()))
}

#[cfg(test)]
mod tests;

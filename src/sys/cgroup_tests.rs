//! The reader of cgroups against files in the form that the kernel writes.

use super::*;

const V1: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / TOP/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 /outer TOP/memory rw,relatime - cgroup cgroup rw,memory
38 31 0:35 / TOP/blkio rw,relatime - cgroup cgroup rw,blkio
39 31 0:36 / TOP/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / TOP/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / TOP/unified rw,relatime - cgroup2 cgroup2 rw
";
const V1_GROUPS: &str = "\
5:memory:/outer/box/init.scope
4:cpu,cpuacct:/box
3:blkio:/box
2:pids:/
1:name=systemd:/box
0::/
";
const V2: &str = "29 22 0:26 / TOP rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

fn put(path: PathBuf, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// The part up to `/box` is its own.
fn own(path: &str) -> Option<usize> {
    path.find("/box").map(|at| at + "/box".len())
}

fn cgroup(top: &Path, mounts: &str, groups: &str) -> Cgroup {
    let mounts = mounts.replace("TOP", top.to_str().unwrap());
    Cgroup::parse(groups, &Hierarchies::parse(&mounts, groups), &own)
}

#[test]
fn version_one_is_read_where_it_is_mounted_and_only_what_is_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let top = dir.path();
    put(top.join("cpu,cpuacct/box/cpuacct.usage"), "4015372890\n");
    put(top.join("memory/box/memory.usage_in_bytes"), "9000000\n");
    put(
        top.join("memory/box/memory.stat"),
        "cache 4000000\ninactive_file 1\nhierarchical_memory_limit 67108864\ntotal_inactive_file 3000000\n",
    );
    put(
        top.join("memory/box/memory.limit_in_bytes"),
        "9223372036854771712\n",
    );
    put(top.join("memory/memory.limit_in_bytes"), "67108864\n");
    put(
        top.join("blkio/box/blkio.throttle.io_service_bytes"),
        "254:0 Read 4096\n254:0 Write 8192\n254:0 Sync 0\n254:0 Async 12288\n254:0 Total 12288\n254:16 Read 1\nTotal 12289\n",
    );
    put(top.join("pids/pids.current"), "400\n");
    put(top.join("systemd/box/cgroup.procs"), "7\n");
    let cgroup = cgroup(top, V1, V1_GROUPS);
    let wanted = Figures {
        cpu: Some(Duration::from_nanos(4_015_372_890)),
        memory: Some(6_000_000),
        read: Some(4097),
        written: Some(8192),
        // The hierarchy of pids has it in the root, with everybody else.
        tasks: None,
    };
    assert_eq!(cgroup.figures(), wanted);
    assert_eq!(cgroup.memory_limit(), Some(67_108_864));
}

#[test]
fn version_two_is_read_and_the_least_limit_above_counts() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("locker.slice/box");
    put(
        at.join("cpu.stat"),
        "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\nnr_periods 0\n",
    );
    put(at.join("memory.current"), "5000\n");
    put(
        at.join("memory.stat"),
        "anon 1000\nfile 4000\ninactive_file 4500\nactive_file 0\n",
    );
    put(at.join("memory.max"), "max\n");
    put(dir.path().join("locker.slice/memory.max"), "1048576\n");
    put(
        at.join("io.stat"),
        "254:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n254:16 rbytes=4 wbytes=0 rios=1 wios=0\n",
    );
    put(at.join("pids.current"), "12\n");
    put(at.join("cgroup.procs"), "");
    put(at.join("system.slice/a.service/cgroup.procs"), "41\n42\n");
    let cgroup = cgroup(dir.path(), V2, "0::/locker.slice/box/init.scope\n");
    let wanted = Figures {
        cpu: Some(Duration::from_millis(2500)),
        memory: Some(500),
        read: Some(4100),
        written: Some(8192),
        tasks: Some(12),
    };
    assert_eq!(cgroup.figures(), wanted);
    assert_eq!(cgroup.memory_limit(), Some(1_048_576));
    assert_eq!(cgroup.processes(), Some(vec![41, 42]));
}

#[test]
fn without_controllers_only_the_time_is_known() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path().join("box/cpu.stat"), "usage_usec 1\n");
    let cgroup = cgroup(dir.path(), V2, "9:name=systemd:/\n8:pids:/box\n0::/box\n");
    let wanted = Figures {
        cpu: Some(Duration::from_micros(1)),
        ..Figures::default()
    };
    assert_eq!(cgroup.figures(), wanted);
    assert_eq!(cgroup.memory_limit(), None);
}

#[test]
fn what_is_nobodys_own_is_not_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path().join("cpu.stat"), "usage_usec 1\n");
    let cgroup = cgroup(dir.path(), V2, "0::/\n");
    assert_eq!(cgroup, Cgroup::default());
    assert_eq!(cgroup.figures(), Figures::default());
    assert_eq!(cgroup.processes(), None);
}

//! Both directions, and what has none.

use super::*;

const CONTROLLERS: [&str; 7] = ["memory", "cpu", "cpuset", "pids", "hugetlb", "misc", "rdma"];

fn host(version: CgroupVersion) -> BTreeMap<String, CgroupVersion> {
    let extra = match version {
        CgroupVersion::V1 => vec!["blkio", "devices"],
        CgroupVersion::V2 => vec!["io"],
    };
    CONTROLLERS
        .iter()
        .chain(&extra)
        .map(|name| (name.to_string(), version))
        .collect()
}

fn run(texts: &[&str], version: CgroupVersion) -> Result<String, LimitError> {
    let limits: Vec<Limit> = texts.iter().map(|t| t.parse().unwrap()).collect();
    let new = translate_all(&limits, &host(version)).map_err(|(_, error)| error)?;
    let words: Vec<String> = new.iter().map(ToString::to_string).collect();
    Ok(words.join("; "))
}

#[test]
fn version_1_keys_work_on_a_version_2_host() {
    for (texts, expected) in [
        (&["memory.limit_in_bytes=1M"][..], "memory.max=1048576"),
        (&["memory.limit_in_bytes=-1"], "memory.max=max"),
        (&["memory.soft_limit_in_bytes=5"], "memory.low=5"),
        (
            &["memory.limit_in_bytes=1M", "memory.memsw.limit_in_bytes=3M"],
            "memory.max=1048576; memory.swap.max=2097152",
        ),
        (&["cpu.shares=1024"], "cpu.weight=39"),
        (&["cpu.shares=2"], "cpu.weight=1"),
        (&["cpu.shares=262144"], "cpu.weight=10000"),
        (&["cpu.cfs_quota_us=50000"], "cpu.max=50000 100000"),
        (
            &["cpu.cfs_quota_us=-1", "cpu.cfs_period_us=20000"],
            "cpu.max=max 20000",
        ),
        (&["blkio.weight=500"], "io.weight=4950"),
        (
            &[
                "blkio.throttle.read_bps_device=8:0 100",
                "blkio.throttle.write_iops_device=8:0 5",
            ],
            "io.max=8:0 rbps=100; io.max=8:0 wiops=5",
        ),
        (
            &["hugetlb.2MB.limit_in_bytes=4M"],
            "hugetlb.2MB.max=4194304",
        ),
        (
            &["cpuset.cpus=0,1", "pids.max=max"],
            "cpuset.cpus=0,1; pids.max=max",
        ),
        (
            &["memory.max=1K", "memory.limit_in_bytes=2K"],
            "memory.max=2048",
        ),
    ] {
        assert_eq!(run(texts, CgroupVersion::V2).as_deref(), Ok(expected));
    }
}

#[test]
fn version_2_keys_work_on_a_version_1_host() {
    for (texts, expected) in [
        (&["memory.max=512M"][..], "memory.limit_in_bytes=536870912"),
        (&["memory.max=max"], "memory.limit_in_bytes=-1"),
        (
            &["memory.max=1M", "memory.swap.max=1M"],
            "memory.limit_in_bytes=1048576; memory.memsw.limit_in_bytes=2097152",
        ),
        (&["cpu.weight=1"], "cpu.shares=2"),
        (&["cpu.weight=10000"], "cpu.shares=262144"),
        (
            &["cpu.max=50000 20000"],
            "cpu.cfs_period_us=20000; cpu.cfs_quota_us=50000",
        ),
        (
            &["cpu.max=max"],
            "cpu.cfs_period_us=100000; cpu.cfs_quota_us=-1",
        ),
        (&["io.weight=default 1"], "blkio.weight=10"),
        (
            &["io.max=8:0 rbps=1 wiops=max"],
            "blkio.throttle.read_bps_device=8:0 1; blkio.throttle.write_iops_device=8:0 0",
        ),
        (&["hugetlb.1GB.max=max"], "hugetlb.1GB.limit_in_bytes=-1"),
        (
            &[
                "devices.deny=a",
                "devices.allow=c 1:3 r",
                "devices.allow=c 1:5 r",
            ],
            "devices.deny=a; devices.allow=c 1:3 r; devices.allow=c 1:5 r",
        ),
    ] {
        assert_eq!(run(texts, CgroupVersion::V1).as_deref(), Ok(expected));
    }
}

#[test]
fn what_has_no_counterpart_is_refused_with_the_reason() {
    for (text, version) in [
        ("memory.swappiness=10", CgroupVersion::V2),
        ("devices.allow=a", CgroupVersion::V2),
        ("cpu.cfs_period_us=1000", CgroupVersion::V2),
        ("memory.memsw.limit_in_bytes=1M", CgroupVersion::V2),
        ("memory.high=1M", CgroupVersion::V1),
        ("memory.swap.max=1M", CgroupVersion::V1),
        ("cpuset.cpus.partition=root", CgroupVersion::V1),
    ] {
        let error = run(&[text], version);
        assert!(
            matches!(error, Err(LimitError::Untranslatable { .. })),
            "{text}: {error:?}"
        );
    }
    for (text, version) in [
        ("cpu.shares=1", CgroupVersion::V2),
        ("cpu.weight=0", CgroupVersion::V1),
        ("io.max=8:0 x=1", CgroupVersion::V1),
        ("cpu.cfs_quota_us=x", CgroupVersion::V2),
    ] {
        let error = run(&[text], version);
        assert!(matches!(error, Err(LimitError::Value { .. })), "{text}");
    }
}

#[test]
fn a_host_without_the_controller_is_told() {
    let limit: Limit = "memory.max=1M".parse().unwrap();
    let error = translate(&limit, &BTreeMap::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`memory.max` needs the cgroup controller `memory`, which this host does not have"
    );
}

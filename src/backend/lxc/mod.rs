//! LXC: system containers through liblxc.

pub mod monitor;

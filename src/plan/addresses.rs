//! Subnets and addresses, worked out without looking at the host.

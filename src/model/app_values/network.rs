//! Values about the network: lines of a hosts file, hardware addresses.

use std::net::IpAddr;

use super::AppValueError;

/// A further line of a hosts file from `NAME=ADDRESS` or `NAME:ADDRESS`.
pub fn extra_host(text: &str) -> Result<(String, String), AppValueError> {
    let parts = text.split_once('=').or_else(|| text.split_once(':'));
    let (name, address) = parts.ok_or_else(|| AppValueError::Host(text.into()))?;
    extra_host_of(name, address)
}

/// A further line of a hosts file from its parts.
pub fn extra_host_of(name: &str, address: &str) -> Result<(String, String), AppValueError> {
    let bad = || AppValueError::Host(format!("{name}={address}"));
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.is_empty() || name.len() > 253 || !name.chars().all(fits) {
        return Err(bad());
    }
    if address == "host-gateway" {
        return Ok((name.into(), address.into()));
    }
    let plain = address
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let ip: IpAddr = plain.unwrap_or(address).parse().map_err(|_| bad())?;
    Ok((name.into(), ip.to_string()))
}

/// A hardware address in small letters with colons.
pub fn mac_address(text: &str) -> Result<String, AppValueError> {
    let bad = || AppValueError::Mac(text.into());
    let parts: Vec<&str> = text.split([':', '-']).collect();
    let hex = |part: &&str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
    if parts.len() != 6 || !parts.iter().all(hex) {
        return Err(bad());
    }
    let first = u8::from_str_radix(parts[0], 16).map_err(|_| bad())?;
    // The lowest bit marks addresses of groups, which no card can have (IEEE 802).
    if first & 1 == 1 || parts.iter().all(|part| *part == "00") {
        return Err(bad());
    }
    Ok(parts.join(":").to_ascii_lowercase())
}

//! Moments: as the user types them and as they are shown.

use std::time::{Duration, SystemTime};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// A moment: `10m` or `1h30m` ago, an RFC 3339 time, a local date or time without a zone
/// (`2026-01-31`, `2026-01-31T12:00`), or seconds since 1970.
pub fn moment(word: &str) -> Result<SystemTime, String> {
    if let Ok(at) = word.parse::<Timestamp>() {
        return Ok(at.into());
    }
    if let Some(at) = seconds(word) {
        return Ok(at);
    }
    if let Ok(ago) = humantime::parse_duration(word) {
        let then = SystemTime::now().checked_sub(ago);
        return then.ok_or_else(|| "that is too long ago".into());
    }
    let local = word.parse::<DateTime>().ok();
    let zoned = local.and_then(|local| local.to_zoned(TimeZone::system()).ok());
    match zoned {
        Some(zoned) => Ok(zoned.timestamp().into()),
        None => Err("must be a time such as `2026-01-31T12:00:00Z`, or how long ago: `10m`".into()),
    }
}

/// Seconds since 1970, perhaps with a fraction.
fn seconds(word: &str) -> Option<SystemTime> {
    let plain = word.chars().all(|c| c.is_ascii_digit() || c == '.');
    let count: f64 = word.parse().ok().filter(|_| plain)?;
    let since = Duration::try_from_secs_f64(count).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(since)
}

/// `2026-01-31T12:00:00.123Z`; what the clock cannot say is 1970.
pub fn rfc3339(at: SystemTime) -> String {
    stamp(at).to_string()
}

/// The same in this host's zone, to the millisecond: `2026-01-31T13:00:00.123+01:00`.
pub fn local(at: SystemTime) -> String {
    let zoned = Zoned::new(stamp(at), TimeZone::system());
    zoned.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}

fn stamp(at: SystemTime) -> Timestamp {
    Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(moment("1970-01-01T01:00:00Z"), Ok(at(3600)));
        assert_eq!(moment("1970-01-01T01:00:00+01:00"), Ok(at(0)));
        assert_eq!(moment("90"), Ok(at(90)));
        assert_eq!(moment("90.5"), Ok(at(90) + Duration::from_millis(500)));
        assert!(moment("2026-01-31").is_ok());
        assert!(moment("2026-01-31T12:00").is_ok());
        let ago = moment("10m").unwrap().elapsed().unwrap().as_secs();
        assert!((600..610).contains(&ago), "{ago}");
        for bad in ["", "soon", "-5", "1e9", "yesterday"] {
            assert!(moment(bad).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn the_form_for_programs_is_utc() {
        assert_eq!(rfc3339(SystemTime::UNIX_EPOCH), "1970-01-01T00:00:00Z");
    }
}

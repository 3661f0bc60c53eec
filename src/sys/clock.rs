//! The wall clock. It only labels things; nothing may be decided by it.

/// The time now in UTC, to the second, as RFC 3339: `2026-11-22T05:30:00Z`.
pub fn now() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_time_is_rfc_3339_in_utc_to_the_second() {
        let now = super::now();
        assert_eq!(now.len(), "2026-11-22T05:30:00Z".len(), "{now}");
        assert!(now.parse::<jiff::Timestamp>().is_ok(), "{now}");
    }
}

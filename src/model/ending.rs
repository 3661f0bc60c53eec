//! Which words of an engine mean that a container was told to end.

/// Whether an event of the engine, with the number of its signal, is a stop or a signal that commonly ends: a stop is
/// told when it is over only. HUP, USR1, USR2, CONT and WINCH ask for something else.
pub fn tells_to_end(action: &str, signal: Option<&str>) -> bool {
    match action {
        "stop" => true,
        "kill" => !matches!(signal, Some("1" | "10" | "12" | "18" | "28")),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_and_a_signal_that_ends_are_told_from_others() {
        for (action, signal, ends) in [
            ("stop", None, true),
            ("kill", Some("15"), true),
            ("kill", Some("2"), true),
            ("kill", None, true),
            ("kill", Some("1"), false),
            ("kill", Some("10"), false),
            ("die", Some("15"), false),
        ] {
            assert_eq!(tells_to_end(action, signal), ends, "{action} {signal:?}");
        }
    }
}

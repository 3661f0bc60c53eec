//! Which words of an engine mean that a container was told to end.

/// Whether an event of the engine, with its signal, is a stop, a kill, or the signal `own` of the container, which asks it
/// to end (SIGTERM when it names none). A stop is told when it is over only. Any other signal may ask for something
/// else or be ignored: what ends later does so by itself.
pub fn tells_to_end(action: &str, signal: Option<&str>, own: Option<&str>) -> bool {
    match action {
        "stop" => true,
        "kill" => {
            let own = own.filter(|own| !own.is_empty()).unwrap_or("TERM");
            // Without a word a kill is SIGKILL.
            let sent = signal_number(signal.unwrap_or("KILL"));
            sent.is_some() && [signal_number("KILL"), signal_number(own)].contains(&sent)
        }
        _ => false,
    }
}

/// Those of Linux by their numbers from 1 on (signal(7), x86 and ARM).
const NAMES: &str = "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN \
    TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS";
/// The first and the last real-time signal, as the C library has them.
const REAL_TIME: (i32, i32) = (34, 64);

/// The number of a signal that is written as a number or by its name, with or without `SIG`; none for no signal.
pub fn signal_number(text: &str) -> Option<i32> {
    let upper = text.trim().to_ascii_uppercase();
    let (first, last) = REAL_TIME;
    if let Ok(number) = upper.parse() {
        return Some(number).filter(|number| (1..=last).contains(number));
    }
    let word = upper.strip_prefix("SIG").unwrap_or(&upper);
    let offset = |rest: &str, sign: char| match rest.strip_prefix(sign) {
        Some(number) => number.parse::<u8>().ok().map(i32::from),
        None => rest.is_empty().then_some(0),
    };
    if let Some(rest) = word.strip_prefix("RTMIN") {
        return Some(first + offset(rest, '+')?);
    }
    if let Some(rest) = word.strip_prefix("RTMAX") {
        return Some(last - offset(rest, '-')?);
    }
    let name = match word {
        "IOT" => "ABRT",
        "CLD" => "CHLD",
        "POLL" => "IO",
        "UNUSED" => "SYS",
        word => word,
    };
    let mut named = (1..).zip(NAMES.split_whitespace());
    named.find_map(|(number, known)| (known == name).then_some(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_and_a_signal_that_ends_are_told_from_others() {
        for (action, signal, own, ends) in [
            ("stop", None, None, true),
            ("kill", None, None, true),
            ("kill", Some("9"), None, true),
            ("kill", Some("15"), None, true),
            ("kill", Some("SIGTERM"), Some(""), true),
            // Ctrl-C of `docker attach`, which an init without a handler ignores; a dump of its threads.
            ("kill", Some("2"), None, false),
            ("kill", Some("3"), None, false),
            ("kill", Some("1"), None, false),
            ("kill", Some("2"), Some("SIGINT"), true),
            ("kill", Some("15"), Some("SIGINT"), false),
            ("kill", Some("37"), Some("RTMIN+3"), true),
            ("kill", Some("none"), Some("other"), false),
            ("die", Some("15"), None, false),
        ] {
            let told = tells_to_end(action, signal, own);
            assert_eq!(told, ends, "{action} {signal:?} {own:?}");
        }
    }

    #[test]
    fn signals_are_known_by_number_and_by_name() {
        for (word, number) in [
            ("SIGHUP", Some(1)),
            ("term", Some(15)),
            ("SYS", Some(31)),
            ("CLD", Some(17)),
            ("SIGUSR1", Some(10)),
            ("30", Some(30)),
            ("RTMIN", Some(34)),
            ("SIGRTMIN+3", Some(37)),
            ("SIGRTMAX-1", Some(63)),
            ("64", Some(64)),
            ("65", None),
            ("0", None),
            ("", None),
            ("SIGNONE", None),
        ] {
            assert_eq!(signal_number(word), number, "{word}");
        }
    }
}

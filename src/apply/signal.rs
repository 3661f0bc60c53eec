//! What is said to somebody who sent a signal: what comes next, and how to leave at once.

/// What a run that was told to end does once the steps that run have ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Then {
    /// Nothing is left to be done: it was told too late.
    AllDone,
    /// Something is destroyed already, and nothing is undone any more.
    Stop,
    /// What was done is undone.
    Undo,
}

/// The answer to a signal, with the labels of the steps that are finished.
pub(super) fn signal_words(signal: &str, finishing: &[String], then: Then) -> String {
    let first = match finishing {
        [] => String::new(),
        steps => format!("finishing `{}`, ", steps.join("`, `")),
    };
    let rest = match (then, finishing.is_empty()) {
        (Then::AllDone, _) => "with which all is done",
        (Then::Stop, true) => "ending now; what is destroyed stays so",
        (Then::Stop, false) => "then ending; what is destroyed stays so",
        (Then::Undo, true) => "undoing what was done",
        (Then::Undo, false) => "then undoing what was done",
    };
    format!("{signal}: {first}{rest}; once more leaves at once")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_answered_with_what_comes_next() {
        let steps = ["stop web".to_string(), "start db".to_string()];
        for (finishing, then, expected) in [
            (
                &steps[..],
                Then::Undo,
                "SIGINT: finishing `stop web`, `start db`, then undoing what was done; once more leaves at once",
            ),
            (
                &[],
                Then::Undo,
                "SIGINT: undoing what was done; once more leaves at once",
            ),
            (
                &steps[..1],
                Then::AllDone,
                "SIGINT: finishing `stop web`, with which all is done; once more leaves at once",
            ),
            (
                &steps[..1],
                Then::Stop,
                "SIGINT: finishing `stop web`, then ending; what is destroyed stays so; once more leaves at once",
            ),
            (
                &[],
                Then::Stop,
                "SIGINT: ending now; what is destroyed stays so; once more leaves at once",
            ),
        ] {
            assert_eq!(signal_words("SIGINT", finishing, then), expected);
        }
    }
}

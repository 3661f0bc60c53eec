//! What the engine's list says about a container, read from its words.
//!
//! The list is one request for all containers; asking for each would make a look at two hundred
//! containers slow. Exit code and health stand only in the sentence that people see.

use bollard::models::ContainerSummaryStateEnum as Word;

use crate::observed::{Health, State};

/// The state by the engine's word; none for one that is half gone.
pub(super) fn state(word: Option<Word>) -> Option<State> {
    match word {
        Some(Word::RUNNING | Word::STOPPING) => Some(State::Running),
        Some(Word::PAUSED) => Some(State::Frozen),
        // It has ended and waits to be started again.
        Some(Word::RESTARTING) => Some(State::Starting),
        Some(Word::REMOVING | Word::DEAD) => None,
        Some(Word::CREATED | Word::EXITED | Word::EMPTY) | None => Some(State::Stopped),
    }
}

/// The exit code in `Exited (137) 5 minutes ago`, and in `Restarting (1) 5 seconds ago`.
pub(super) fn exit(sentence: &str) -> Option<i32> {
    let rest = ["Exited (", "Restarting ("].iter();
    let rest = rest.copied().find_map(|head| sentence.strip_prefix(head))?;
    rest.split_once(')')?.0.parse().ok()
}

/// The health in `Up 5 minutes (healthy)`.
pub(super) fn health(sentence: &str) -> Option<Health> {
    let (_, last) = sentence.rsplit_once('(')?;
    match last.strip_suffix(')')? {
        "healthy" => Some(Health::Healthy),
        "unhealthy" => Some(Health::Unhealthy),
        "health: starting" => Some(Health::Starting),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_and_health_are_read_from_the_sentence() {
        for (sentence, code, said) in [
            ("Up 3 seconds", None, None),
            ("Up 3 seconds (healthy)", None, Some(Health::Healthy)),
            ("Up 2 hours (unhealthy)", None, Some(Health::Unhealthy)),
            (
                "Up About a minute (health: starting)",
                None,
                Some(Health::Starting),
            ),
            ("Up 2 minutes (Paused)", None, None),
            ("Exited (137) 5 minutes ago", Some(137), None),
            ("Exited (0) Less than a second ago", Some(0), None),
            ("Restarting (1) 5 seconds ago", Some(1), None),
            ("Created", None, None),
            ("Removal In Progress", None, None),
            ("", None, None),
        ] {
            assert_eq!(
                (exit(sentence), health(sentence)),
                (code, said),
                "{sentence}"
            );
        }
    }
}

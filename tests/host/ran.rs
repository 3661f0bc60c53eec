//! What a command on a test host gave, and what a scenario expects of it.

/// What a command gave.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The script, for messages.
    pub script: String,
    /// Exit code; 124 when it took longer than two minutes.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// Asserts that it exited with `code` and returns itself.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "`{}` exited with {}\n--- out\n{}\n--- err\n{}",
            self.script, self.code, self.out, self.err
        );
        self
    }

    /// Asserts that standard error holds every one of `words`.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(
                self.err.contains(word),
                "`{}` does not say `{word}`:\n{}",
                self.script,
                self.err
            );
        }
        self
    }
}

//! What an engine's log tells about an error, beyond the error's own text.

use crate::apply::{ObserveError, StepError, VerifyError};
use crate::backend::BackendError;

use super::JobError;

impl JobError {
    /// Lines of the engine's log: what a template printed before it failed, why a start was refused.
    pub fn details(&self) -> Vec<String> {
        if let Self::Apply(error) = self {
            let failures = error.failures().iter();
            return failures
                .flat_map(|failure| {
                    if let StepError::Backend(error) = &failure.error {
                        return log_of(error);
                    }
                    &[]
                })
                .cloned()
                .collect();
        }
        if let Self::Backend(error)
        | Self::Observe(ObserveError::Backend(error))
        | Self::Verify(VerifyError::Observe(ObserveError::Backend(error))) = self
        {
            return log_of(error).to_vec();
        }
        Vec::new()
    }
}

fn log_of(error: &BackendError) -> &[String] {
    if let BackendError::Engine { log, .. } = error {
        return log;
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_template_printed_is_kept() {
        let error = JobError::Backend(BackendError::Engine {
            verb: "create",
            container: "shop_web".into(),
            reason: "the template failed".into(),
            log: vec!["no such release".into()],
        });
        assert_eq!(error.details(), ["no such release"]);
        assert_eq!(JobError::Refused.details(), Vec::<String>::new());
    }
}

//! What is said of a failure beside its cause: some of it to the caller, all of it to the log.
//!
//! Where a text comes from decides whom it is for. Our own words and what the caller sent itself (the key of a
//! lookup) are told. What stores, resolvers, nodes, and the network say may name inner addresses: it is for the
//! log alone, whatever the cause.

/// What is said beside the cause. A plain text becomes one that is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Detail {
    told: String,
    inner: String,
}

// === impl Detail ===

impl Detail {
    /// What comes from the inner network.
    pub fn inner(text: impl Into<String>) -> Self {
        Self { told: String::new(), inner: text.into() }
    }

    /// With what the inner network says of it.
    pub fn and_inner(self, text: impl Into<String>) -> Self {
        Self { inner: text.into(), ..self }
    }

    /// What the caller is told.
    pub fn told(&self) -> &str {
        &self.told
    }

    /// What the log is told.
    pub fn logged(self) -> String {
        match (self.told.is_empty(), self.inner.is_empty()) {
            (_, true) => self.told,
            (true, false) => self.inner,
            (false, false) => format!("{}; {}", self.told, self.inner),
        }
    }
}

impl From<String> for Detail {
    fn from(told: String) -> Self {
        Self { told, inner: String::new() }
    }
}

impl From<&str> for Detail {
    fn from(told: &str) -> Self {
        told.to_owned().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_told_everything_and_the_caller_what_is_not_inner() {
        let both = Detail::from("job-9 in store jobs").and_inner("its value is 10.0.0.5");
        let told = Detail::from("too many lookups wait");
        let inner = Detail::inner("10.0.0.5:6379 refused");
        let words = |detail: Detail| (detail.told().to_owned(), detail.logged());
        assert_eq!(
            words(both),
            ("job-9 in store jobs".into(), "job-9 in store jobs; its value is 10.0.0.5".into())
        );
        assert_eq!(words(told), ("too many lookups wait".into(), "too many lookups wait".into()));
        assert_eq!(words(inner), (String::new(), "10.0.0.5:6379 refused".into()));
        assert_eq!(words(Detail::default()), (String::new(), String::new()));
    }
}

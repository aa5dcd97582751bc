use std::cell::RefCell;
use std::error::Error;
use std::fmt;

/// Something wrong with the configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key, such as `buckets.media.transform.presets.small.quality`; empty where the file as a whole is meant.
    pub place: String,
    /// What is wrong with it. Never shows a secret.
    pub message: String,
}

/// Everything wrong with a configuration, at once, in the order of the file's sections. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl Error for Problems {}

/// Collects problems while the configuration is read. Shared, since sections are read inside of each other.
#[derive(Debug, Default)]
pub(super) struct Findings(RefCell<Vec<Problem>>);

impl Findings {
    pub(super) fn add(&self, place: impl Into<String>, message: impl Into<String>) {
        self.0.borrow_mut().push(Problem { place: place.into(), message: message.into() });
    }

    pub(super) fn into_result<T>(self, value: T) -> Result<T, Problems> {
        let problems = self.0.into_inner();
        if problems.is_empty() { Ok(value) } else { Err(Problems(problems)) }
    }
}

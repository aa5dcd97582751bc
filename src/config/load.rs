use std::collections::HashMap;
use std::path::Path;

use super::{Config, Problems};

/// The default configuration, as it stands in the repository.
pub const DEFAULT_CONFIG: &str = include_str!("../../config.toml");

/// Reads the configuration from `path`, or the default one, and lays variables `MORTAR__SECTION__KEY` of `environment`
/// over it. `${NAME}` in its texts is replaced from `environment` too.
///
/// # Errors
/// Every problem, each with its place.
pub fn load(path: Option<&Path>, environment: &HashMap<String, String>) -> Result<Config, Problems> {
    todo!("{path:?} {environment:?}")
}

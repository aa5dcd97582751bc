use std::collections::BTreeMap;
use std::sync::Arc;

use mortar_actors::StoreId;
use regex::Regex;

use super::plan::{Output, Step};
use super::store_address::StoreAddress;

/// How the URLs of all buckets are understood. Built from a validated configuration; never changes.
#[derive(Clone, Debug)]
pub struct Buckets {
    pub(super) buckets: BTreeMap<Arc<str>, Arc<Bucket>>,
    pub(super) limits: PlanLimits,
}

/// What a plan may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanLimits {
    /// Most operations, over all steps.
    pub operations: usize,
    /// Longest side of a result that a URL may name, in pixels.
    pub output_side: u32,
}

/// How the URLs of one bucket are understood.
#[derive(Clone, Debug)]
pub struct Bucket {
    name: Arc<str>,
    originals: StoreId,
    results: StoreId,
    transform: Option<Transform>,
}

/// How a bucket turns URLs into transforms.
#[derive(Clone, Debug)]
pub struct Transform {
    /// Where in the URL the transform stands.
    pub dialect: Dialect,
    /// The bucket that parents are read from, where the configuration names one.
    pub parent_bucket: Option<Arc<str>>,
    /// The storage of this bucket that parents are read from.
    pub parent_storage: Arc<str>,
    /// Whether the root original must still exist for a stored result to be served.
    pub check_parent: bool,
    /// Under which key results are stored.
    pub result_key: ResultKey,
}

/// Where in the URL the transform stands.
#[derive(Clone, Debug)]
pub enum Dialect {
    /// A preset's name in the path.
    Presets(PresetPath),
    /// Parameters of the query.
    Query,
    /// A preset's name in the path; where there is none, the query.
    PresetsThenQuery(PresetPath),
}

/// Finds a preset's name and the parent in a path.
#[derive(Clone, Debug)]
pub struct PresetPath {
    /// Matched against the key with its leading slash. Has the groups `presetName` and `parent`.
    pub pattern: Regex,
    /// Presets by name.
    pub presets: BTreeMap<String, Recipe>,
}

/// One transform as a preset or a query names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipe {
    /// What is done to the pixels.
    pub step: Step,
    /// What it says about the encoding.
    pub output: Output,
}

/// Under which key a result is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultKey {
    /// The key of the request.
    Request,
    /// From the transform and the direct parent's name.
    Hash,
    /// From the transforms and names of all parents.
    HashParent,
}

impl Buckets {
    /// Takes validated buckets.
    pub fn new(buckets: impl IntoIterator<Item = Bucket>, limits: PlanLimits) -> Self {
        let buckets = buckets.into_iter().map(|bucket| (Arc::clone(&bucket.name), Arc::new(bucket))).collect();
        Self { buckets, limits }
    }

    /// The bucket of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<Bucket>> {
        self.buckets.get(name)
    }

    /// The buckets whose transforms can lead to an original of `bucket`, directly or by way of others.
    pub fn deriving_from(&self, bucket: &str) -> Vec<&Arc<Bucket>> {
        let mut found: Vec<&Arc<Bucket>> = Vec::new();
        let mut parents = vec![bucket];
        while let Some(parent) = parents.pop() {
            for child in self.iter().filter(|child| child.may_derive_from(parent)) {
                if !found.iter().any(|known| known.name == child.name) {
                    found.push(child);
                    parents.push(&child.name);
                }
            }
        }
        found
    }

    /// All buckets, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Bucket>> {
        self.buckets.values()
    }
}

impl Bucket {
    /// Takes a validated name, free of `/` and `#`.
    pub fn new(name: impl Into<Arc<str>>, transform: Option<Transform>) -> Self {
        let name = name.into();
        let store = |storage| StoreAddress { bucket: &name, storage, container: None }.id();
        Self { originals: store("basic"), results: store("transform"), transform, name }
    }

    /// Its name, as in URLs.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Whether one of its transforms can have a direct parent in `parent`.
    fn may_derive_from(&self, parent: &str) -> bool {
        let Some(transform) = &self.transform else { return false };
        match (&transform.parent_bucket, &transform.dialect) {
            (Some(configured), _) => &**configured == parent,
            (None, Dialect::Query) => &*self.name == parent,
            // The path names it.
            (None, Dialect::Presets(_) | Dialect::PresetsThenQuery(_)) => true,
        }
    }

    /// The storage that plain objects are read from and written to.
    pub fn originals(&self) -> &StoreId {
        &self.originals
    }

    /// The storage that results of its transforms are kept in.
    pub fn results(&self) -> &StoreId {
        &self.results
    }

    /// How it turns URLs into transforms, if it does.
    pub fn transform(&self) -> Option<&Transform> {
        self.transform.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{GREEDY, PRESET_FIRST, buckets, presets, transform};
    use super::*;

    fn deriving_from<'a>(buckets: &'a Buckets, original: &str) -> Vec<&'a str> {
        let mut names: Vec<_> = buckets.deriving_from(original).iter().map(|bucket| &**bucket.name()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn results_of_an_original_may_be_in_every_bucket_whose_transforms_lead_to_it() {
        let query = |parent| Some(transform(Dialect::Query, ResultKey::HashParent, parent));
        let preset = |parent| Some(transform(Dialect::Presets(presets(PRESET_FIRST)), ResultKey::Hash, parent));
        let buckets = buckets([
            ("plain", None),
            ("own", query(None)),
            ("media", preset(Some("plain"))),
            ("thumbs", query(Some("media"))),
            ("other", query(Some("own"))),
        ]);
        assert_eq!(deriving_from(&buckets, "plain"), ["media", "thumbs"], "directly, and by way of another");
        assert_eq!(deriving_from(&buckets, "own"), ["other", "own"]);
        assert_eq!(deriving_from(&buckets, "thumbs"), Vec::<&str>::new());
    }

    #[test]
    fn a_bucket_whose_paths_name_the_parent_may_hold_results_of_any_other() {
        let free = transform(Dialect::PresetsThenQuery(presets(GREEDY)), ResultKey::Hash, None);
        let buckets = buckets([("plain", None), ("free", Some(free))]);
        assert_eq!(deriving_from(&buckets, "plain"), ["free"]);
        assert_eq!(deriving_from(&buckets, "free"), ["free"]);
    }
}

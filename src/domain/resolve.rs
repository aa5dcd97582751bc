//! From path and query to what to do.

use std::borrow::Cow;
use std::sync::Arc;

use mortar_actors::{Fault, FaultKind, Key, ObjectKey, OriginalId, StoreId};

use super::bucket::{Bucket, Buckets, Dialect, PlanLimits, PresetPath, Recipe, Transform};
use super::key::{Hop, WriteOrder, result_key};
use super::plan::Plan;
use super::plan::words::quoted;
use super::store_address::StoreAddress;
use super::{invalid, is_reserved, path, query};

/// What a URL asks for.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The bucket that the path names.
    pub bucket: Arc<Bucket>,
    /// Where the asked object is found: a plain object, or the stored result of a transform.
    pub object: Location,
    /// How the object is made, where it is the result of a transform.
    pub derived: Option<Derived>,
}

/// An object in a store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    /// `bucket/storage`, or `bucket/storage#container`; see [`StoreAddress`].
    pub store: StoreId,
    /// The object's name there, before the storage's own path prefix.
    pub key: ObjectKey,
}

/// How the result of a transform is made.
#[derive(Clone, Debug)]
pub struct Derived {
    /// The original that the first step starts from.
    pub root: Location,
    /// What is done to it.
    pub plan: Arc<Plan>,
    /// Whether the root must still exist for a stored result to be served.
    pub check_parent: bool,
    /// What makes two requests the same, for the cache and for joining; and the original whose replacement ends it.
    pub key: Key,
}

/// Turns path and query of a URL into what to do. `path` is as received, percent-encoded, with its leading slash.
///
/// # Errors
/// `NotFound` for an unknown bucket and for a path that names no object, `Invalid` for everything that cannot be
/// understood.
pub fn resolve(buckets: &Buckets, path: &str, query: &str) -> Result<Resolved, Fault> {
    let path = path::decode(path)?;
    let (bucket, request_key) = find(buckets, &path)?;
    let mut links: Vec<Link<'_>> = Vec::new();
    let mut next = Link::find(bucket, request_key, query, buckets.limits)?;
    while let Some(link) = next {
        if links.len() >= buckets.limits.operations {
            return Err(invalid(format!("the path nests more than {} transforms", buckets.limits.operations)));
        }
        let (parent_bucket, parent_key) = find(buckets, &link.parent)?;
        next = Link::find(parent_bucket, parent_key, "", buckets.limits)?;
        links.push(link);
    }
    let Some(last) = links.last() else {
        let object = Location { store: bucket.originals().clone(), key: object_key(request_key) };
        return Ok(Resolved { bucket: Arc::clone(bucket), object, derived: None });
    };
    let root = (last.parent_location()?, last.parent_id()?);
    derive(bucket, request_key, root, &links, buckets.limits)
}

fn derive(
    bucket: &Arc<Bucket>,
    request_key: &str,
    (root, original): (Location, OriginalId),
    links: &[Link<'_>],
    limits: PlanLimits,
) -> Result<Resolved, Fault> {
    let own = links.first().expect("only a chain with a link is derived");
    let plan = Plan::from_recipes(links.iter().rev().map(|link| link.recipe.as_ref()), limits)?;
    let hops = links.iter().map(Link::hop).collect::<Result<Vec<_>, Fault>>()?;
    let result_key = result_key(own.transform.result_key, request_key, &hops);
    let store = bucket.results().clone();
    let derived = Derived {
        root,
        plan: Arc::new(plan),
        check_parent: links.iter().any(|link| link.transform.check_parent),
        // Neither a bucket's nor a storage's name has a colon, so the parts cannot run into each other.
        key: Key::new(format!("{store}:{result_key}")).of(original),
    };
    let object = Location { store, key: object_key(&result_key) };
    Ok(Resolved { bucket: Arc::clone(bucket), object, derived: Some(derived) })
}

/// One transform on the way to the root.
struct Link<'a> {
    bucket: &'a Bucket,
    transform: &'a Transform,
    recipe: Cow<'a, Recipe>,
    order: WriteOrder,
    /// `/bucket/key` of the parent.
    parent: String,
}

impl<'a> Link<'a> {
    /// The transform that an object is made by, if it is made by one.
    fn find(bucket: &'a Bucket, key: &str, query: &str, limits: PlanLimits) -> Result<Option<Self>, Fault> {
        let Some(transform) = bucket.transform() else { return Ok(None) };
        match &transform.dialect {
            Dialect::Presets(presets) => match Self::from_path(bucket, transform, presets, key) {
                PathMatch::Preset(link) => Ok(Some(link)),
                PathMatch::UnknownPreset(name) => Err(invalid(format!("there is no preset {}", quoted(name)))),
                PathMatch::Nothing => Ok(None),
            },
            Dialect::Query => Self::from_query(bucket, transform, key, query, limits),
            Dialect::PresetsThenQuery(presets) => match Self::from_path(bucket, transform, presets, key) {
                PathMatch::Preset(link) => Ok(Some(link)),
                PathMatch::UnknownPreset(_) | PathMatch::Nothing => {
                    Self::from_query(bucket, transform, key, query, limits)
                }
            },
        }
    }

    fn from_path<'k>(
        bucket: &'a Bucket,
        transform: &'a Transform,
        presets: &'a PresetPath,
        key: &'k str,
    ) -> PathMatch<'a, 'k> {
        let Some(groups) = presets.pattern.captures(key) else { return PathMatch::Nothing };
        let (Some(name), Some(parent)) = (groups.name("presetName"), groups.name("parent")) else {
            return PathMatch::Nothing;
        };
        let Some(recipe) = presets.presets.get(name.as_str()) else {
            return PathMatch::UnknownPreset(name.as_str());
        };
        let parent = match &transform.parent_bucket {
            Some(bucket) => path::join(bucket, parent.as_str()),
            None => format!("/{}", parent.as_str().trim_start_matches('/')),
        };
        PathMatch::Preset(Self { bucket, transform, recipe: Cow::Borrowed(recipe), order: WriteOrder::Preset, parent })
    }

    fn from_query(
        bucket: &'a Bucket,
        transform: &'a Transform,
        key: &str,
        query: &str,
        limits: PlanLimits,
    ) -> Result<Option<Self>, Fault> {
        let Some(recipe) = query::recipe(query, limits)? else { return Ok(None) };
        let parent_bucket = transform.parent_bucket.as_ref().unwrap_or(bucket.name());
        let parent = format!("/{parent_bucket}{key}");
        Ok(Some(Self { bucket, transform, recipe: Cow::Owned(recipe), order: WriteOrder::Query, parent }))
    }

    fn hop(&self) -> Result<Hop<'_>, Fault> {
        let (parent_bucket, parent_key) = path::split(&self.parent)?;
        let chosen_by_path = self.transform.parent_bucket.is_none() && parent_bucket != &**self.bucket.name();
        Ok(Hop {
            recipe: &self.recipe,
            order: self.order,
            parent_key,
            chosen_bucket: chosen_by_path.then_some(parent_bucket),
        })
    }

    /// Where the parent is read. The storage is configured in this bucket, the container is the parent's.
    fn parent_location(&self) -> Result<Location, Fault> {
        let (parent_bucket, parent_key) = path::split(&self.parent)?;
        let bucket: &str = self.bucket.name();
        let container = (parent_bucket != bucket).then_some(parent_bucket);
        let address = StoreAddress { bucket, storage: &self.transform.parent_storage, container };
        Ok(Location { store: address.id(), key: object_key(parent_key) })
    }

    /// What the parent is called in URLs, whatever storage it is read from.
    fn parent_id(&self) -> Result<OriginalId, Fault> {
        let (parent_bucket, parent_key) = path::split(&self.parent)?;
        Ok(OriginalId::in_bucket(parent_bucket, &object_key(parent_key)))
    }
}

/// What a path says to a preset pattern.
enum PathMatch<'a, 'k> {
    Preset(Link<'a>),
    UnknownPreset(&'k str),
    Nothing,
}

/// The bucket and the key, with its leading slash, that a decoded path names.
fn find<'a, 'p>(buckets: &'a Buckets, path: &'p str) -> Result<(&'a Arc<Bucket>, &'p str), Fault> {
    let (name, key) = path::split(path)?;
    let not_found = |message: String| Fault::new(FaultKind::NotFound, message);
    if name.is_empty() {
        return Err(not_found("the path names no bucket".to_owned()));
    }
    let Some(bucket) = buckets.get(name) else {
        return Err(not_found(format!("there is no bucket {}", quoted(name))));
    };
    if key.len() <= 1 {
        return Err(not_found("the path names a bucket, not an object".to_owned()));
    }
    if is_reserved(key) {
        return Err(not_found("there is no such object".to_owned()));
    }
    Ok((bucket, key))
}

fn object_key(key: &str) -> ObjectKey {
    ObjectKey::new(key.strip_prefix('/').unwrap_or(key))
}

#[cfg(test)]
mod tests;

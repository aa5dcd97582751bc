//! Reads `[buckets.NAME]`: credentials, headers and storages for the service, the URL rules for [`Buckets`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use regex::Regex;
use url::Url;

use super::read_presets::{PresetRules, preset};
use super::read_s3::{glacier, s3_storage};
use super::read_server::{answer_headers, headers};
use super::reader::Section;
use super::{AccessKey, BucketConfig, GlacierConfig, LimitsConfig, StorageConfig, StorageKind, WatermarkConfig};
use crate::domain::{Bucket, Buckets, Dialect, PresetPath, ResultKey, Transform};

pub(super) fn buckets(
    sections: Vec<(String, Section<'_>)>,
    limits: &LimitsConfig,
    watermarks: &WatermarkConfig,
) -> (BTreeMap<String, BucketConfig>, Buckets) {
    let names: Vec<String> = sections.iter().map(|(name, _)| name.clone()).collect();
    let rules = PresetRules {
        output_side: limits.output_side,
        operations: limits.operations,
        allowed_hosts: &watermarks.allowed_hosts,
        bucket_names: &names,
    };
    let mut configs = BTreeMap::new();
    let mut routes = Vec::with_capacity(names.len());
    for (name, section) in sections {
        let (config, transform) = bucket(&name, section, &rules);
        routes.push(Bucket::new(name.as_str(), transform));
        configs.insert(name, config);
    }
    (configs, Buckets::new(routes, limits.of_plans()))
}

fn bucket(name: &str, mut section: Section<'_>, rules: &PresetRules<'_>) -> (BucketConfig, Option<Transform>) {
    check_name(&section, name);
    let keys = section.listed_sections("keys").into_iter().filter_map(access_key).collect();
    let public_listing = section.switch("public_listing", false);
    let bucket_headers = answer_headers(&mut section, "headers").into_iter().collect();
    let glacier = glacier(section.section("glacier"));
    let mut storages = BTreeMap::new();
    let mut storage_names = BTreeSet::new();
    for (name, inner) in section.named_sections("storages") {
        check_name(&inner, &name);
        storage_names.insert(name.clone());
        if let Some(storage) = storage(inner, &glacier) {
            storages.insert(name, storage);
        }
    }
    if !storage_names.contains("basic") {
        section.problem("storages.basic", "is missing; originals are kept there");
    }
    let transforms = section.has("transform");
    let transform = section.section("transform");
    let transform = transforms.then(|| read_transform(transform, &storage_names, rules)).flatten();
    if transforms && !storage_names.contains("transform") {
        section.problem("storages.transform", "is missing; results of the bucket's transforms are kept there");
    }
    section.finish();
    (BucketConfig { keys, public_listing, headers: bucket_headers, storages }, transform)
}

/// Names stand in paths, keys and store ids, whose separators they must not contain.
fn check_name(section: &Section<'_>, name: &str) {
    if !is_name(name) {
        section.own_problem("the name may have letters, digits, - _ and . only, and not begin with a .");
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !name.is_empty() && name.len() <= 255 && !name.starts_with('.') && name.bytes().all(allowed)
}

fn access_key(mut section: Section<'_>) -> Option<AccessKey> {
    let access_key = section.required_text("access_key");
    let secret_access_key = section.required_text("secret_access_key");
    let read_only = section.switch("read_only", false);
    section.finish();
    Some(AccessKey { access_key: access_key?, secret_access_key: secret_access_key?, read_only })
}

const STORAGE_KINDS: [(&str, StorageKind); 5] = [
    ("local", StorageKind::Local),
    ("local-meta", StorageKind::LocalMeta),
    ("s3", StorageKind::S3),
    ("http", StorageKind::Http),
    ("noop", StorageKind::Noop),
];

fn storage(mut section: Section<'_>, glacier: &GlacierConfig) -> Option<StorageConfig> {
    if !section.has("kind") {
        section.problem("kind", "is missing");
    }
    let kind = section.choice("kind", &STORAGE_KINDS);
    let root_path = section.text("root_path").filter(|path| !path.is_empty()).map(PathBuf::from);
    let path_prefix = section.parsed("path_prefix", path_prefix).unwrap_or_default();
    let container = |name: &str| if is_name(name) { Ok(name.to_owned()) } else { Err("is not a container's name") };
    let bucket = section.parsed("bucket", container);
    let url = section.parsed("url", origin_url);
    let request_headers = headers(&mut section, "headers");
    let s3 = s3_storage(&mut section, kind == Some(StorageKind::S3), glacier);
    if let Some(kind) = kind {
        let on_disk = matches!(kind, StorageKind::Local | StorageKind::LocalMeta);
        belongs(&section, "root_path", on_disk, root_path.is_some());
        belongs(&section, "url", kind == StorageKind::Http, url.is_some());
        if kind != StorageKind::Http && !request_headers.is_empty() {
            section.problem("headers", "has no meaning for this kind of storage");
        }
    }
    section.finish();
    Some(StorageConfig { kind: kind?, root_path, path_prefix, bucket, url, headers: request_headers, s3 })
}

/// Some keys are needed by one kind of storage and meaningless for the others.
fn belongs(section: &Section<'_>, key: &str, needed: bool, given: bool) {
    match (needed, given) {
        (true, false) => section.problem(key, "is missing; this kind of storage needs it"),
        (false, true) => section.problem(key, "has no meaning for this kind of storage"),
        _ => {}
    }
}

fn path_prefix(text: &str) -> Result<String, String> {
    let inside = |component: Component<'_>| matches!(component, Component::Normal(_) | Component::RootDir);
    if text.contains('\0') || !Path::new(text).components().all(inside) {
        return Err(format!("{text:?} must not have a segment . or .."));
    }
    Ok(text.to_owned())
}

fn origin_url(text: &str) -> Result<String, String> {
    if !text.contains("<item>") {
        return Err("has no <item>, which stands for the object's key".to_owned());
    }
    let filled = text.replace("<item>", "item").replace("<container>", "container");
    if filled.contains(['<', '>']) {
        return Err("has a place other than <container> and <item>".to_owned());
    }
    match Url::parse(&filled) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(text.to_owned()),
        Ok(_) => Err("is not an http or https address".to_owned()),
        Err(why) => Err(format!("is not an address: {why}")),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Presets,
    Query,
    PresetsQuery,
}

const KINDS: [(&str, Kind); 3] =
    [("presets", Kind::Presets), ("query", Kind::Query), ("presets-query", Kind::PresetsQuery)];

fn read_transform(mut section: Section<'_>, storages: &BTreeSet<String>, rules: &PresetRules<'_>) -> Option<Transform> {
    if !section.has("kind") {
        section.problem("kind", "is missing");
    }
    let kind = section.choice("kind", &KINDS);
    let paths = preset_path(&mut section, kind, rules);
    let parent_bucket = section.text("parent_bucket").filter(|name| !name.is_empty());
    if let Some(name) = parent_bucket.as_ref().filter(|name| !rules.bucket_names.contains(name)) {
        section.problem("parent_bucket", format!("there is no bucket {name:?}"));
    }
    let parent_storage = section.text_or("parent_storage", "basic");
    if !storages.contains(&parent_storage) {
        section.problem("parent_storage", format!("this bucket has no storage {parent_storage:?}"));
    }
    let check_parent = section.switch("check_parent", false);
    let result_key = section
        .choice(
            "result_key",
            &[("", None), ("hash", Some(ResultKey::Hash)), ("hashParent", Some(ResultKey::HashParent))],
        )
        .flatten();
    section.finish();
    let kind = kind?;
    let dialect = match (kind, paths) {
        (Kind::Query, _) => Dialect::Query,
        (Kind::Presets, paths) => Dialect::Presets(paths?),
        (Kind::PresetsQuery, paths) => Dialect::PresetsThenQuery(paths?),
    };
    // A query is not part of the key of the request, so results need keys of their own.
    let natural = if kind == Kind::Presets { ResultKey::Request } else { ResultKey::HashParent };
    Some(Transform {
        dialect,
        parent_bucket: parent_bucket.map(Into::into),
        parent_storage: parent_storage.into(),
        check_parent,
        result_key: result_key.unwrap_or(natural),
    })
}

fn preset_path(section: &mut Section<'_>, kind: Option<Kind>, rules: &PresetRules<'_>) -> Option<PresetPath> {
    let (has_path, has_presets) = (section.has("path"), section.has("presets"));
    if kind == Some(Kind::Query) {
        for (key, given) in [("path", has_path), ("presets", has_presets)] {
            section.skip(key);
            if given {
                section.problem(key, "has no meaning for the kind query");
            }
        }
        return None;
    }
    let pattern = section.parsed("path", preset_pattern);
    let presets = section.named_sections("presets");
    let presets = presets.into_iter().map(|(name, inner)| (name, preset(inner, rules))).collect();
    if kind.is_some() && !has_path {
        section.problem("path", "is missing; presets are found by it");
    }
    Some(PresetPath { pattern: pattern?, presets })
}

fn preset_pattern(text: &str) -> Result<Regex, String> {
    let pattern =
        Regex::new(text).map_err(|why| format!("is not a regular expression: {}", last_line(&why.to_string())))?;
    for group in ["presetName", "parent"] {
        if !pattern.capture_names().flatten().any(|name| name == group) {
            return Err(format!("has no group (?P<{group}>…)"));
        }
    }
    Ok(pattern)
}

/// The part of a many-line message that says what is wrong.
fn last_line(message: &str) -> &str {
    message.lines().last().unwrap_or(message).trim_start_matches("error: ")
}

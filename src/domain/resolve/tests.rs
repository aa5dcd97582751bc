use mortar_actors::FaultKind;
use proptest::prelude::*;

use super::*;
use crate::domain::ResultKey;
use crate::domain::plan::{Format, Rotation};
use crate::domain::samples::{GREEDY, LIMITS, PRESET_FIRST, buckets, outbound, presets, transform};

fn nested() -> Buckets {
    let presets = Dialect::Presets(presets(PRESET_FIRST));
    buckets([("bucket", Some(transform(presets, ResultKey::HashParent, None))), ("other", None)])
}

fn media(dialect: Dialect, result_key: ResultKey) -> Buckets {
    buckets([("media", Some(transform(dialect, result_key, Some("media"))))])
}

fn location(store: &str, key: &str) -> Location {
    Location { store: StoreId::new(store), key: ObjectKey::new(key) }
}

fn kind(buckets: &Buckets, path: &str, query: &str) -> FaultKind {
    resolve(buckets, path, query).unwrap_err().kind()
}

#[test]
fn a_bucket_without_transform_serves_what_it_holds() {
    let resolved = resolve(&buckets([("media", None)]), "/media/dir//%C3%BC.jpg", "width=5").unwrap();
    assert_eq!(resolved.object, location("media/basic", "dir//ü.jpg"));
    assert!(resolved.derived.is_none());
}

#[test]
fn what_names_no_object_is_not_found() {
    let buckets = buckets([("media", None)]);
    for path in ["/", "/media", "/media/", "/elsewhere/a.jpg", "//a.jpg"] {
        assert_eq!(kind(&buckets, path, ""), FaultKind::NotFound, "{path}");
    }
}

#[test]
fn broken_paths_are_invalid() {
    let buckets = buckets([("media", None)]);
    for path in ["", "media/a.jpg", "/media/%2e%2e/a", "/media/%zz", "/media/%ff", "/media/a%00", "/media/./a"] {
        assert_eq!(kind(&buckets, path, ""), FaultKind::Invalid, "{path}");
    }
}

#[test]
fn a_query_makes_a_result_of_the_asked_object() {
    let buckets = media(Dialect::Query, ResultKey::HashParent);
    let resolved = resolve(&buckets, "/media/dir/a.jpg", "width=100").unwrap();
    assert_eq!(resolved.object, location("media/transform", "dir-a.jpg/ef58be2971891f422d28d7e1ec9c2da5"));
    let derived = resolved.derived.unwrap();
    assert_eq!(derived.root, location("media/basic", "dir/a.jpg"));
    assert_eq!(derived.key.as_str(), "media/transform:/dir-a.jpg/ef58be2971891f422d28d7e1ec9c2da5");
    assert!(resolve(&buckets, "/media/dir/a.jpg", "v=1").unwrap().derived.is_none());
    assert_eq!(kind(&buckets, "/media/dir/a.jpg", "width=x"), FaultKind::Invalid);
}

#[test]
fn a_query_transforms_the_very_object_that_the_path_names() {
    for parent_bucket in [None, Some("media")] {
        let buckets = buckets([("media", Some(transform(Dialect::Query, ResultKey::HashParent, parent_bucket)))]);
        let derived = resolve(&buckets, "/media//a//b.jpg", "width=5").unwrap().derived.unwrap();
        assert_eq!(derived.root, location("media/basic", "/a//b.jpg"));
    }
}

#[test]
fn steps_of_nested_parents_stand_root_first_and_nothing_is_lost() {
    let resolved = resolve(&nested(), "/bucket/width/bucket/rotated/bucket/parent.jpg", "").unwrap();
    let derived = resolved.derived.unwrap();
    assert_eq!(derived.root, location("bucket/basic", "parent.jpg"));
    let [first, second] = &derived.plan.steps[..] else { panic!("two steps") };
    assert_eq!(first.rotate, Some(Rotation::Quarter));
    assert!(first.grayscale);
    assert_eq!(*second, outbound(100, 0).step);
    let output = derived.plan.output;
    assert_eq!((output.format, output.quality), (Some(Format::Webp), outbound(1, 1).output.quality));
    assert!(output.strip);
}

#[test]
fn nested_keys_are_those_of_mort() {
    let resolved = resolve(&nested(), "/bucket/width/bucket/height/bucket/parent.jpg", "").unwrap();
    assert_eq!(resolved.object.key.as_str(), "parent.jpg/2e805241bb54d7f7a200a56572d63805");
}

#[test]
fn a_parent_in_another_bucket_names_its_container() {
    let resolved = resolve(&nested(), "/bucket/width/other/parent.jpg", "").unwrap();
    let derived = resolved.derived.unwrap();
    assert_eq!(derived.root, location("bucket/basic#other", "parent.jpg"));
    let address = StoreAddress::parse(&derived.root.store).unwrap();
    assert_eq!(address, StoreAddress { bucket: "bucket", storage: "basic", container: Some("other") });
    let own = resolve(&nested(), "/bucket/width/bucket/parent.jpg", "").unwrap();
    assert_ne!(own.object, resolved.object);
}

#[test]
fn an_unknown_bucket_in_the_path_of_a_parent_is_not_found() {
    assert_eq!(kind(&nested(), "/bucket/width/small.jpg/x", ""), FaultKind::NotFound);
    assert_eq!(kind(&nested(), "/bucket/width/other", ""), FaultKind::NotFound);
}

#[test]
fn an_unknown_preset_is_invalid_in_a_bucket_of_presets() {
    let buckets = media(Dialect::Presets(presets(GREEDY)), ResultKey::Request);
    assert_eq!(kind(&buckets, "/media/a.jpg/huge", ""), FaultKind::Invalid);
    assert_eq!(kind(&buckets, "/media/dir/x.jpg", ""), FaultKind::Invalid);
    let resolved = resolve(&buckets, "/media/a.jpg/width", "").unwrap();
    assert_eq!(resolved.object, location("media/transform", "a.jpg/width"));
    assert_eq!(resolved.derived.unwrap().root, location("media/basic", "a.jpg"));
}

#[test]
fn an_unknown_preset_is_a_plain_object_where_queries_count_too() {
    let buckets = media(Dialect::PresetsThenQuery(presets(GREEDY)), ResultKey::HashParent);
    let plain = resolve(&buckets, "/media/dir/x.jpg", "").unwrap();
    assert_eq!(plain.object, location("media/basic", "dir/x.jpg"));
    let queried = resolve(&buckets, "/media/dir/x.jpg", "width=5").unwrap().derived.unwrap();
    assert_eq!(queried.root, location("media/basic", "dir/x.jpg"));
    let preset = resolve(&buckets, "/media/dir/x.jpg/width", "width=7").unwrap().derived.unwrap();
    assert_eq!(preset.root, location("media/basic", "dir/x.jpg"));
    assert_eq!(preset.plan.steps, [outbound(100, 0).step]);
}

#[test]
fn nesting_is_bounded() {
    let path = |depth: usize| format!("/bucket/{}parent.jpg", "width/bucket/".repeat(depth));
    assert!(resolve(&nested(), &path(LIMITS.operations), "").is_ok());
    assert_eq!(kind(&nested(), &path(LIMITS.operations + 1), ""), FaultKind::Invalid);
    let own_parent = presets(r"^(?P<parent>/x\.jpg)(?P<presetName>)");
    let endless = PresetPath { presets: [(String::new(), outbound(1, 0))].into(), ..own_parent };
    let buckets = media(Dialect::Presets(endless), ResultKey::Request);
    assert_eq!(kind(&buckets, "/media/x.jpg", ""), FaultKind::Invalid);
}

#[test]
fn a_preset_pattern_cannot_make_a_parent_climb() {
    let cut = presets(r"/(?P<presetName>width)x(?P<parent>.*)$");
    let buckets = buckets([
        ("chosen", Some(transform(Dialect::Presets(cut.clone()), ResultKey::Request, None))),
        ("media", Some(transform(Dialect::Presets(cut), ResultKey::Request, Some("media")))),
    ]);
    assert_eq!(kind(&buckets, "/media/widthx../a.jpg", ""), FaultKind::Invalid);
    assert_eq!(kind(&buckets, "/chosen/widthx../media/a.jpg", ""), FaultKind::Invalid);
}

#[test]
fn equal_keys_of_two_buckets_are_told_apart() {
    let query = || Some(transform(Dialect::Query, ResultKey::HashParent, None));
    let buckets = buckets([("one", query()), ("two", query())]);
    let key = |path| resolve(&buckets, path, "width=5").unwrap().derived.unwrap().key;
    assert_ne!(key("/one/a.jpg"), key("/two/a.jpg"));
    assert_eq!(key("/one/a.jpg"), key("/one/a%2ejpg"));
}

#[test]
fn a_key_tells_the_root_original_by_the_bucket_and_key_that_urls_name_it_by() {
    let query = |parent| Some(transform(Dialect::Query, ResultKey::HashParent, parent));
    let preset = Some(transform(Dialect::Presets(presets(PRESET_FIRST)), ResultKey::HashParent, Some("media")));
    let buckets = buckets([("own", query(None)), ("media", preset), ("thumbs", query(Some("media")))]);
    let original = |path, query| {
        let key = resolve(&buckets, path, query).unwrap().derived.unwrap().key;
        key.original().unwrap().as_str().to_owned()
    };
    assert_eq!(original("/own/dir/a%20b.jpg", "width=5"), "own/dir/a b.jpg");
    assert_eq!(original("/media/width/a.jpg", ""), "media/a.jpg");
    assert_eq!(original("/media/width/height/a.jpg", ""), "media/a.jpg", "not the result that lies between");
    assert_eq!(original("/thumbs/width/a.jpg", "width=5"), "media/a.jpg");
}

#[test]
fn what_is_kept_for_mortar_itself_is_not_found() {
    let buckets = media(Dialect::PresetsThenQuery(presets(PRESET_FIRST)), ResultKey::Request);
    for path in ["/media/.mortar", "/media/.mortar/a", "/media/%2Emortar/a", "/media/width/.mortar/a.jpg"] {
        assert_eq!(kind(&buckets, path, ""), FaultKind::NotFound, "{path}");
    }
    assert!(resolve(&buckets, "/media/.mortar-a", "").is_ok());
}

#[test]
fn the_parent_is_checked_when_any_transform_asks_for_it() {
    let asking = Transform { check_parent: true, ..transform(Dialect::Query, ResultKey::HashParent, Some("media")) };
    let buckets = buckets([("media", Some(asking))]);
    assert!(resolve(&buckets, "/media/a.jpg", "width=5").unwrap().derived.unwrap().check_parent);
}

proptest! {
    #[test]
    fn any_path_and_query_is_answered_and_stays_inside(path in "\\PC{0,60}", query in "\\PC{0,30}") {
        for buckets in [nested(), media(Dialect::PresetsThenQuery(presets(GREEDY)), ResultKey::Hash)] {
            for path in [path.clone(), format!("/media/{path}"), format!("/bucket/width/{path}")] {
                let Ok(resolved) = resolve(&buckets, &path, &query) else { continue };
                let root = resolved.derived.map(|derived| derived.root);
                for location in [Some(resolved.object), root].into_iter().flatten() {
                    prop_assert!(location.key.as_str().split('/').all(|part| part != ".." && part != "."));
                    prop_assert!(!location.key.as_str().contains('\0'));
                    prop_assert!(StoreAddress::parse(&location.store).is_some());
                }
            }
        }
    }
}

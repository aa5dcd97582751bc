use proptest::prelude::*;

use super::*;
use crate::domain::plan::{Blur, Quality, ResizeCropAuto};
use crate::domain::query;
use crate::domain::samples::{LIMITS, PARTS, any_recipe, outbound, resize, with_part_of};

const MODES: [ResultKey; 2] = [ResultKey::Hash, ResultKey::HashParent];

fn hop<'a>(recipe: &'a Recipe, parent_key: &'a str) -> Hop<'a> {
    Hop { recipe, order: WriteOrder::Preset, parent_key, chosen_bucket: None }
}

fn hash(recipe: &Recipe) -> String {
    format!("{:x}", transform_hash(&hop(recipe, "/x")))
}

fn step(step: Step) -> Recipe {
    Recipe { step, ..Recipe::default() }
}

fn output(output: Output) -> Recipe {
    Recipe { output, ..Recipe::default() }
}

fn query_hop<'a>(recipe: &'a Recipe, parent_key: &'a str) -> Hop<'a> {
    Hop { order: WriteOrder::Query, ..hop(recipe, parent_key) }
}

fn of_query(text: &str, mode: ResultKey, parent: &str) -> String {
    let recipe = query::recipe(text, LIMITS).unwrap().unwrap();
    result_key(mode, parent, &[query_hop(&recipe, parent)])
}

#[test]
fn each_operation_hashes_as_in_mort() {
    let crop = Crop {
        width: resize(11, 0).width,
        height: resize(0, 12).height,
        gravity: Gravity::Smart,
        enlarge: false,
        embed: false,
    };
    let blur = Blur { sigma_thousandths: 1000, min_ampl_thousandths: 2000 };
    let enlarged = Resize { enlarge: true, ..resize(5, 100) };
    let auto = ResizeCropAuto { width: 210.try_into().unwrap(), height: 200.try_into().unwrap() };
    let known = [
        (Recipe::default(), "a692a0f768855173"),
        (step(Step { blur: Some(blur), ..Step::default() }), "70427f089493f542"),
        (step(Step { resize: Some(enlarged), ..Step::default() }), "3c9adb04ba75bd9c"),
        (step(Step { crop: Some(crop), ..Step::default() }), "276ec67309d8039b"),
        (step(Step { grayscale: true, ..Step::default() }), "b2299a73127c840c"),
        (step(Step { rotate: Some(Rotation::Quarter), ..Step::default() }), "13a03cf3bd8c54e9"),
        (step(Step { resize_crop_auto: Some(auto), ..Step::default() }), "a9476be4baa3fb94"),
        (output(Output { quality: Quality::new(60), ..Output::default() }), "b54b444cb2b62198"),
        (output(Output { interlace: true, ..Output::default() }), "f2ff5038353619c7"),
        (output(Output { strip: true, ..Output::default() }), "34ff3721dee2880c"),
        (output(Output { format: Some(Format::Jpeg), ..Output::default() }), "b34c4907588add8a"),
    ];
    for (recipe, expected) in known {
        assert_eq!(hash(&recipe), expected, "{recipe:?}");
    }
}

#[test]
fn nested_presets_have_the_keys_of_mort() {
    let (own, parents) = (outbound(100, 0), outbound(0, 100));
    let hops = [hop(&own, "/height/bucket/parent.jpg"), hop(&parents, "/parent.jpg")];
    let request = "/width/bucket/height/bucket/parent.jpg";
    assert_eq!(result_key(ResultKey::Hash, request, &hops), "/6ca/hei/height-bucket-parent.jpg-6ca0dabe9909875a");
    assert_eq!(result_key(ResultKey::HashParent, request, &hops), "/parent.jpg/2e805241bb54d7f7a200a56572d63805");
    assert_eq!(result_key(ResultKey::Request, request, &hops), request);
}

#[test]
fn queries_have_the_keys_of_mort() {
    let known = [
        ("width=100", "/dir-a.jpg/ef58be2971891f422d28d7e1ec9c2da5"),
        ("width=100&height=70", "/dir-a.jpg/fe64865ea1eee38c5c981fae299b525d"),
        ("operation=resize&width=400&operation=rotate&angle=90", "/dir-a.jpg/12f822564d8d01d0b28d5f5cfcb7eb9b"),
        ("operation=resize&width=200&format=webp", "/dir-a.jpg/6813b36ab0807add20048dc8e699e841"),
        ("operation=resize&width=200&format=png", "/dir-a.jpg/45f33f14cc47f4b12b9c4fda520318e0"),
        ("operation=crop&width=100&height=100", "/dir-a.jpg/f38053e00e5ef6db6a4fffc51a325183"),
        ("operation=blur&sigma=5", "/dir-a.jpg/89173472db47aff1df0e45b4968ba91c"),
        ("width=200&quality=50", "/dir-a.jpg/e4a556647f8cdfcffb60d04747a4a94d"),
        ("width=200&grayscale=1", "/dir-a.jpg/502480b52db2be7071d9806cc90bf5fc"),
    ];
    for (text, expected) in known {
        assert_eq!(of_query(text, ResultKey::HashParent, "/dir/a.jpg"), expected, "{text}");
    }
    assert_eq!(of_query("width=100", ResultKey::Hash, "/dir/a.jpg"), "/5d0/dir/dir-a.jpg-5d0858eed751b150");
    assert_eq!(of_query("width=100", ResultKey::HashParent, "/nx.jpg"), "/nx.jpg/1f3072dcd5c57929f6279774ffe687d2");
    let repeated = "width=100&operation=resizeCropAuto&width=100&height=100";
    assert_eq!(
        of_query(repeated, ResultKey::HashParent, "/parent.jpg"),
        "/parent.jpg/179e44cbdd0d290829b89286562fa8b6"
    );
}

#[test]
fn what_mort_confuses_is_told_apart() {
    let different = [
        ("operation=extract&areaWith=10", "operation=extract&areaWith=11"),
        ("operation=extract&areaHeight=10", "operation=extract&areaWith=10"),
        (
            "operation=watermark&image=http://one&position=top-left&opacity=1",
            "operation=watermark&image=http://two&position=top-left&opacity=1",
        ),
        (
            "operation=watermark&image=http://one&position=center-right&opacity=1",
            "operation=watermark&image=http://one&position=bottom-right&opacity=1",
        ),
        ("width=10&format=avif", "width=10&format=webp"),
    ];
    for (one, other) in different {
        for mode in MODES {
            assert_ne!(of_query(one, mode, "/a.jpg"), of_query(other, mode, "/a.jpg"), "{one} {other}");
        }
    }
    for mode in MODES {
        assert_ne!(of_query("width=1", mode, "/a/b.jpg"), of_query("width=1", mode, "/a-b.jpg"));
    }
}

#[test]
fn the_bucket_that_a_path_chose_is_part_of_the_key() {
    let recipe = outbound(10, 10);
    let key = |bucket, mode| result_key(mode, "/r", &[Hop { chosen_bucket: bucket, ..hop(&recipe, "/parent.jpg") }]);
    for mode in MODES {
        assert_ne!(key(Some("one"), mode), key(Some("two"), mode));
        assert_ne!(key(Some("one"), mode), key(None, mode));
    }
}

#[test]
fn a_short_or_foreign_name_is_not_cut_inside_a_character() {
    assert!(of_query("width=1", ResultKey::Hash, "/é€.jpg").contains("/é€/"));
    assert!(of_query("width=1", ResultKey::Hash, "/x").contains("/x/x-"));
}

proptest! {
    #[test]
    fn different_transforms_have_different_keys(one in any_recipe(), other in any_recipe(), mode in 0..2usize) {
        let key = |recipe: &Recipe| {
            [hop(recipe, "/a/b.jpg"), query_hop(recipe, "/a/b.jpg")].map(|hop| result_key(MODES[mode], "/r", &[hop]))
        };
        let (ones, others) = (key(&one), key(&other));
        prop_assert_eq!(one == other, ones[0] == others[0]);
        prop_assert_eq!(one == other, ones[1] == others[1]);
        if one != other {
            prop_assert_ne!(&ones[0], &others[1]);
        }
    }

    #[test]
    fn every_single_part_of_a_transform_is_in_the_key(one in any_recipe(), other in any_recipe(), part in 0..PARTS) {
        let mixed = with_part_of(&one, &other, part);
        prop_assert_eq!(one == mixed, transform_hash(&hop(&one, "/x")) == transform_hash(&hop(&mixed, "/x")));
        prop_assert_eq!(one == mixed, transform_hash(&query_hop(&one, "/x")) == transform_hash(&query_hop(&mixed, "/x")));
    }

    #[test]
    fn chains_that_differ_anywhere_have_different_keys(recipes in proptest::collection::vec(any_recipe(), 3)) {
        let [a, b, c] = &recipes[..] else { unreachable!("three were asked for") };
        let key = |first, second| result_key(ResultKey::HashParent, "/r", &[hop(first, "/b/c.jpg"), hop(second, "/c.jpg")]);
        prop_assert_eq!(a == b, key(a, c) == key(b, c));
        prop_assert_eq!(b == c, key(a, b) == key(a, c));
        prop_assert_eq!(a == b, key(a, b) == key(b, a));
    }
}

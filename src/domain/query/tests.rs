use mortar_actors::FaultKind;
use proptest::prelude::*;

use super::*;
use crate::domain::plan::{Format, Position, Third};
use crate::domain::samples::{LIMITS, resize};

fn read(query: &str) -> Recipe {
    recipe(query, LIMITS).unwrap().unwrap()
}

fn refusal(query: &str) -> String {
    let fault = recipe(query, LIMITS).unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Invalid);
    fault.message().to_owned()
}

#[test]
fn sides_alone_are_a_resize() {
    assert_eq!(read("width=100&height=70").step, Step { resize: Some(resize(100, 70)), ..Step::default() });
    assert_eq!(read("width=100").step, Step { resize: Some(resize(100, 0)), ..Step::default() });
}

#[test]
fn sides_alone_must_be_right() {
    for query in ["width=", "width=x", "width=0", "height=-1", "width=99999999999", "width=5&height=1.5", "width=8193"]
    {
        let name = if query.contains("height") { "height" } else { "width" };
        assert!(refusal(query).starts_with(name), "{query}");
    }
}

#[test]
fn beside_an_operation_sides_belong_to_those_that_have_any() {
    assert_eq!(read("width=130&operation=blur&sigma=1").step.resize, None);
    assert_eq!(read("operation=resize&width=x&height=9").step.resize, Some(resize(0, 9)));
    assert!(refusal("operation=resize&width=0").contains("width or height"));
    assert!(refusal("operation=crop&height=-3").starts_with("height"));
    assert!(refusal("operation=resizeCropAuto&width=3").contains("width and height"));
}

#[test]
fn the_first_value_of_a_parameter_counts() {
    assert_eq!(read("width=1&width=2").step.resize, Some(resize(1, 0)));
    assert_eq!(read("quality=50&quality=999").output.quality, Quality::new(50));
}

#[test]
fn unrelated_parameters_ask_for_nothing() {
    for query in ["", "&&", "v=1", "X-Amz-Date=1&sigma=5", "width100", "=5", "a;width=5"] {
        assert_eq!(recipe(query, LIMITS).unwrap(), None, "{query}");
    }
    assert!(parse_plan("v=1", LIMITS).is_err());
}

#[test]
fn only_ampersands_separate() {
    assert!(refusal("width=100;height=5").starts_with("width"));
}

#[test]
fn unknown_and_empty_operations_are_named() {
    assert!(refusal("operation=").starts_with("operation"));
    assert!(refusal("operation=resize&width=1&operation=zoom").contains("\"zoom\""));
}

#[test]
fn the_area_is_understood_in_both_spellings() {
    let extract = Extract { top: 1, left: 0, width: NonZeroU32::new(20), height: NonZeroU32::new(30) };
    assert_eq!(read("operation=extract&areaWith=20&areaHeight=30&top=1&left=x").step.extract, Some(extract));
    assert_eq!(read("operation=extract&areaWidth=20&areaHeight=30&top=1").step.extract, Some(extract));
    assert!(refusal("operation=extract&top=-1").starts_with("top"));
}

#[test]
fn a_crop_without_a_known_gravity_is_smart() {
    let gravity = |query: &str| read(query).step.crop.unwrap().gravity;
    assert_eq!(gravity("operation=crop&width=5&gravity=north"), Gravity::North);
    assert_eq!(gravity("operation=crop&width=5&gravity=up"), Gravity::Smart);
    assert_eq!(gravity("operation=crop&width=5"), Gravity::Smart);
}

#[test]
fn a_watermark_needs_all_its_parts() {
    let whole = "operation=watermark&image=http%3A%2F%2Fwww%2Fa+b&position=bottom-center&opacity=0.29";
    let watermark = read(whole).step.watermark.unwrap();
    assert_eq!(watermark.image, "http://www/a b");
    assert_eq!(watermark.position, Position { vertical: Third::End, horizontal: Third::Middle });
    assert_eq!(watermark.opacity_hundredths, 29);
    let rest = "operation=watermark&image=http://www&position=top-left&opacity=1";
    for (part, name) in [("image=http://www", "image"), ("position=top-left", "position"), ("opacity=1", "opacity")] {
        assert!(refusal(&rest.replace(part, "")).starts_with(name));
        assert!(refusal(&rest.replace(part, &format!("{name}=2"))).starts_with(name));
    }
    assert!(refusal(&rest.replace("opacity=1", "opacity=NaN")).starts_with("opacity"));
}

#[test]
fn numbers_out_of_range_are_named() {
    for (query, name) in [
        ("quality=0", "quality"),
        ("quality=", "quality"),
        ("quality=101", "quality"),
        ("operation=rotate", "angle"),
        ("operation=rotate&angle=360", "angle"),
        ("operation=rotate&angle=-90", "angle"),
        ("operation=blur", "sigma"),
        ("operation=blur&sigma=0", "sigma"),
        ("operation=blur&sigma=1e9", "sigma"),
        ("format=svg", "format"),
        ("format=pdf", "format"),
        ("format=", "format"),
    ] {
        assert!(refusal(query).starts_with(name), "{query}: {}", refusal(query));
    }
}

#[test]
fn formats_have_their_names() {
    let known = [("jpg", Format::Jpeg), ("jpeg", Format::Jpeg), ("webp", Format::Webp), ("avif", Format::Avif)];
    for (name, format) in known {
        assert_eq!(read(&format!("format={name}")).output.format, Some(format));
    }
}

#[test]
fn a_plan_with_too_many_operations_is_refused() {
    let limits = PlanLimits { operations: 1, ..LIMITS };
    assert!(parse_plan("width=5", limits).is_ok());
    assert_eq!(parse_plan("width=5&grayscale", limits).unwrap_err().kind(), FaultKind::Invalid);
}

proptest! {
    #[test]
    fn any_text_is_answered(query in "\\PC{0,80}") {
        let _ = recipe(&query, LIMITS);
    }

    #[test]
    fn any_mixture_of_known_words_is_answered(
        query in "((operation|width|height|sigma|opacity|image|position|angle|quality|top|%|%41)(=|&|-|\\+|0|9|\\.|e|NaN|crop|blur|extract){0,4}&?){0,6}"
    ) {
        if let Ok(Some(read)) = recipe(&query, LIMITS) {
            prop_assert_ne!(read, Recipe::default());
        }
    }

    #[test]
    fn the_order_of_parameters_and_repeated_operations_do_not_matter(
        mut parameters in Just(vec![
            "operation=resize", "operation=rotate", "operation=blur", "operation=rotate", "width=40", "angle=90",
            "sigma=2", "quality=3", "format=png", "grayscale",
        ]).prop_shuffle()
    ) {
        let canonical = read("operation=resize&width=40&operation=blur&sigma=2&operation=rotate&angle=90&quality=3&format=png&grayscale=1");
        prop_assert_eq!(read(&parameters.join("&")), canonical.clone());
        parameters.retain(|parameter| !parameter.starts_with("grayscale"));
        prop_assert_ne!(read(&parameters.join("&")), canonical);
    }
}

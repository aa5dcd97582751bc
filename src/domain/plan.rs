//! What to do with a picture: the canonical, validated form of every URL dialect.
//!
//! Everything here is a value. Constructors of the small types hold the limits that belong to the vocabulary itself;
//! limits of an installation (pixels, number of operations) are checked where they are configured.

pub(crate) mod words;

use std::num::NonZeroU32;

use mortar_actors::Fault;
use serde::Serialize;

use super::bucket::{PlanLimits, Recipe};
use super::invalid;

/// The whole transformation: the steps of nested parents, root first, and how to encode the result.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Plan {
    /// One step for each transform on the way from the root original to the asked object. Never empty.
    pub steps: Vec<Step>,
    /// How the last step's picture is encoded. Nested steps pass pixels on and are not encoded in between.
    pub output: Output,
}

/// One transform, carried out in the order of the fields: rotate, resize, crop, extract, auto crop, blur, watermark,
/// grayscale.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Step {
    /// An explicit rotation. It replaces the EXIF orientation of the source; without it the EXIF orientation applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotate: Option<Rotation>,
    /// Scaling without cutting (unless `fill`). Skipped when `crop` is set, which names its own size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize: Option<Resize>,
    /// Cover and cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop: Option<Crop>,
    /// Cut a rectangle out of the picture as it is after `resize`. Skipped when `crop` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extract: Option<Extract>,
    /// Cut the largest box of the target's aspect ratio, a fifth of the spare height from the top, then scale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize_crop_auto: Option<ResizeCropAuto>,
    /// Gaussian blur.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blur: Option<Blur>,
    /// A picture laid over the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watermark: Option<Watermark>,
    /// Drop the colours.
    pub grayscale: bool,
}

/// Clockwise rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rotation {
    /// Explicitly none: the EXIF orientation is applied.
    None,
    /// 90 degrees clockwise.
    Quarter,
    /// 180 degrees.
    Half,
    /// 270 degrees clockwise.
    ThreeQuarters,
}

/// The target of a resize. At least one side is set.
///
/// One side: the other follows the aspect ratio, enlarging freely. Both sides: stretched to exactly that size, unless
/// `enlarge` (fit inside, keeping the aspect ratio), `preserve_aspect_ratio` (fit inside) or `fill` says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Resize {
    /// Width in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<NonZeroU32>,
    /// Height in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<NonZeroU32>,
    /// `mode: outbound`: fit inside width x height, keeping the aspect ratio; may enlarge.
    pub enlarge: bool,
    /// With both sides: fit inside the box.
    pub preserve_aspect_ratio: bool,
    /// With both sides: cut the source to the target's aspect ratio first.
    pub fill: bool,
}

/// Scale to cover width x height and cut the rest away. With one side only nothing is scaled and a strip is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Crop {
    /// Width in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<NonZeroU32>,
    /// Height in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<NonZeroU32>,
    /// Which part stays.
    pub gravity: Gravity,
    /// `mode: outbound`: enlarge a source that is smaller than the target in both directions.
    pub enlarge: bool,
    /// Accepted for compatibility; it is part of the key and has no effect.
    pub embed: bool,
}

/// Which part of the picture a crop keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gravity {
    /// The middle.
    Center,
    /// The top.
    North,
    /// The right.
    East,
    /// The bottom.
    South,
    /// The left.
    West,
    /// The part that draws attention: edges, skin tones, saturation.
    #[default]
    Smart,
}

/// A rectangle to cut out. A side of `None` means the picture's own side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Extract {
    /// Pixels from the top.
    pub top: u32,
    /// Pixels from the left.
    pub left: u32,
    /// Width of the area in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<NonZeroU32>,
    /// Height of the area in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<NonZeroU32>,
}

/// Target of an automatic crop, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ResizeCropAuto {
    /// Width in pixels.
    pub width: NonZeroU32,
    /// Height in pixels.
    pub height: NonZeroU32,
}

/// Gaussian blur. Kept in thousandths, as the key recipe truncates it to them; this makes plans comparable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Blur {
    /// Standard deviation in thousandths of a pixel, 1 to 100,000.
    pub sigma_thousandths: u32,
    /// Accepted for compatibility; it is part of the key and has no effect.
    pub min_ampl_thousandths: u32,
}

/// A picture to lay over the result.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Watermark {
    /// Where the picture comes from: an `http(s)` URL of an allowed host, or `/bucket/key`.
    pub image: String,
    /// Where its top-left corner goes.
    pub position: Position,
    /// Opacity in hundredths, 0 to 100. Zero is invisible.
    pub opacity_hundredths: u32,
}

/// A corner of the 3 x 3 grid: the overlay's top-left corner is put at 0, 1/3 or 2/3 of each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Position {
    /// Top, center or bottom.
    pub vertical: Third,
    /// Left, center or right.
    pub horizontal: Third,
}

/// 0, 1/3 or 2/3 of a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Third {
    /// Top or left: 0.
    Start,
    /// Center: 1/3.
    Middle,
    /// Bottom or right: 2/3.
    End,
}

/// How the result is encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Output {
    /// The format; `None` keeps the source's format where it can be written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// 1 to 100; `None` takes the configured default of the format.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    /// Progressive JPEG.
    pub interlace: bool,
    /// Leave all metadata out.
    pub strip: bool,
}

/// 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Quality(u8);

impl Quality {
    /// Takes 1 to 100.
    pub fn new(quality: i64) -> Option<Self> {
        u8::try_from(quality).ok().filter(|quality| (1..=100).contains(quality)).map(Self)
    }

    /// The number.
    pub fn get(self) -> u8 {
        self.0
    }
}

/// A format that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Baseline or progressive JPEG.
    Jpeg,
    /// WebP, lossy.
    Webp,
    /// PNG.
    Png,
    /// AVIF.
    Avif,
    /// GIF, animated where the source is.
    Gif,
}

impl Format {
    /// The media type, as in `Content-Type`.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
            Self::Png => "image/png",
            Self::Avif => "image/avif",
            Self::Gif => "image/gif",
        }
    }
}

impl Plan {
    /// Puts transforms, root first, together. Of what they say about the encoding the last word counts.
    ///
    /// # Errors
    /// `Invalid` when they have more operations than allowed.
    pub(super) fn from_recipes<'a>(
        recipes: impl IntoIterator<Item = &'a Recipe>,
        limits: PlanLimits,
    ) -> Result<Self, Fault> {
        let mut plan = Self { steps: Vec::new(), output: Output::default() };
        for recipe in recipes {
            plan.steps.push(recipe.step.clone());
            plan.output = plan.output.overridden_by(recipe.output);
        }
        let operations: usize = plan.steps.iter().map(Step::operations).sum();
        if operations > limits.operations {
            let limit = limits.operations;
            return Err(invalid(format!("{operations} operations are more than the limit of {limit}")));
        }
        Ok(plan)
    }
}

impl Step {
    /// The number of operations it has.
    pub fn operations(&self) -> usize {
        let set = [
            self.rotate.is_some(),
            self.resize.is_some(),
            self.crop.is_some(),
            self.extract.is_some(),
            self.resize_crop_auto.is_some(),
            self.blur.is_some(),
            self.watermark.is_some(),
            self.grayscale,
        ];
        set.into_iter().filter(|set| *set).count()
    }
}

impl Output {
    fn overridden_by(self, later: Self) -> Self {
        Self {
            format: later.format.or(self.format),
            quality: later.quality.or(self.quality),
            interlace: later.interlace || self.interlace,
            strip: later.strip || self.strip,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plan_explains_itself_without_what_it_does_not_do() {
        let resize = Resize {
            width: NonZeroU32::new(800),
            height: None,
            enlarge: false,
            preserve_aspect_ratio: false,
            fill: true,
        };
        let step = Step { rotate: Some(Rotation::ThreeQuarters), resize: Some(resize), ..Step::default() };
        let output = Output { format: Some(Format::Webp), quality: Quality::new(80), ..Output::default() };
        let plan = Plan { steps: vec![step], output };
        let expected = json!({
            "steps": [{
                "rotate": "three-quarters",
                "resize": { "width": 800, "enlarge": false, "preserve_aspect_ratio": false, "fill": true },
                "grayscale": false,
            }],
            "output": { "format": "webp", "quality": 80, "interlace": false, "strip": false },
        });
        assert_eq!(serde_json::to_value(&plan).unwrap(), expected);
    }
}

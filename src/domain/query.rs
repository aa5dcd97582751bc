//! Transforms written as query parameters.
//!
//! Only `&` separates parameters. The first occurrence of a parameter counts, except for `operation`, which selects any
//! number of operations; they share one set of parameters and are carried out in the order of [`Step`], so neither the
//! order of parameters nor repetitions matter.

use std::borrow::Cow;
use std::num::NonZeroU32;

use mortar_actors::Fault;
use percent_encoding::percent_decode_str;

use super::bucket::{PlanLimits, Recipe};
use super::invalid;
use super::plan::words::{opacity_hundredths, quoted, watermark_image};
use super::plan::{Blur, Crop, Extract, Gravity, Plan, Quality, Resize, ResizeCropAuto, Rotation, Step, Watermark};

/// Reads a whole plan from a query such as `width=800&format=webp`.
///
/// # Errors
/// `Invalid`, naming the parameter, or when the query asks for no transform at all.
pub fn parse_plan(query: &str, limits: PlanLimits) -> Result<Plan, Fault> {
    let recipe = recipe(query, limits)?.ok_or_else(|| invalid("the query asks for no transform"))?;
    Plan::from_recipes([&recipe], limits)
}

/// Reads one transform. `None` when no parameter asks for one.
pub(super) fn recipe(query: &str, limits: PlanLimits) -> Result<Option<Recipe>, Fault> {
    if query.is_empty() {
        return Ok(None);
    }
    let parameters = Parameters::parse(query, limits)?;
    let mut recipe = Recipe { step: parameters.step()?, ..Recipe::default() };
    recipe.step.grayscale = parameters.first("grayscale").is_some();
    if let Some(quality) = parameters.required_integer("quality")? {
        recipe.output.quality = Some(Quality::checked(quality).map_err(|why| wrong("quality", &why))?);
    }
    if let Some(format) = parameters.first("format") {
        recipe.output.format = Some(format.parse().map_err(|why: String| wrong("format", &why))?);
    }
    Ok((recipe != Recipe::default()).then_some(recipe))
}

/// The decoded parameters of one query.
struct Parameters<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    limits: PlanLimits,
}

impl<'a> Parameters<'a> {
    fn parse(query: &'a str, limits: PlanLimits) -> Result<Self, Fault> {
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        });
        Ok(Self { pairs: pairs.collect::<Result<_, Fault>>()?, limits })
    }

    fn first(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_ref())
    }

    fn step(&self) -> Result<Step, Fault> {
        let mut step = Step::default();
        let mut operations = self.pairs.iter().filter(|(name, _)| name == "operation").peekable();
        if operations.peek().is_none() {
            step.resize = self.implicit_resize()?;
        }
        for (_, operation) in operations {
            match operation.as_ref() {
                "resize" => step.resize = Some(self.resize()?),
                "crop" => step.crop = Some(self.crop()?),
                "extract" => step.extract = Some(self.extract()?),
                "resizeCropAuto" => step.resize_crop_auto = Some(self.resize_crop_auto()?),
                "blur" => step.blur = Some(self.blur()?),
                "watermark" => step.watermark = Some(self.watermark()?),
                "rotate" => step.rotate = Some(self.rotate()?),
                "" => return Err(wrong("operation", "it is empty")),
                unknown => {
                    let known = "resize, crop, extract, resizeCropAuto, blur, watermark, rotate";
                    return Err(wrong("operation", &format!("{} is not one of {known}", quoted(unknown))));
                }
            }
        }
        Ok(step)
    }

    /// `width` and `height` alone: they must be right, as nothing else says what is meant.
    fn implicit_resize(&self) -> Result<Option<Resize>, Fault> {
        let (width, height) = (self.required_side("width")?, self.required_side("height")?);
        Ok((width.is_some() || height.is_some()).then_some(Resize { width, height, ..NO_RESIZE }))
    }

    fn resize(&self) -> Result<Resize, Fault> {
        let (width, height) = (self.side("width")?, self.side("height")?);
        if width.is_none() && height.is_none() {
            return Err(wrong("operation", "resize needs width or height"));
        }
        Ok(Resize { width, height, ..NO_RESIZE })
    }

    fn crop(&self) -> Result<Crop, Fault> {
        let (width, height) = (self.side("width")?, self.side("height")?);
        if width.is_none() && height.is_none() {
            return Err(wrong("operation", "crop needs width or height"));
        }
        let gravity = self.first("gravity").and_then(|name| name.parse().ok()).unwrap_or(Gravity::Smart);
        let embed = self.first("embed").is_some_and(|value| !value.is_empty());
        Ok(Crop { width, height, gravity, enlarge: false, embed })
    }

    fn extract(&self) -> Result<Extract, Fault> {
        let width = if self.first("areaWith").is_some() { "areaWith" } else { "areaWidth" };
        Ok(Extract {
            top: self.lenient_integer("top")?,
            left: self.lenient_integer("left")?,
            width: NonZeroU32::new(self.lenient_integer(width)?),
            height: NonZeroU32::new(self.lenient_integer("areaHeight")?),
        })
    }

    fn resize_crop_auto(&self) -> Result<ResizeCropAuto, Fault> {
        let (Some(width), Some(height)) = (self.side("width")?, self.side("height")?) else {
            return Err(wrong("operation", "resizeCropAuto needs width and height"));
        };
        Ok(ResizeCropAuto { width, height })
    }

    fn blur(&self) -> Result<Blur, Fault> {
        let sigma = self.required_number("sigma")?;
        let min_ampl = self.first("minAmpl").and_then(|value| value.parse().ok()).unwrap_or(0.0);
        Blur::checked(sigma, min_ampl).map_err(|why| wrong("sigma", &why))
    }

    fn watermark(&self) -> Result<Watermark, Fault> {
        let image = self.first("image").ok_or_else(|| wrong("image", "watermark needs it"))?;
        let position = self.first("position").ok_or_else(|| wrong("position", "watermark needs it"))?;
        Ok(Watermark {
            image: watermark_image(image).map_err(|why| wrong("image", &why))?,
            position: position.parse().map_err(|why: String| wrong("position", &why))?,
            opacity_hundredths: opacity_hundredths(self.required_number("opacity")?)
                .map_err(|why| wrong("opacity", &why))?,
        })
    }

    fn rotate(&self) -> Result<Rotation, Fault> {
        let angle = self.required_integer("angle")?.ok_or_else(|| wrong("angle", "rotate needs it"))?;
        Rotation::from_degrees(angle).map_err(|why| wrong("angle", &why))
    }

    /// `None` when absent; an error when present and not a whole number.
    fn required_integer(&self, name: &str) -> Result<Option<i64>, Fault> {
        let Some(value) = self.first(name) else { return Ok(None) };
        match value.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(wrong(name, &format!("{} is not a whole number", quoted(value)))),
        }
    }

    fn required_number(&self, name: &str) -> Result<f64, Fault> {
        let value = self.first(name).ok_or_else(|| wrong(name, "it is missing"))?;
        value.parse().map_err(|_| wrong(name, &format!("{} is not a number", quoted(value))))
    }

    /// `None` when absent; an error when present and not a side in pixels.
    fn required_side(&self, name: &str) -> Result<Option<NonZeroU32>, Fault> {
        let Some(number) = self.required_integer(name)? else { return Ok(None) };
        let side = u32::try_from(number).ok().and_then(NonZeroU32::new);
        let side = side.ok_or_else(|| wrong(name, &format!("{number} is not a number of pixels above zero")))?;
        self.within_output_side(name, side).map(Some)
    }

    /// A side for a named operation: what is no number is as good as absent.
    fn side(&self, name: &str) -> Result<Option<NonZeroU32>, Fault> {
        match NonZeroU32::new(self.lenient_integer(name)?) {
            Some(side) => self.within_output_side(name, side).map(Some),
            None => Ok(None),
        }
    }

    /// Zero when absent or no number; an error when negative or beyond 32 bits.
    fn lenient_integer(&self, name: &str) -> Result<u32, Fault> {
        let Some(number) = self.first(name).and_then(|value| value.parse::<i64>().ok()) else { return Ok(0) };
        u32::try_from(number).map_err(|_| wrong(name, &format!("{number} is not a number of pixels")))
    }

    fn within_output_side(&self, name: &str, side: NonZeroU32) -> Result<NonZeroU32, Fault> {
        let limit = self.limits.output_side;
        if side.get() > limit {
            return Err(wrong(name, &format!("{side} is more than the limit of {limit} pixels")));
        }
        Ok(side)
    }
}

const NO_RESIZE: Resize =
    Resize { width: None, height: None, enlarge: false, preserve_aspect_ratio: false, fill: false };

fn decode(text: &str) -> Result<Cow<'_, str>, Fault> {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Ok(Cow::Borrowed(text));
    }
    let spaced = text.replace('+', " ");
    match percent_decode_str(&spaced).decode_utf8() {
        Ok(decoded) => Ok(Cow::Owned(decoded.into_owned())),
        Err(_) => Err(invalid(format!("the query parameter {} is not UTF-8", quoted(text)))),
    }
}

fn wrong(name: &str, why: &str) -> Fault {
    invalid(format!("{name}: {why}"))
}

#[cfg(test)]
mod tests;

//! The words and numbers by which queries and presets name values. Errors say what is wrong with the value; the caller
//! knows what it is called.

use std::str::FromStr;

use super::{Blur, Format, Gravity, Position, Quality, Rotation, Third};

/// The longest piece of a foreign text that a message repeats.
const ECHOED_CHARS: usize = 60;

/// A foreign text, quoted and cut, fit for a message.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(ECHOED_CHARS) {
        Some((cut, _)) => format!("{:?}…", &text[..cut]),
        None => format!("{text:?}"),
    }
}

impl Quality {
    /// Takes 1 to 100.
    pub(crate) fn checked(quality: i64) -> Result<Self, String> {
        Self::new(quality).ok_or_else(|| format!("{quality} is not between 1 and 100"))
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "jpeg" | "jpg" => Ok(Self::Jpeg),
            "webp" => Ok(Self::Webp),
            "png" => Ok(Self::Png),
            "avif" => Ok(Self::Avif),
            "gif" => Ok(Self::Gif),
            _ => Err(format!("{} is not one of jpeg, webp, png, avif, gif", quoted(name))),
        }
    }
}

impl FromStr for Gravity {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "center" => Ok(Self::Center),
            "north" => Ok(Self::North),
            "east" => Ok(Self::East),
            "south" => Ok(Self::South),
            "west" => Ok(Self::West),
            "smart" => Ok(Self::Smart),
            _ => Err(format!("{} is not one of center, north, east, south, west, smart", quoted(name))),
        }
    }
}

impl FromStr for Position {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let wrong = || format!("{} is not a place such as top-left or center-right", quoted(name));
        let (vertical, horizontal) = name.split_once('-').ok_or_else(wrong)?;
        let vertical = match vertical {
            "top" => Third::Start,
            "center" => Third::Middle,
            "bottom" => Third::End,
            _ => return Err(wrong()),
        };
        let horizontal = match horizontal {
            "left" => Third::Start,
            "center" => Third::Middle,
            "right" => Third::End,
            _ => return Err(wrong()),
        };
        Ok(Self { vertical, horizontal })
    }
}

impl Rotation {
    /// Takes 0, 90, 180 or 270.
    pub(crate) fn from_degrees(angle: i64) -> Result<Self, String> {
        match angle {
            0 => Ok(Self::None),
            90 => Ok(Self::Quarter),
            180 => Ok(Self::Half),
            270 => Ok(Self::ThreeQuarters),
            _ => Err(format!("{angle} is not one of 0, 90, 180, 270")),
        }
    }
}

impl Blur {
    /// Takes a standard deviation in pixels, from 0.001 to 100. `min_ampl` never fails; what cannot be used is zero.
    pub(crate) fn checked(sigma: f64, min_ampl: f64) -> Result<Self, String> {
        let sigma_thousandths = thousandths(sigma);
        if !(1..=100_000).contains(&sigma_thousandths) || sigma > 100.0 {
            return Err(format!("{sigma} is not between 0.001 and 100"));
        }
        Ok(Self { sigma_thousandths, min_ampl_thousandths: thousandths(min_ampl) })
    }
}

/// Cuts to thousandths as the key recipe does. Negative and unreal numbers are zero.
fn thousandths(number: f64) -> u32 {
    (number * 1000.0) as u32
}

/// Takes an opacity from 0 to 1.
pub(crate) fn opacity_hundredths(opacity: f64) -> Result<u32, String> {
    if !(0.0..=1.0).contains(&opacity) {
        return Err(format!("{opacity} is not between 0 and 1"));
    }
    Ok((opacity * 100.0).round() as u32)
}

/// Takes the address of a watermark: an `http` or `https` URL, or `/bucket/key`. A file of this machine it never is.
pub(crate) fn watermark_image(image: &str) -> Result<String, String> {
    let named = ["http://", "https://", "/"].iter().any(|start| image.len() > start.len() && image.starts_with(start));
    if !named {
        return Err(format!("{} is neither an http or https address nor /bucket/key", quoted(image)));
    }
    Ok(image.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blur_keeps_thousandths_and_refuses_what_would_be_none() {
        assert_eq!(Blur::checked(0.5, -3.0), Ok(Blur { sigma_thousandths: 500, min_ampl_thousandths: 0 }));
        for sigma in [0.0, 0.000_9, -1.0, 100.000_1, f64::NAN, f64::INFINITY] {
            assert!(Blur::checked(sigma, 0.0).is_err(), "{sigma}");
        }
    }

    #[test]
    fn every_place_of_the_grid_has_a_name() {
        let place = |name: &str| name.parse::<Position>();
        assert_eq!(place("top-left"), Ok(Position { vertical: Third::Start, horizontal: Third::Start }));
        assert_eq!(place("center-center"), Ok(Position { vertical: Third::Middle, horizontal: Third::Middle }));
        assert_eq!(place("bottom-right"), Ok(Position { vertical: Third::End, horizontal: Third::End }));
        assert!(place("left-top").is_err());
        assert!(place("top").is_err());
    }

    #[test]
    fn a_watermark_is_never_a_file_of_this_machine() {
        assert!(watermark_image("http://www").is_ok());
        assert!(watermark_image("/bucket/logo.png").is_ok());
        for image in ["", "/", "https://", "file:///etc/passwd", "etc/passwd", "HTTP//x"] {
            assert!(watermark_image(image).is_err(), "{image}");
        }
    }

    #[test]
    fn messages_repeat_only_a_short_piece_of_foreign_text() {
        let message = "x".repeat(10_000).parse::<Format>().unwrap_err();
        assert!(message.len() < 200);
    }
}

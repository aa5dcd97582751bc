//! Where the pixels of a result come from: pure arithmetic, no pixels.
//!
//! All scaling and cutting of one step is folded into one [`Framing`]: a rectangle of the upright picture and the size
//! it is brought to. So a step costs one resample, whatever it is made of, and a decoder can be told beforehand how
//! little it has to deliver.

mod compose;

pub(super) use compose::{SmartCut, compose};
use mortar_actors::{Fault, FaultKind};

use super::limits::OutputLimits;
use super::rotate::Turn;

/// Width and height in pixels; never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
}

/// A rectangle of a picture, in fractions of its pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    /// Distance of its left edge from the picture's.
    pub left: f64,
    /// Distance of its top edge from the picture's.
    pub top: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

/// A rectangle in whole pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Pixels from the left.
    pub left: u32,
    /// Pixels from the top.
    pub top: u32,
    /// Width and height.
    pub size: Size,
}

/// An area of a source picture and the size it is scaled to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Framing {
    /// What part of the source is shown.
    pub area: Area,
    /// How large it is shown.
    pub size: Size,
}

impl Size {
    pub(super) fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    pub(super) fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// The size after `turn`, which may swap the sides.
    pub(super) fn turned(self, turn: Turn) -> Self {
        if turn.swaps_sides() { Self::new(self.height, self.width) } else { self }
    }
}

impl Area {
    /// The whole of a picture.
    pub(super) fn whole(size: Size) -> Self {
        Self { left: 0.0, top: 0.0, width: f64::from(size.width), height: f64::from(size.height) }
    }

    /// The same part of a picture that has been scaled.
    pub(super) fn scaled(self, horizontal: f64, vertical: f64) -> Self {
        Self {
            left: self.left * horizontal,
            top: self.top * vertical,
            width: self.width * horizontal,
            height: self.height * vertical,
        }
    }

    /// Pushes the edges back inside a picture that they left through rounding.
    pub(super) fn within(self, size: Size) -> Self {
        let (width, height) = (f64::from(size.width), f64::from(size.height));
        let (left, top) = (self.left.clamp(0.0, width), self.top.clamp(0.0, height));
        Self { left, top, width: self.width.min(width - left), height: self.height.min(height - top) }
    }

    /// The window this area is, where it consists of whole pixels.
    pub(super) fn as_window(self) -> Option<Window> {
        let whole = |value: f64| (value - value.round()).abs() < 1e-6;
        let all_whole = [self.left, self.top, self.width, self.height].into_iter().all(whole);
        if !all_whole || self.width < 0.5 || self.height < 0.5 {
            return None;
        }
        let size = Size::new(self.width.round() as u32, self.height.round() as u32);
        Some(Window { left: self.left.round() as u32, top: self.top.round() as u32, size })
    }
}

impl Framing {
    /// The picture as it is.
    pub(super) fn whole(size: Size) -> Self {
        Self { area: Area::whole(size), size }
    }

    /// Whether a picture of `source` comes out as it went in.
    pub(super) fn changes_nothing(&self, source: Size) -> bool {
        self.size == source && self.area == Area::whole(source)
    }

    /// How large the picture is shown, in shown pixels per source pixel, along the side that is reduced least.
    pub(super) fn scale(&self) -> f64 {
        let horizontal = f64::from(self.size.width) / self.area.width;
        let vertical = f64::from(self.size.height) / self.area.height;
        horizontal.max(vertical)
    }

    /// The framing in the picture as it is stored, where `turn` brings a stored picture of `stored` upright.
    pub(super) fn as_stored(&self, turn: Turn, stored: Size) -> Self {
        let upright = stored.turned(turn);
        let Area { mut left, mut top, width, height } = self.area;
        if turn.mirrors_upright_horizontally() {
            left = f64::from(upright.width) - left - width;
        }
        if turn.mirrors_upright_vertically() {
            top = f64::from(upright.height) - top - height;
        }
        let area = if turn.swaps_sides() {
            Area { left: top, top: left, width: height, height: width }
        } else {
            Area { left, top, width, height }
        };
        Self { area, size: self.size.turned(turn) }
    }

    /// Shows the same area at another size.
    fn scaled_to(self, width: f64, height: f64, limits: &OutputLimits) -> Result<Self, Fault> {
        Ok(Self { area: self.area, size: limits.check_size(width.round().max(1.0), height.round().max(1.0))? })
    }

    /// Keeps a window of what is shown.
    fn cut(self, window: Window) -> Self {
        if window.left == 0 && window.top == 0 && window.size == self.size {
            return self;
        }
        let horizontal = self.area.width / f64::from(self.size.width);
        let vertical = self.area.height / f64::from(self.size.height);
        let area = Area {
            left: self.area.left + f64::from(window.left) * horizontal,
            top: self.area.top + f64::from(window.top) * vertical,
            width: f64::from(window.size.width) * horizontal,
            height: f64::from(window.size.height) * vertical,
        };
        Self { area, size: window.size }
    }
}

/// A fault for a geometry that this picture does not allow.
fn impossible(message: String) -> Fault {
    Fault::new(FaultKind::Invalid, message)
}

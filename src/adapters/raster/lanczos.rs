//! The Lanczos filter of three lobes, with one sine for each weight.
//!
//! sinc(x) sinc(x/3), where sinc(x) is sin(πx)/(πx), comes to (9s² - 12s⁴)/(πx)² with s = sin(πx/3), since sin(3a)
//! is 3 sin(a) - 4 sin³(a). The weights of a small picture are some ten thousand sines, which take a twentieth of its render;
//! so one of single precision has to do. Its error lies below what the weights are rounded to.

use std::f64::consts::PI;

use fast_image_resize::{Filter, FilterType};

/// Source pixels to each side that count, where nothing is scaled.
pub(super) const LOBES: f64 = 3.0;

/// The filter that everything is scaled with.
pub(super) fn lanczos3() -> FilterType {
    FilterType::Custom(Filter::new("Lanczos3", weight, LOBES).expect("three is a finite number above zero"))
}

/// The weight of a pixel at this distance from the middle.
fn weight(distance: f64) -> f64 {
    if distance.abs() >= LOBES {
        return 0.0;
    }
    let angle = PI * distance;
    if angle.abs() < 1e-6 {
        return 1.0;
    }
    let sine = f64::from(((angle / LOBES) as f32).sin());
    let square = sine * sine;
    square * (9.0 - 12.0 * square) / (angle * angle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_those_of_the_definition() {
        let sinc = |x: f64| if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
        for step in -3_500..=3_500 {
            let distance = f64::from(step) / 1_000.0;
            let expected = if distance.abs() < LOBES { sinc(distance) * sinc(distance / LOBES) } else { 0.0 };
            let error = (weight(distance) - expected).abs();
            assert!(error < 2e-6, "{distance}: {} instead of {expected}", weight(distance));
        }
        for distance in [1e-3, 1e-5, 1e-7, 1e-9, 0.0] {
            assert!((weight(distance) - 1.0).abs() < 1e-5, "{distance}: {}", weight(distance));
        }
    }
}

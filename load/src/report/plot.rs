//! Lines over time, as SVG.

use std::fmt::Write;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 220.0;
/// Room for the numbers at the left and below.
const LEFT: f64 = 64.0;
const BOTTOM: f64 = 24.0;
const TOP: f64 = 10.0;
/// Told apart by people who see few colours.
const COLOURS: [&str; 4] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];

/// Values over seconds.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) points: Vec<(f64, f64)>,
}

/// A plot of some lines, with marks at some moments. Empty when there is nothing to draw.
pub(super) fn plot(title: &str, unit: &str, lines: &[Line], marks: &[f64]) -> String {
    let points = || lines.iter().flat_map(|line| &line.points);
    if points().count() < 2 {
        return String::new();
    }
    let end = points().map(|(at, _)| *at).fold(f64::EPSILON, f64::max);
    let top = round_up(points().map(|(_, value)| *value).fold(f64::EPSILON, f64::max));
    let x = |at: f64| LEFT + at / end * (WIDTH - LEFT - 10.0);
    let y = |value: f64| TOP + (1.0 - value / top) * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!(
        "<figure><figcaption>{title}, {unit}{}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n",
        legend(lines)
    );
    for step in 0..=4 {
        let value = top * f64::from(step) / 4.0;
        let at = y(value);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - 10.0,
            LEFT - 6.0,
            at + 4.0,
            short(value)
        );
    }
    for step in 0..=5 {
        let at = end * f64::from(step) / 5.0;
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{} s</text>",
            x(at),
            HEIGHT - 6.0,
            short(at)
        );
    }
    for mark in marks {
        let at = x(*mark);
        let _ = writeln!(
            svg,
            "<line class=\"mark\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{}\"/>",
            HEIGHT - BOTTOM
        );
    }
    for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let path: Vec<_> = line.points.iter().map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value))).collect();
        let _ = writeln!(svg, "<polyline stroke=\"{colour}\" points=\"{}\"/>", path.join(" "));
    }
    svg + "</svg></figure>\n"
}

fn legend(lines: &[Line]) -> String {
    if lines.len() < 2 {
        return String::new();
    }
    let named = lines.iter().zip(COLOURS.iter().cycle());
    named.map(|(line, colour)| format!(" <b style=\"color:{colour}\">{}</b>", line.name)).collect()
}

/// The next of 1, 2, 2.5, 4, 5, 8 and 10 times a power of ten.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let step = [1.0, 2.0, 2.5, 4.0, 5.0, 8.0, 10.0].into_iter().find(|step| step * power >= value);
    step.unwrap_or(10.0) * power
}

fn short(value: f64) -> String {
    match value {
        1e4.. => format!("{:.0}k", value / 1e3),
        10.0.. => format!("{value:.0}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_point_is_at_the_top_and_the_last_at_the_right() {
        let line = Line { name: "memory", points: vec![(0.0, 0.0), (10.0, 100.0)] };
        let svg = plot("Memory", "MB", &[line], &[5.0]);
        assert!(svg.contains("points=\"64.0,196.0 850.0,10.0\""), "{svg}");
        assert!(svg.contains("class=\"mark\" x1=\"457.0\""), "{svg}");
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert_eq!(plot("Memory", "MB", &[Line { name: "memory", points: Vec::new() }], &[]), "");
    }

    #[test]
    fn axes_end_at_round_numbers() {
        assert_eq!([0.3, 1.0, 21_034.0, 99.0].map(round_up), [0.4, 1.0, 25_000.0, 100.0]);
    }
}

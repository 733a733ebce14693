//! A sweep as a picture: lines over a logarithmic axis, written as SVG by hand.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use crate::report::short;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const MARGIN: f64 = 60.0;
const COLOURS: [&str; 4] = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd"];

/// The points of a sweep.
pub(crate) struct Plot {
    title: &'static str,
    across: &'static str,
    up: &'static str,
    lines: BTreeMap<String, Vec<(f64, f64)>>,
}

impl Plot {
    pub(crate) const fn new(title: &'static str, across: &'static str, up: &'static str) -> Self {
        Self { title, across, up, lines: BTreeMap::new() }
    }

    pub(crate) fn point(&mut self, line: &str, x: f64, y: f64) {
        self.lines.entry(String::from(line)).or_default().push((x, y));
    }

    /// Writes the picture, if it is wanted.
    pub(crate) fn write(&self, path: Option<&Path>) -> anyhow::Result<()> {
        if let Some(path) = path {
            std::fs::write(path, self.draw()?)?;
        }
        Ok(())
    }

    fn draw(&self) -> Result<String, std::fmt::Error> {
        let points = || self.lines.values().flatten();
        let low = points().map(|(x, _)| *x).fold(f64::MAX, f64::min).max(1.0).ln();
        let high = points().map(|(x, _)| *x).fold(1.0, f64::max).ln().max(low + 0.1);
        let top = points().map(|(_, y)| *y).fold(1.0, f64::max);
        let across =
            |x: f64| MARGIN + (x.max(1.0).ln() - low) / (high - low) * (WIDTH - 2.0 * MARGIN);
        let up = |y: f64| HEIGHT - MARGIN - y / top * (HEIGHT - 2.0 * MARGIN);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        let mut text = |x: f64, y: f64, anchor: &str, text: &str| {
            writeln!(svg, "<text x=\"{x:.0}\" y=\"{y:.0}\" text-anchor=\"{anchor}\">{text}</text>")
        };
        text(WIDTH / 2.0, 20.0, "middle", self.title)?;
        text(WIDTH / 2.0, HEIGHT - 15.0, "middle", self.across)?;
        text(10.0, 40.0, "start", self.up)?;
        for part in [0.0, 0.5, 1.0] {
            text(MARGIN - 5.0, up(top * part) + 4.0, "end", &short(top * part))?;
        }
        for (x, _) in points() {
            text(across(*x), HEIGHT - MARGIN + 16.0, "middle", &format!("{x}"))?;
        }
        for (number, (name, line)) in self.lines.iter().enumerate() {
            let colour = COLOURS.get(number % COLOURS.len()).copied().unwrap_or("black");
            let points: Vec<_> =
                line.iter().map(|(x, y)| format!("{:.1},{:.1}", across(*x), up(*y))).collect();
            writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                points.join(" ")
            )?;
            let y = 40.0 + 16.0 * number as f64;
            let x = WIDTH - MARGIN;
            writeln!(
                svg,
                "<text x=\"{x}\" y=\"{y}\" text-anchor=\"end\" fill=\"{colour}\">{name}</text>"
            )?;
        }
        svg.push_str("</svg>\n");
        Ok(svg)
    }
}

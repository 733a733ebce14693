//! Rates as bars over a logarithmic axis, written as SVG by hand.

use std::fmt::{self, Write as _};

use crate::report::short;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Ours,
    Ceiling,
    Peer,
}

#[derive(Debug, Clone)]
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) rate: f64,
    pub(super) kind: Kind,
}

const NAMES: f64 = 260.0;
const LENGTH: f64 = 420.0;
const ROW: f64 = 20.0;
const TOP: f64 = 50.0;

/// The axis goes from ten a second to ten million.
const LOW: f64 = 1.0;
const DECADES: f64 = 6.0;

pub(super) fn draw(bars: &[Bar]) -> Result<String, fmt::Error> {
    let (width, height) = (NAMES + LENGTH + 80.0, TOP + ROW * bars.len() as f64 + 30.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"20\" font-size=\"14\">No-ops finished per second (logarithmic): \
         artos blue, by hand grey, peers orange</text>\n"
    );
    for decade in 0..=DECADES as u32 {
        let x = NAMES + LENGTH * f64::from(decade) / DECADES;
        let bottom = height - 25.0;
        writeln!(
            svg,
            "<line x1=\"{x:.0}\" y1=\"{TOP}\" x2=\"{x:.0}\" y2=\"{bottom:.0}\" stroke=\"#ddd\"/>\n\
             <text x=\"{x:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>",
            height - 10.0,
            10_u64.pow(decade + 1)
        )?;
    }
    for (number, bar) in bars.iter().enumerate() {
        let y = TOP + ROW * number as f64;
        let length = (bar.rate.max(10.0).log10() - LOW) / DECADES * LENGTH;
        let colour = match bar.kind {
            Kind::Ours => "#1f77b4",
            Kind::Ceiling => "#999999",
            Kind::Peer => "#ff7f0e",
        };
        let text = y + 13.0;
        writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{text:.0}\" text-anchor=\"end\">{}</text>\n\
             <rect x=\"{NAMES}\" y=\"{y:.0}\" width=\"{length:.0}\" height=\"15\" \
             fill=\"{colour}\"/>\n\
             <text x=\"{:.0}\" y=\"{text:.0}\">{}</text>",
            NAMES - 8.0,
            bar.name,
            NAMES + length + 5.0,
            short(bar.rate)
        )?;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

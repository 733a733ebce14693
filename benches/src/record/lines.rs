//! What the measurements said, a line of JSON for each.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::report::median;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Line {
    /// Who and what; filled in by who ran it.
    #[serde(default)]
    pub(super) id: String,
    #[serde(default)]
    pub(super) turn: u32,
    /// How many processes wanted a processor before the run began: other work, if there was any.
    #[serde(default)]
    pub(super) load: f64,
    pub(super) peer: String,
    pub(super) version: String,
    pub(super) durability: String,
    pub(super) settings: String,
    pub(super) tasks: u64,
    pub(super) slots: usize,
    /// How many ends were read back.
    pub(super) verified: u64,
    /// The figures, and what else it said.
    #[serde(flatten)]
    pub(super) rest: BTreeMap<String, Value>,
}

/// All lines of a run.
#[derive(Debug, Default)]
pub(super) struct Lines(Vec<Line>);

impl Lines {
    pub(super) fn push(&mut self, line: Line) {
        self.0.push(line);
    }

    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        Ok(Self(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?))
    }

    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let mut text = String::new();
        for line in &self.0 {
            text.push_str(&serde_json::to_string(line)?);
            text.push('\n');
        }
        Ok(std::fs::write(path, text)?)
    }

    /// Any line of a subject; who it was is the same in all of them.
    pub(super) fn of(&self, id: &str) -> Option<&Line> {
        self.0.iter().find(|line| line.id == id)
    }

    pub(super) fn load(&self) -> f64 {
        self.0.iter().map(|line| line.load).fold(0.0, f64::max)
    }

    pub(super) fn turns(&self) -> u32 {
        self.0.iter().map(|line| line.turn).max().unwrap_or(0)
    }

    /// One figure of a subject, in each turn that it finished.
    fn figures(&self, id: &str, name: &str) -> Vec<(u32, f64)> {
        let lines = self.0.iter().filter(|line| line.id == id);
        lines.filter_map(|line| Some((line.turn, line.rest.get(name)?.as_f64()?))).collect()
    }

    /// The least, the median and the most.
    pub(super) fn spread(&self, id: &str, name: &str) -> Option<(f64, f64, f64)> {
        let mut values: Vec<_> =
            self.figures(id, name).into_iter().map(|(_, value)| value).collect();
        values.sort_unstable_by(f64::total_cmp);
        Some((*values.first()?, median(&values), *values.last()?))
    }

    pub(super) fn median(&self, id: &str, name: &str) -> Option<f64> {
        self.spread(id, name).map(|(_, median, _)| median)
    }

    /// The median of the proportions of each turn: a slow minute of the machine is everybody's.
    pub(super) fn ratio(&self, above: (&str, &str), below: (&str, &str)) -> Option<f64> {
        let below: BTreeMap<_, _> = self.figures(below.0, below.1).into_iter().collect();
        let above = self.figures(above.0, above.1).into_iter();
        let ratios: Vec<_> =
            above.filter_map(|(turn, value)| Some(value / below.get(&turn)?)).collect();
        (!ratios.is_empty()).then(|| median(&ratios))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(rates: &[(&str, u32, f64)]) -> Lines {
        let line = |(id, turn, rate): &(&str, u32, f64)| Line {
            id: String::from(*id),
            turn: *turn,
            load: 0.0,
            peer: String::new(),
            version: String::new(),
            durability: String::new(),
            settings: String::new(),
            tasks: 1,
            slots: 1,
            verified: 1,
            rest: BTreeMap::from([(String::from("rate"), Value::from(*rate))]),
        };
        Lines(rates.iter().map(line).collect())
    }

    #[test]
    fn proportions_are_taken_within_a_turn() {
        let lines = lines(&[
            ("ours", 1, 10.0),
            ("ours", 2, 2.0),
            ("ours", 3, 30.0),
            ("peer", 1, 5.0),
            ("peer", 2, 1.0),
            // It did not finish the third turn.
            ("other", 3, 1.0),
        ]);
        assert_eq!(lines.ratio(("ours", "rate"), ("peer", "rate")), Some(2.0));
        assert_eq!(lines.ratio(("ours", "rate"), ("nobody", "rate")), None);
        assert_eq!(lines.spread("ours", "rate"), Some((2.0, 10.0, 30.0)));
    }
}

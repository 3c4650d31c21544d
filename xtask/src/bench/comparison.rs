//! A comparison: medians, ratios and their spread, as a table and as JSON.

use serde_json::{Value, json};

use super::program::Outcome;
use super::subjects::{Metric, Subject};

/// One figure of several programs. Ratios are above 1 if the first program is better.
pub(super) struct Comparison {
    name: &'static str,
    title: String,
    metric: Metric,
    rows: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq)]
struct Row {
    program: String,
    /// The figure of each round.
    values: Vec<f64>,
    /// The ratio of the medians, and the smallest and largest of a round; `None` for the first program.
    ratio: Option<[f64; 3]>,
}

impl Comparison {
    pub(super) fn new(subject: &Subject, metric: Metric, measured: &[(String, Vec<Outcome>)]) -> Comparison {
        let values = |outcomes: &[Outcome]| -> Vec<f64> {
            outcomes.iter().filter_map(|outcome| outcome.get(metric.key()).copied()).collect()
        };
        let measured: Vec<(String, Vec<f64>)> = measured
            .iter()
            .map(|(program, outcomes)| (program.clone(), values(outcomes)))
            .filter(|(_, values)| !values.is_empty())
            .collect();
        let rows = measured.iter().enumerate().map(|(index, (program, values))| Row {
            program: program.clone(),
            values: values.clone(),
            ratio: (index > 0).then(|| ratio(&measured[0].1, values, metric)),
        });
        Comparison { name: subject.name, title: subject.title.clone(), metric, rows: rows.collect() }
    }

    pub(super) fn to_json(&self) -> Value {
        let programs: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                json!({
                    "program": row.program,
                    "median": median(&row.values),
                    "values": row.values,
                    "ratio": row.ratio.map(|ratio| ratio[0]),
                    "ratio_least": row.ratio.map(|ratio| ratio[1]),
                    "ratio_most": row.ratio.map(|ratio| ratio[2]),
                })
            })
            .collect();
        json!({ "name": self.name, "title": self.title, "figure": self.metric.key(), "programs": programs })
    }

    pub(super) fn to_text(&self) -> String {
        let (unit, scale) = self.metric.unit();
        let number = |value: f64| {
            let value = value / scale;
            if value < 10.0 { format!("{value:.3}") } else { format!("{value:.0}") }
        };
        let mut lines = vec![[unit, "least", "most", "ratio", "from", "to"].map(str::to_owned)];
        for row in &self.rows {
            let ratio = |part: usize| row.ratio.map_or(String::new(), |ratio| format!("{:.2}", ratio[part]));
            let [least, most] = ends(&row.values);
            lines.push([
                number(median(&row.values)),
                number(least),
                number(most),
                ratio(0),
                ratio(1),
                ratio(2),
            ]);
        }
        let names: Vec<&str> =
            std::iter::once("").chain(self.rows.iter().map(|row| row.program.as_str())).collect();
        let name_width = names.iter().map(|name| name.len()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..lines[0].len())
            .map(|column| lines.iter().map(|line| line[column].len()).max().unwrap_or(0))
            .collect();
        let mut text = format!("{}\n", self.title);
        for (name, cells) in names.iter().zip(&lines) {
            let mut line = format!("{name:name_width$}");
            for (cell, &width) in cells.iter().zip(&widths) {
                line += &format!("  {cell:>width$}");
            }
            text += line.trim_end();
            text += "\n";
        }
        text
    }
}

fn ratio(first: &[f64], other: &[f64], metric: Metric) -> [f64; 3] {
    let better = |first: f64, other: f64| if metric.more_is_better() { first / other } else { other / first };
    let rounds: Vec<f64> = first.iter().zip(other).map(|(&first, &other)| better(first, other)).collect();
    let [least, most] = ends(&rounds);
    [better(median(first), median(other)), least, most]
}

fn ends(values: &[f64]) -> [f64; 2] {
    [values.iter().copied().fold(f64::INFINITY, f64::min), values.iter().copied().fold(0.0, f64::max)]
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::options::Options;
    use crate::bench::subjects;

    fn comparison(metric: Metric, measured: &[(&str, &[f64])]) -> Comparison {
        let subjects = subjects::all(&Options::parse(&[]).unwrap());
        let outcomes = |values: &[f64]| -> Vec<Outcome> {
            values.iter().map(|&value| Outcome::from([(metric.key(), value)])).collect()
        };
        let measured: Vec<(String, Vec<Outcome>)> =
            measured.iter().map(|(program, values)| ((*program).to_owned(), outcomes(values))).collect();
        Comparison::new(&subjects[0], metric, &measured)
    }

    #[test]
    fn the_ratio_is_that_of_the_medians_and_the_spread_that_of_the_rounds() {
        let rates = comparison(
            Metric::ImagesPerSecond,
            &[("ours", &[300.0, 100.0, 200.0]), ("theirs", &[100.0, 50.0, 400.0])],
        );
        assert_eq!(rates.rows[0].ratio, None);
        assert_eq!(rates.rows[1].ratio, Some([2.0, 0.5, 3.0]));
        // Less time is better.
        let times = comparison(Metric::Milliseconds, &[("ours", &[1.0, 3.0]), ("theirs", &[4.0, 6.0])]);
        assert_eq!(times.rows[1].ratio, Some([2.5, 2.0, 4.0]));
    }

    #[test]
    fn the_table_lines_up() {
        let rates = comparison(Metric::ImagesPerSecond, &[("ours", &[1300.0]), ("another", &[650.0])]);
        assert_eq!(
            rates.to_text(),
            "training plain8, batches of 256\n\
             \x20        images/s  least  most  ratio  from    to\n\
             ours         1300   1300  1300\n\
             another       650    650   650   2.00  2.00  2.00\n"
        );
        let json = rates.to_json();
        assert_eq!(
            (&json["programs"][1]["ratio"], &json["figure"]),
            (&2.0.into(), &"images_per_second".into())
        );
    }

    #[test]
    fn a_program_without_the_figure_is_left_out() {
        let memory = comparison(Metric::PeakMemoryBytes, &[("ours", &[1e7]), ("theirs", &[])]);
        assert_eq!(memory.rows.len(), 1);
    }
}

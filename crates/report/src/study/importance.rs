//! How much each parameter matters, as bars.

use convscope_tune::Importance;

use crate::chart::diagram::{Align, Diagram, Ink, Shape};
use crate::chart::text;
use crate::font;
use crate::number::percent;

const WIDTH: f64 = 640.0;
const LEFT: f64 = 170.0;
const LENGTH: f64 = 380.0;
const ROW: f64 = 26.0;
const BAR: f64 = 16.0;

/// A bar for each parameter, the most important first.
pub fn importance_diagram(importances: &[Importance]) -> Diagram {
    let mut sorted: Vec<&Importance> = importances.iter().collect();
    sorted.sort_by(|a, b| b.explained.unwrap_or(-1.0).total_cmp(&a.explained.unwrap_or(-1.0)));
    let mut shapes = Vec::new();
    for (row, found) in sorted.iter().enumerate() {
        let top = 10.0 + ROW * row as f64;
        let baseline = top + BAR - 3.5;
        let name = font::fitted(&found.name, 15.0, LEFT - 20.0);
        shapes.push(text((LEFT - 10.0, baseline), &name, Align::End, Ink::Text));
        let Some(share) = found.explained else {
            shapes.push(text((LEFT, baseline), "too few trials", Align::Start, Ink::Soft));
            continue;
        };
        let bar = |width, ink| Shape::Bar { at: (LEFT, top), width, height: BAR, ink };
        shapes.push(bar(LENGTH, Ink::Rule));
        shapes.push(bar(share * LENGTH, Ink::Series(0)));
        shapes.push(text((LEFT + LENGTH + 8.0, baseline), &percent(share), Align::Start, Ink::Text));
    }
    Diagram {
        title: "Share of the variance of the validation accuracy explained".to_owned(),
        legend: Vec::new(),
        width: WIDTH,
        height: 20.0 + ROW * sorted.len().max(1) as f64,
        shapes,
        values: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_the_shares_and_sorted() {
        let found = |name: &str, explained| Importance { name: name.into(), explained };
        let diagram = importance_diagram(&[found("a", Some(0.25)), found("b", None), found("c", Some(0.5))]);
        let bars = diagram.shapes.iter().filter_map(|shape| match shape {
            Shape::Bar { at, width, ink: Ink::Series(0), .. } => Some((at.1, *width)),
            _ => None,
        });
        assert_eq!(bars.collect::<Vec<_>>(), [(10.0, 190.0), (10.0 + ROW, 95.0)]);
        let svg = diagram.to_svg();
        assert!(svg.contains(">50.00 %<") && svg.contains(">too few trials<"), "{svg}");
    }
}

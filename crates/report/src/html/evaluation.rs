//! What a network gets right and wrong, as text for the templates.

use convscope_inspect::survey::Mistake;
use minijinja::{Value, context};
use serde_json::json;

use super::page::EvaluationSection;
use super::pictures::script_text;
use super::uri::{indexed_uri, picture_uri};
use crate::ReportError;
use crate::colour::viridis;
use crate::number::{percent, significant, thousands};
use crate::picture::picture;

/// All variables of `evaluation.html`.
pub(super) fn view(evaluation: &EvaluationSection) -> Result<Value, ReportError> {
    let whole = evaluation;
    let concise = concise(evaluation);
    let evaluation = concise.as_ref().unwrap_or(evaluation);
    let mistakes: Vec<Value> =
        evaluation.mistakes.iter().map(|m| mistake(m, evaluation)).collect::<Result<_, _>>()?;
    let classes = evaluation.confusion.classes();
    Ok(context! {
        over => evaluation.over.clone(),
        loss => significant(evaluation.loss),
        accuracy => percent(evaluation.accuracy),
        classes => evaluation.classes.clone(),
        left_out => whole.confusion.classes() - classes,
        all_classes => thousands(whole.confusion.classes() as u64),
        matrix => (classes <= MOST_CLASSES).then(|| matrix(evaluation)),
        map => if classes > MOST_CLASSES { Some(map(evaluation)?) } else { None },
        map_data => (classes > MOST_CLASSES).then(|| map_data(evaluation)),
        pairs => pairs(evaluation),
        scores => scores(evaluation),
        mistakes,
    })
}

/// The same without the classes that have neither images nor predictions, if there are many classes and some such.
fn concise(evaluation: &EvaluationSection) -> Option<EvaluationSection> {
    let (seen, confusion) = evaluation.confusion.of_seen();
    let classes = evaluation.confusion.classes();
    if classes <= MOST_CLASSES || seen.is_empty() || seen.len() == classes {
        return None;
    }
    let place = |class: usize| seen.binary_search(&class).ok();
    let mistakes = evaluation.mistakes.iter().filter_map(|mistake| {
        let (label, prediction) = (place(mistake.label)?, place(mistake.prediction)?);
        Some(Mistake { label, prediction, ..mistake.clone() })
    });
    Some(EvaluationSection {
        classes: seen.iter().map(|&index| class(evaluation, index)).collect(),
        confusion,
        mistakes: mistakes.collect(),
        ..evaluation.clone()
    })
}

/// With more classes than this, the matrix is an enlarged picture that is read square by square.
const MOST_CLASSES: usize = 20;
const PAIRS: usize = 10;

fn class(evaluation: &EvaluationSection, index: usize) -> String {
    evaluation.classes.get(index).cloned().unwrap_or_else(|| format!("class {index}"))
}

fn matrix(evaluation: &EvaluationSection) -> Value {
    let confusion = &evaluation.confusion;
    let rows = (0..confusion.classes()).map(|label| {
        let counts = confusion.row(label);
        let total: u64 = counts.iter().sum();
        let cells = counts.iter().enumerate().map(|(prediction, &count)| {
            let share = if total == 0 { 0.0 } else { count as f64 / total as f64 };
            let shade = shade(share);
            context! {
                count => thousands(count),
                share => percent(share),
                shade => format!("{shade:.2}"),
                dark => shade > 0.6,
                right => label == prediction,
                empty => count == 0,
                prediction => class(evaluation, prediction),
            }
        });
        context! { label => class(evaluation, label), cells => cells.collect::<Vec<_>>() }
    });
    Value::from(rows.collect::<Vec<_>>())
}

/// The matrix as a picture with one pixel per square.
fn map(evaluation: &EvaluationSection) -> Result<String, ReportError> {
    let confusion = &evaluation.confusion;
    let side = confusion.classes();
    let mut places = Vec::with_capacity(side * side);
    for label in 0..side {
        let counts = confusion.row(label);
        let total = counts.iter().sum::<u64>().max(1);
        places.extend(
            counts.iter().map(|&count| (255.0 * (count as f64 / total as f64).powf(0.6)).round() as u8),
        );
    }
    let palette: Vec<[u8; 3]> = (0..=255).map(|place| viridis(place as f32 / 255.0)).collect();
    indexed_uri((side as u32, side as u32), &places, &palette, &[], "confusion matrix")
}

/// The names and the counts that are not 0, for the script.
fn map_data(evaluation: &EvaluationSection) -> String {
    let confusion = &evaluation.confusion;
    let mut counts = Vec::new();
    for label in 0..confusion.classes() {
        let row = confusion.row(label).iter().enumerate().filter(|(_, count)| **count > 0);
        counts.extend(row.map(|(prediction, &count)| json!([label, prediction, count])));
    }
    let classes: Vec<String> = (0..confusion.classes()).map(|index| class(evaluation, index)).collect();
    script_text(&json!({ "classes": classes, "counts": counts }))
}

/// How strongly a cell is coloured: rare confusions are emphasised to make them visible, and the range in which neither
/// dark nor light text is readable is left out.
fn shade(share: f64) -> f64 {
    let lifted = share.powf(0.6);
    if lifted <= 0.6 { lifted } else { 0.75 + 0.25 * (lifted - 0.6) / 0.4 }
}

fn pairs(evaluation: &EvaluationSection) -> Vec<Value> {
    let confusion = &evaluation.confusion;
    let pairs = confusion.most_confused(PAIRS);
    let most = pairs.first().map_or(1, |pair| pair.count).max(1);
    let pair = |pair: &convscope_train::metrics::ConfusedPair| {
        let total: u64 = confusion.row(pair.label).iter().sum();
        context! {
            label => class(evaluation, pair.label),
            prediction => class(evaluation, pair.prediction),
            count => thousands(pair.count),
            share => percent(pair.count as f64 / total.max(1) as f64),
            bar => format!("{:.1}", pair.count as f64 * 100.0 / most as f64),
        }
    };
    pairs.iter().map(pair).collect()
}

fn scores(evaluation: &EvaluationSection) -> Vec<Value> {
    let score = |value: Option<f64>| {
        context! {
            text => value.map_or_else(|| "–".to_owned(), percent),
            sort => value.unwrap_or(-1.0),
            bar => format!("{:.1}", value.unwrap_or(0.0) * 100.0),
        }
    };
    let row = |index: usize| {
        let scores = evaluation.confusion.scores(index);
        context! {
            name => class(evaluation, index),
            cells => [score(scores.precision), score(scores.recall), score(scores.f1)],
            support => thousands(scores.support),
            support_sort => scores.support,
        }
    };
    (0..evaluation.confusion.classes()).map(row).collect()
}

fn mistake(mistake: &Mistake, evaluation: &EvaluationSection) -> Result<Value, ReportError> {
    let name = mistake.path.clone().unwrap_or_else(|| format!("image {}", mistake.index));
    let image = picture(&mistake.rgb, mistake.height, mistake.width, name.as_ref())?;
    let shown = thumbnail(&image);
    Ok(context! {
        uri => picture_uri(&shown, &name)?,
        width => shown.width(),
        height => shown.height(),
        label => class(evaluation, mistake.label),
        prediction => class(evaluation, mistake.prediction),
        confidence => percent(f64::from(mistake.confidence)),
        name,
    })
}

/// The picture, reduced if it is large, since a page has many.
fn thumbnail(image: &image::RgbImage) -> image::RgbImage {
    const SIDE: usize = 128;
    let (width, height) = image.dimensions();
    if width.max(height) as usize <= SIDE {
        return image.clone();
    }
    let (width, height) = crate::feature_maps::fitted_size(height as usize, width as usize, SIDE as u32);
    image::imageops::thumbnail(image, width, height)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shades_rise_and_leave_out_the_unreadable_range() {
        let shades: Vec<f64> = (0..=1000).map(|share| shade(f64::from(share) / 1000.0)).collect();
        assert!(shades.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(shades.iter().all(|shade| !(0.601..0.75).contains(shade)));
        assert_eq!((shades[0], shades[1000]), (0.0, 1.0));
    }
}

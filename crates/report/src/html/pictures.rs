//! The pictures that a reader can choose, as data for the page's script.

use convscope_inspect::{ExampleImage, HeatMap, HeatMapMethod};
use minijinja::{Value, context};
use serde_json::json;

use super::page::CloseupSection;
use super::uri::{indexed_uri, picture_uri};
use crate::ReportError;
use crate::colour::viridis;
use crate::feature_maps::fitted_size;
use crate::heat_map::cover;
use crate::number::percent;
use crate::picture::picture;

/// The script's data about a picture, besides its sheets and ranges.
pub(super) fn described(
    closeup: &CloseupSection,
    layers: &[String],
) -> Result<serde_json::Map<String, serde_json::Value>, ReportError> {
    let image = &closeup.maps.image;
    let shown = picture(&image.rgb, image.height, image.width, image.name.as_ref())?;
    let mut cams = Vec::new();
    for map in closeup.grad_cams.iter().filter(|map| !map.values.is_empty()) {
        let node = map.node.as_deref().unwrap_or_default();
        if let Some(layer) = layers.iter().position(|name| name == node) {
            cams.push(json!([layer, map.class_name, overlay(map)?, map.is_constant]));
        }
    }
    let guesses =
        guesses(image).into_iter().map(|guess| json!([guess.name, guess.share, guess.bar, guess.tone]));
    let described = json!({
        "name": image.name,
        "label": image.label.map(|label| class(image, label)),
        "right": image.label == Some(image.prediction),
        "guesses": guesses.collect::<Vec<_>>(),
        "uri": picture_uri(&shown, &image.name)?,
        "cams": cams,
    });
    match described {
        serde_json::Value::Object(fields) => Ok(fields),
        _ => Ok(serde_json::Map::new()),
    }
}

/// A picture in the chooser.
pub(super) fn pick(image: &ExampleImage) -> Result<Value, ReportError> {
    let shown = picture(&image.rgb, image.height, image.width, image.name.as_ref())?;
    let predicted = class(image, image.prediction);
    let (short, verdict, tone) = match image.label {
        Some(label) if label == image.prediction => (class(image, label), "recognised".to_owned(), "good"),
        Some(label) => (class(image, label), format!("predicted as {predicted}"), "bad"),
        None => (image.name.clone(), predicted, "open"),
    };
    Ok(context! {
        uri => picture_uri(&shown, &image.name)?,
        thumb => fitted_size(image.height, image.width, 64),
        title => format!("{}: {short}, {verdict}", image.name),
        short,
        verdict,
        tone,
    })
}

/// A class with its probability.
pub(super) struct Guess {
    pub(super) name: String,
    pub(super) share: String,
    pub(super) bar: String,
    pub(super) tone: &'static str,
}

/// The most probable classes. The true one is blue and others are orange; if it is unknown, all are grey.
pub(super) fn guesses(image: &ExampleImage) -> Vec<Guess> {
    let mut order: Vec<usize> = (0..image.probabilities.len()).collect();
    order.sort_by(|&a, &b| image.probabilities[b].total_cmp(&image.probabilities[a]));
    let guess = |&index: &usize| {
        let share = f64::from(image.probabilities[index]);
        Guess {
            name: class(image, index),
            share: percent(share),
            bar: format!("{:.1}", share.clamp(0.0, 1.0) * 100.0),
            tone: match image.label {
                Some(label) if label == index => "",
                Some(_) => "other",
                None => "neutral",
            },
        }
    };
    order.iter().take(5).map(guess).collect()
}

/// The name of a class.
pub(super) fn class(image: &ExampleImage, index: usize) -> String {
    image.classes.get(index).cloned().unwrap_or_else(|| format!("class {index}"))
}

/// The layers and classes of the first picture's Grad-CAM, and the first requested layer.
pub(super) fn choices(closeup: &CloseupSection) -> (Vec<String>, Vec<String>, Option<usize>) {
    let (mut layers, mut classes) = (Vec::new(), Vec::new());
    let add = |names: &mut Vec<String>, name: &str| {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    };
    for map in closeup.grad_cams.iter().filter(|map| !map.values.is_empty()) {
        add(&mut layers, map.node.as_deref().unwrap_or_default());
        add(&mut classes, &map.class_name);
    }
    let asked = closeup.heat_maps.iter().find(|map| map.method == HeatMapMethod::GradCam);
    let asked = asked.and_then(|map| layers.iter().position(|name| Some(name) == map.node.as_ref()));
    (layers, classes, asked)
}

/// Text of a script element: nothing in it can end that element.
pub(super) fn script_text(value: &serde_json::Value) -> String {
    value.to_string().replace('<', "\\u003c")
}

/// The longest side of an overlay; larger maps are reduced to keep the page small.
const SIDE: usize = 64;
/// How many colours an overlay has, besides that of values that are not finite.
const COLOURS: u8 = 255;

/// A map as a small translucent picture, which the browser enlarges.
fn overlay(map: &HeatMap) -> Result<String, ReportError> {
    let step = map.height.max(map.width).div_ceil(SIDE);
    let (height, width) = (map.height.div_ceil(step), map.width.div_ceil(step));
    let mean = |row: usize, column: usize| {
        let rows = row * step..(row * step + step).min(map.height);
        let columns = column * step..(column * step + step).min(map.width);
        let count = (rows.len() * columns.len()) as f32;
        rows.map(|row| map.values[row * map.width..][columns.clone()].iter().sum::<f32>()).sum::<f32>()
            / count
    };
    let places: Vec<u8> = (0..height * width)
        .map(|at| {
            let value = mean(at / width, at % width);
            let strength = if map.max > 0.0 { (value / map.max).clamp(0.0, 1.0) } else { value * 0.0 };
            if strength.is_finite() { (strength * f32::from(COLOURS - 1)).round() as u8 } else { COLOURS }
        })
        .collect();
    let strength = |colour: u8| f32::from(colour) / f32::from(COLOURS - 1);
    let palette: Vec<[u8; 3]> = (0..=COLOURS).map(|colour| viridis(strength(colour))).collect();
    let seen =
        |colour: u8| if colour == COLOURS { 0 } else { (255.0 * cover(strength(colour))).round() as u8 };
    let alpha: Vec<u8> = (0..=COLOURS).map(seen).collect();
    let name = map.node.as_deref().unwrap_or("heat map");
    indexed_uri((width as u32, height as u32), &places, &palette, &alpha, name)
}

#[cfg(test)]
mod tests {
    use base64::Engine;

    use super::*;
    use crate::colour::mix;
    use crate::heat_map::blend;
    use crate::samples::page;

    fn laid_over(map: &HeatMap, below: [u8; 3]) -> Vec<[u8; 3]> {
        let uri = overlay(map).unwrap();
        let bytes = uri.strip_prefix("data:image/png;base64,").unwrap();
        let bytes = base64::engine::general_purpose::STANDARD.decode(bytes).unwrap();
        let picture = image::load_from_memory(&bytes).unwrap().into_rgba8();
        picture
            .pixels()
            .map(|pixel| mix(below, [pixel[0], pixel[1], pixel[2]], f32::from(pixel[3]) / 255.0))
            .collect()
    }

    #[test]
    fn an_overlay_has_the_colours_of_the_blended_picture() {
        let mut map = page().runs[0].closeups[0].heat_maps[0].clone();
        (map.height, map.width) = (1, 4);
        (map.values, map.max) = (vec![-1.0, 0.0, 1.5, 3.0], 3.0);
        let grey = image::RgbImage::from_pixel(1024, 256, image::Rgb([100; 3]));
        let blended = blend(&grey, &map);
        for (at, colour) in laid_over(&map, [100; 3]).into_iter().enumerate() {
            let there = blended.get_pixel(at as u32 * 256 + 128, 128).0;
            assert!((0..3).all(|c| colour[c].abs_diff(there[c]) <= 2), "{at}: {colour:?} {there:?}");
        }
        map.values[1] = f32::NAN;
        assert_eq!(laid_over(&map, [100; 3])[1], [100; 3]);
    }

    #[test]
    fn a_large_map_is_made_small() {
        let mut map = page().runs[0].closeups[0].heat_maps[0].clone();
        (map.height, map.width) = (130, 90);
        // The lower 30 rows.
        map.values = (0..130 * 90).map(|at| if at / 90 >= 100 { 3.0 } else { 0.0 }).collect();
        let colours = laid_over(&map, [0; 3]);
        assert_eq!(colours.len(), 44 * 30);
        assert!(colours[33 * 30 - 1] != colours[34 * 30] && colours[34 * 30] == colours[44 * 30 - 1]);
    }

    #[test]
    fn every_layer_and_class_can_be_chosen_and_the_first_map_is_chosen_first() {
        let html = page().render().unwrap();
        assert!(html.contains("<option value=\"0\" selected>conv2d</option>"), "{html}");
        assert!(
            html.contains("<option value=\"1\">conv2d_1</option>") && html.contains("<option>cat</option>")
        );
        let mut page = page();
        let closeups = page.runs.iter_mut().flat_map(|run| &mut run.closeups);
        closeups.for_each(|closeup| closeup.grad_cams.clear());
        assert!(!page.render().unwrap().contains("class=\"chooser\""));
    }

    #[test]
    fn bars_are_orange_only_where_the_true_class_is_known() {
        let tones = |label| {
            let image = ExampleImage { label, ..crate::samples::example(2, 2) };
            guesses(&image).iter().map(|guess| guess.tone).collect::<Vec<_>>()
        };
        assert_eq!(tones(Some(1)), ["", "other"]);
        assert_eq!(tones(None), ["neutral", "neutral"]);
    }

    #[test]
    fn no_name_ends_the_script_element() {
        assert_eq!(script_text(&json!({"a": "</script>"})), r#"{"a":"\u003c/script>"}"#);
    }
}

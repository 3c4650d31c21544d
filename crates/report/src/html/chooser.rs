//! Grad-CAM over the picture at a layer and for a class that the reader chooses.

use convscope_inspect::{ExampleImage, HeatMap, HeatMapMethod};
use minijinja::{Value, context};

use super::uri::indexed_uri;
use super::view::Sprites;
use crate::ReportError;
use crate::colour::viridis;
use crate::heat_map::{cover, enlarged};

/// What the chooser in `maps.html` names; none where there is nothing to choose. It begins with the first Grad-CAM of
/// `shown`.
pub(super) fn view(
    image: &ExampleImage,
    maps: &[HeatMap],
    shown: &[HeatMap],
    sprites: &mut Sprites,
) -> Result<Option<Value>, ReportError> {
    let (mut layers, mut classes): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    let mut overlays = Vec::new();
    for map in maps.iter().filter(|map| !map.values.is_empty()) {
        let layer = place(&mut layers, map.node.as_deref().unwrap_or_default());
        let class = place(&mut classes, &map.class_name);
        let sprite = sprites.add(&overlay(map)?);
        overlays.push(context! { layer, class, sprite, flat => map.is_constant });
    }
    if overlays.is_empty() {
        return Ok(None);
    }
    let first = shown.iter().find(|map| map.method == HeatMapMethod::GradCam);
    let option = |names: &[&str], chosen: Option<&str>| -> Vec<Value> {
        let option = |name: &&str| context! { name => *name, chosen => chosen == Some(*name) };
        names.iter().map(option).collect()
    };
    let (width, height) = enlarged(image.width as u32, image.height as u32);
    Ok(Some(context! {
        layers => option(&layers, first.and_then(|map| map.node.as_deref())),
        classes => option(&classes, first.map(|map| map.class_name.as_str())),
        overlays,
        width,
        height,
    }))
}

/// The place of a name in a list, which it joins where it is new.
fn place<'a>(names: &mut Vec<&'a str>, name: &'a str) -> usize {
    names.iter().position(|known| *known == name).unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    })
}

/// The longest side of an overlay; larger maps are made smaller, so that the page stays small.
const SIDE: usize = 64;
/// How many colours an overlay has, besides that of values that are not finite.
const COLOURS: u8 = 255;

/// A map as a small picture that lets the image below show through; the browser enlarges it.
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
        let mut map = page().runs[0].heat_maps[0].clone();
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
        let mut map = page().runs[0].heat_maps[0].clone();
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
        assert!(html.contains("<option selected>conv2d</option>"), "{html}");
        assert!(html.contains("<option>conv2d_1</option>") && html.contains("<option>cat</option>"));
        assert_eq!(html.matches("data-layer=\"").count(), 2 * 4);
        let mut page = page();
        page.runs.iter_mut().for_each(|run| run.grad_cams.clear());
        assert!(!page.render().unwrap().contains("class=\"chooser\""));
    }
}

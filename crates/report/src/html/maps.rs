//! Feature maps, filters and heat maps, as text for the templates.

use convscope_inspect::feature_maps::{Filters, LayerMaps};
use convscope_inspect::layers::ChannelRow;
use convscope_inspect::{FeatureMaps, LayerTable};
use minijinja::{Value, context};

use super::atlas::Atlas;
use super::bars;
use super::page::{CloseupSection, RunSection};
use super::pictures::{choices, class, described, guesses, pick, script_text};
use super::sprites::Sprites;
use super::uri::picture_uri;
use crate::ReportError;
use crate::feature_maps::{fitted_size, is_single};
use crate::heat_map::{blend, caption, enlarged, method_name};
use crate::number::{percent, significant};
use crate::picture::picture;

/// All variables of `maps.html`; `None` for a run without a closeup. The sheets of all layers of all pictures together
/// have at most about `budget` pixels.
pub(super) fn maps_view(
    run: &RunSection,
    sprites: &mut Sprites,
    budget: usize,
) -> Result<Option<Value>, ReportError> {
    let Some(first) = run.closeups.first() else { return Ok(None) };
    let (maps, image, table) = (&first.maps, &first.maps.image, run.layers.as_ref());
    let shown = picture(&image.rgb, image.height, image.width, image.name.as_ref())?;
    let each = budget / (run.closeups.len() * maps.layers.len()).max(1);
    let layers: Vec<Value> = drawn(maps)
        .enumerate()
        .map(|(place, layer)| {
            let rows = table.and_then(|table| table.row(&layer.name)).map(|row| row.channel_rows.as_slice());
            let view = layer_view(layer, rows.unwrap_or_default(), maps, sprites, each)?;
            Ok(context! { inputs => inputs(layer, place, maps, table), ..view })
        })
        .collect::<Result<_, ReportError>>()?;
    let filters = match &maps.filters {
        Some(filters) if !filters.rgb.is_empty() => Some(filters_view(filters)?),
        _ => None,
    };
    let heat_maps: Vec<Value> = first
        .heat_maps
        .iter()
        .map(|heat| {
            let blended = blend(&shown, heat);
            let (width, height) = blended.dimensions();
            let uri = picture_uri(&blended, method_name(heat.method))?;
            let caption = caption(heat, &heat.class_name);
            Ok(context! { method => method_name(heat.method), caption, uri, width, height })
        })
        .collect::<Result<_, ReportError>>()?;
    let (cam_layers, cam_classes, cam_chosen) = choices(first);
    let (width, height) = enlarged(image.width as u32, image.height as u32);
    let guesses = guesses(image).into_iter().map(|guess| {
        context! { name => guess.name, share => guess.share, bar => guess.bar, tone => guess.tone }
    });
    Ok(Some(context! {
        image => context! {
            name => image.name.clone(),
            uri => picture_uri(&shown, &image.name)?,
            width,
            height,
            thumb => fitted_size(image.height, image.width, THUMB),
            label => image.label.map(|label| class(image, label)),
            right => image.label == Some(image.prediction),
            guesses => guesses.collect::<Vec<_>>(),
        },
        images => run.closeups.iter().map(|closeup| pick(&closeup.maps.image)).collect::<Result<Vec<_>, _>>()?,
        data => data(&run.closeups, &cam_layers, each)?,
        small => layers.len() > MANY_LAYERS,
        layers,
        filters,
        heat_maps,
        cam_layers,
        cam_classes,
        cam_chosen,
    }))
}

/// The layers with something to draw.
fn drawn(maps: &FeatureMaps) -> impl Iterator<Item = &LayerMaps> {
    maps.layers.iter().filter(|layer| !layer.channels.is_empty() && layer.height * layer.width > 0)
}

/// What the script needs to show another picture: the sheet of each layer and the range of each channel. The sheets of the
/// first picture are in the style sheet already.
fn data(closeups: &[CloseupSection], cam_layers: &[String], budget: usize) -> Result<String, ReportError> {
    let mut pictures = Vec::new();
    for (index, closeup) in closeups.iter().enumerate() {
        let mut fields = described(closeup, cam_layers)?;
        let (mut sheets, mut ranges) = (Vec::new(), Vec::new());
        for layer in drawn(&closeup.maps) {
            if index > 0 {
                sheets.push(Atlas::new(layer, budget)?.uri);
            }
            ranges.push((0..layer.channels.len()).map(|channel| range(layer, channel)).collect::<Vec<_>>());
        }
        fields.insert("sheets".to_owned(), sheets.into());
        fields.insert("ranges".to_owned(), ranges.into());
        pictures.push(serde_json::Value::Object(fields));
    }
    Ok(script_text(&pictures.into()))
}

/// The range of a channel's values.
fn range(layer: &LayerMaps, channel: usize) -> String {
    let channel = &layer.channels[channel];
    let (min, max) = (f64::from(channel.min), f64::from(channel.max));
    if is_single(layer) {
        significant(f64::from(channel.values.first().copied().unwrap_or(f32::NAN)))
    } else if channel.is_constant {
        format!("{} everywhere", significant(min))
    } else {
        format!("{} to {}", significant(min), significant(max))
    }
}

/// The positions of a layer's inputs in the drawing, where the network's input is 0: `3 7`.
fn inputs(layer: &LayerMaps, place: usize, maps: &FeatureMaps, table: Option<&LayerTable>) -> String {
    let found = |name: &String| {
        if name == "input" {
            Some(0)
        } else {
            drawn(maps).position(|layer| layer.name == *name).map(|at| at + 1)
        }
    };
    let row = table.and_then(|table| table.row(&layer.name));
    let mut places: Vec<usize> = row.map_or(&[][..], |row| &row.inputs).iter().filter_map(found).collect();
    places.retain(|&input| input <= place);
    if places.is_empty() {
        places.push(place);
    }
    places.iter().map(usize::to_string).collect::<Vec<_>>().join(" ")
}

/// The side of a picture in the drawing of the network; also used in `maps.css`.
const THUMB: u32 = 64;
/// A network of more layers than this is drawn small.
const MANY_LAYERS: usize = 40;

fn layer_view(
    layer: &LayerMaps,
    rows: &[ChannelRow],
    maps: &FeatureMaps,
    sprites: &mut Sprites,
    budget: usize,
) -> Result<Value, ReportError> {
    let image = &maps.image;
    let input_side = image.height.max(image.width);
    let atlas = Atlas::new(layer, budget)?;
    let single = is_single(layer);
    let class_names = layer.is_vector && layer.channels.len() == image.classes.len();
    let channels = layer.channels.iter().enumerate().map(|(index, channel)| {
        let (x, y) = atlas.position(index);
        context! {
            index,
            x => shortest(x),
            y => shortest(y),
            range => range(layer, index),
            facts => rows.get(index).map(channel_facts),
            bars => rows.get(index).and_then(|row| bars::digits(&row.histogram, row.min, row.max)),
            ends => rows.get(index).map(|row| format!("{} to {}", significant(row.min), significant(row.max))),
            class => class_names.then(|| class(image, index)),
            flat => channel.is_constant && !single,
        }
    });
    let strongest = layer.channels.iter().enumerate().max_by(|(_, a), (_, b)| a.max.total_cmp(&b.max));
    let (x, y) = atlas.position(strongest.map_or(0, |(index, _)| index));
    // The picture of a node is as large as its maps are relative to the input.
    let side = f64::from(THUMB) * (layer.height.max(layer.width) as f64 / input_side.max(1) as f64).sqrt();
    let thumb = fitted_size(layer.height, layer.width, (side as u32).clamp(14, THUMB));
    let grid_side = if single { 24 } else { 80 };
    let count = layer.channels.len();
    let shape = if single {
        count.to_string()
    } else {
        format!("{count}\u{202f}×\u{202f}{}\u{202f}×\u{202f}{}", layer.height, layer.width)
    };
    Ok(context! {
        name => layer.name.clone(),
        kind => layer.kind.clone(),
        vector => single,
        count,
        shape,
        sprite => sprites.add(&atlas.uri),
        columns => atlas.grid.0,
        rows => atlas.grid.1,
        cell => fitted_size(layer.height, layer.width, grid_side),
        original => [layer.width, layer.height],
        thumb => if single { (20, 56) } else { thumb },
        thumb_x => shortest(x),
        thumb_y => shortest(y),
        cards => (count as f64).log2().round().clamp(1.0, 8.0) as usize,
        channels => channels.collect::<Vec<_>>(),
    })
}

/// Statistics of a channel over all images.
fn channel_facts(row: &ChannelRow) -> String {
    if row.is_dead {
        return "Over all images: never active.".to_owned();
    }
    let saturated =
        row.saturated_share.map_or_else(String::new, |share| format!(", {} saturated", percent(share)));
    format!(
        "Over all images: mean {}, standard deviation {}, from {} to {}, {} zeros{saturated}.",
        significant(row.mean),
        significant(row.standard_deviation),
        significant(row.min),
        significant(row.max),
        percent(row.zero_share)
    )
}

/// A number with as few digits as needed for a position on the screen.
fn shortest(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn filters_view(filters: &Filters) -> Result<Value, ReportError> {
    let (width, height) = fitted_size(filters.height, filters.width, 48);
    let one = |rgb: &Vec<u8>| {
        picture_uri(&picture(rgb, filters.height, filters.width, filters.name.as_ref())?, &filters.name)
    };
    Ok(context! {
        name => filters.name.clone(),
        max_abs => significant(f64::from(filters.max_abs)),
        width,
        height,
        uris => filters.rgb.iter().map(one).collect::<Result<Vec<_>, _>>()?,
    })
}

//! Feature maps, filters and heat maps, as text for the templates.

use convscope_inspect::feature_maps::{Filters, LayerMaps};
use convscope_inspect::layers::ChannelRow;
use convscope_inspect::{ExampleImage, FeatureMaps, HeatMapMethod, LayerTable};
use minijinja::{Value, context};

use super::atlas::Atlas;
use super::page::RunSection;
use super::uri::picture_uri;
use super::view::Sprites;
use super::{bars, chooser};
use crate::ReportError;
use crate::feature_maps::{fitted_size, is_single};
use crate::heat_map::{blend, caption, method_name};
use crate::number::{percent, significant};
use crate::picture::picture;

/// Everything that `maps.html` names. The pictures of all layers together have about `budget` pixels at most.
pub(super) fn maps_view(
    maps: &FeatureMaps,
    run: &RunSection,
    sprites: &mut Sprites,
    budget: usize,
) -> Result<Value, ReportError> {
    let (table, image) = (run.layers.as_ref(), &maps.image);
    let shown = picture(&image.rgb, image.height, image.width, image.name.as_ref())?;
    let each = budget / maps.layers.len().max(1);
    let layers: Vec<Value> = maps
        .layers
        .iter()
        .filter(|layer| !layer.channels.is_empty() && layer.height * layer.width > 0)
        .map(|layer| {
            let rows = table.and_then(|table| table.row(&layer.name)).map(|row| row.channel_rows.as_slice());
            layer_view(layer, rows.unwrap_or_default(), maps, sprites, each)
        })
        .collect::<Result<_, _>>()?;
    let filters = match &maps.filters {
        Some(filters) if !filters.rgb.is_empty() => Some(filters_view(filters)?),
        _ => None,
    };
    let grad_cams = run.heat_maps.iter().filter(|heat| heat.method == HeatMapMethod::GradCam).count();
    let heat_maps: Vec<Value> = run
        .heat_maps
        .iter()
        .map(|heat| {
            let blended = blend(&shown, heat);
            let (width, height) = blended.dimensions();
            let uri = picture_uri(&blended, method_name(heat.method))?;
            let still = grad_cams == 1 && heat.method == HeatMapMethod::GradCam && !run.grad_cams.is_empty();
            Ok(context! { method => method_name(heat.method), caption => caption(heat), uri, width, height, still })
        })
        .collect::<Result<_, ReportError>>()?;
    let (width, height) = fitted_size(image.height, image.width, 192);
    Ok(context! {
        image => context! {
            name => image.name.clone(),
            uri => picture_uri(&shown, &image.name)?,
            width,
            height,
            thumb => fitted_size(image.height, image.width, THUMB),
            label => image.label.map(|label| class(image, label)),
            right => image.label == Some(image.prediction),
            guesses => guesses(image),
        },
        skips => skips(maps, table),
        net_width => (maps.layers.len() + 1) * NODE,
        layers,
        filters,
        heat_maps,
        chooser => chooser::view(image, &run.grad_cams, &run.heat_maps, sprites)?,
    })
}

/// The side of a picture in the drawing of the network, and how wide a node of it is; `maps.css` knows it too.
const THUMB: u32 = 64;
const NODE: usize = 104;

fn class(image: &ExampleImage, index: usize) -> String {
    image.classes.get(index).cloned().unwrap_or_else(|| format!("class {index}"))
}

/// The most probable classes.
fn guesses(image: &ExampleImage) -> Vec<Value> {
    let mut order: Vec<usize> = (0..image.probabilities.len()).collect();
    order.sort_by(|&a, &b| image.probabilities[b].total_cmp(&image.probabilities[a]));
    let guess = |&index: &usize| {
        let share = f64::from(image.probabilities[index]);
        context! {
            name => class(image, index),
            share => percent(share),
            bar => format!("{:.1}", share.clamp(0.0, 1.0) * 100.0),
            right => image.label == Some(index),
        }
    };
    order.iter().take(5).map(guess).collect()
}

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
        let range = if single {
            significant(f64::from(channel.values.first().copied().unwrap_or(f32::NAN)))
        } else if channel.is_constant {
            format!("{} everywhere", significant(f64::from(channel.min)))
        } else {
            format!("{} to {}", significant(f64::from(channel.min)), significant(f64::from(channel.max)))
        };
        context! {
            index,
            x => shortest(x),
            y => shortest(y),
            range,
            facts => rows.get(index).map(channel_facts),
            bars => rows.get(index).and_then(|row| bars::digits(&row.histogram, row.min, row.max)),
            ends => rows.get(index).map(|row| format!("{} to {}", significant(row.min), significant(row.max))),
            class => class_names.then(|| class(image, index)),
            flat => channel.is_constant && !single,
        }
    });
    let strongest = layer.channels.iter().enumerate().max_by(|(_, a), (_, b)| a.max.total_cmp(&b.max));
    let (x, y) = atlas.position(strongest.map_or(0, |(index, _)| index));
    // The picture of a node is as large as its maps are beside the input.
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

/// What is known of a channel over all images.
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

/// A number with as few digits as will do for a place on the screen.
fn shortest(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Connections that pass over layers, as arcs over the drawing: paths in its pixels.
fn skips(maps: &FeatureMaps, table: Option<&LayerTable>) -> Vec<String> {
    let Some(table) = table else { return Vec::new() };
    // The input is node 0 of the drawing.
    let place = |name: &str| {
        if name == "input" {
            Some(0)
        } else {
            maps.layers.iter().position(|layer| layer.name == name).map(|i| i + 1)
        }
    };
    let mut paths = Vec::new();
    for row in &table.rows {
        let Some(to) = place(&row.name) else { continue };
        for from in row.inputs.iter().filter_map(|name| place(name)).filter(|&from| from + 1 < to) {
            let middle = |node: usize| node * NODE + NODE / 2;
            let rise = 40 - (6 * (to - from)).min(34);
            let (left, right) = (middle(from), middle(to));
            paths.push(format!("M{left} 44C{left} {rise} {right} {rise} {right} 44"));
        }
    }
    paths
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

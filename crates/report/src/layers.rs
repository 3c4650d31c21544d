//! The layer table: for the terminal, as CSV, as JSON.

use std::path::Path;

use convscope_inspect::layers::ChannelRow;
use convscope_inspect::{LayerRow, LayerTable};
use convscope_ops::Activation;

use crate::number::{percent, significant, thousands};
use crate::table::{Cell, Column, Style, Table, Tone, bar};
use crate::{ReportError, csv, json};

/// A column of a file: its name, and its value in a line.
type CsvColumn<Row> = (&'static str, fn(&Row) -> String);

/// The columns of `layers.csv`.
const LAYERS: [CsvColumn<LayerRow>; 24] = [
    ("name", |row| row.name.clone()),
    ("type", |row| row.kind.clone()),
    ("output_shape", |row| shape(row)),
    ("parameters", |row| row.parameters.to_string()),
    ("mean_abs_weight", |row| optional(row.mean_abs_weight)),
    ("sum_abs_weight", |row| optional(row.sum_abs_weight)),
    ("mean_abs_activation", |row| row.mean_abs_activation.to_string()),
    ("normalized_activation", |row| row.normalized_activation.to_string()),
    ("mean", |row| row.mean.to_string()),
    ("standard_deviation", |row| row.standard_deviation.to_string()),
    ("min", |row| row.min.to_string()),
    ("max", |row| row.max.to_string()),
    ("zero_share", |row| row.zero_share.to_string()),
    ("channels", |row| row.channels.to_string()),
    ("dead_channels", |row| row.dead_channels.to_string()),
    ("saturated_share", |row| optional(row.saturated_share)),
    ("effective_rank", |row| optional(row.effective_rank)),
    ("rank_channels", |row| row.rank_channels.to_string()),
    ("relative_change", |row| optional(row.relative_change)),
    ("non_finite_activations", |row| row.non_finite_activations.to_string()),
    ("non_finite_weights", |row| row.non_finite_weights.to_string()),
    ("activation", |row| row.activation.map(Activation::name).unwrap_or_default().to_owned()),
    ("weight_gain", |row| optional(row.weight_gain)),
    ("small_scales", |row| row.small_scales.map_or_else(String::new, |count| count.to_string())),
];

/// The columns of `channels.csv` after those for the layer and the number of the channel.
const CHANNELS: [CsvColumn<ChannelRow>; 7] = [
    ("mean", |channel| channel.mean.to_string()),
    ("standard_deviation", |channel| channel.standard_deviation.to_string()),
    ("min", |channel| channel.min.to_string()),
    ("max", |channel| channel.max.to_string()),
    ("zero_share", |channel| channel.zero_share.to_string()),
    ("is_dead", |channel| channel.is_dead.to_string()),
    ("saturated_share", |channel| optional(channel.saturated_share)),
];

/// A text table with a line for every layer and a bar for its normalised activation, and a line about running
/// statistics, if any.
pub fn render(table: &LayerTable, style: Style) -> String {
    const BAR: usize = 12;
    let mut text = Table::new([
        Column::left("layer"),
        Column::left("type"),
        Column::right("output"),
        Column::right("parameters"),
        Column::right("mean |w|"),
        Column::right("sum |w|"),
        Column::right("mean |a|"),
        Column::left("normalised"),
        Column::right("zeros"),
        Column::right("dead"),
    ]);
    for row in &table.rows {
        let weight = |value: Option<f64>| value.map_or_else(String::new, significant);
        let parameters = if row.parameters == 0 { String::new() } else { thousands(row.parameters as u64) };
        let dead = match row.dead_channels {
            0 => Cell::from(""),
            count => Cell::new(format!("{count} of {}", row.channels), Tone::Bad),
        };
        text.row([
            Cell::from(row.name.as_str()),
            kind(row).into(),
            shape(row).into(),
            parameters.into(),
            weight(row.mean_abs_weight).into(),
            weight(row.sum_abs_weight).into(),
            significant(row.mean_abs_activation).into(),
            normalized(row.normalized_activation, BAR).into(),
            percent(row.zero_share).into(),
            dead,
        ]);
    }
    let mut text = text.render(style);
    let statistics = table.running_statistics();
    if statistics > 0 {
        text += &format!(
            "{} parameters, and {} running statistics of batch normalisation\n",
            thousands(table.parameters()),
            thousands(statistics)
        );
    }
    text
}

/// Writes `layers.csv`, a line for every layer. Values that a layer does not have are empty; shapes are written `16x32x32`;
/// numbers have enough digits to restore the same bits.
///
/// # Errors
/// [`ReportError::Write`] if the file system refuses the file.
pub fn save_csv(table: &LayerTable, path: &Path) -> Result<(), ReportError> {
    let records = table.rows.iter().map(|row| LAYERS.map(|(_, value)| value(row)));
    csv::save(path, &LAYERS.map(|(name, _)| name), records)
}

/// Writes `channels.csv`, a line for every channel of every layer; channels are numbered from 0. The histograms of channels are in
/// `layers.json`.
///
/// # Errors
/// [`ReportError::Write`] if the file system refuses the file.
pub fn save_channels(table: &LayerTable, path: &Path) -> Result<(), ReportError> {
    let names: Vec<&str> = ["layer", "channel"].into_iter().chain(CHANNELS.map(|(name, _)| name)).collect();
    let channels =
        table.rows.iter().flat_map(|row| row.channel_rows.iter().enumerate().map(move |c| (row, c)));
    let records = channels.map(|(row, (index, channel))| {
        let values = CHANNELS.map(|(_, value)| value(channel));
        [row.name.clone(), index.to_string()].into_iter().chain(values).collect::<Vec<_>>()
    });
    csv::save(path, &names, records)
}

/// Writes `layers.json`: the whole table with its histograms and channels. Numbers that are not finite are `null`.
///
/// # Errors
/// [`ReportError::Write`] if the file system refuses the file.
pub fn save_json(table: &LayerTable, path: &Path) -> Result<(), ReportError> {
    json::save(table, path)
}

fn optional(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn normalized(value: f64, width: usize) -> String {
    if value.is_finite() { format!("{value:.3} {}", bar(value, width)) } else { "n/a".to_owned() }
}

/// A shape as `16x32x32`.
pub(crate) fn shape(row: &LayerRow) -> String {
    let sides: Vec<String> = row.output_shape.iter().map(usize::to_string).collect();
    sides.join("x")
}

/// A type with its activation function: `conv2d, relu`.
pub(crate) fn kind(row: &LayerRow) -> String {
    match row.activation.map(Activation::name) {
        Some(activation) if activation != row.kind => format!("{}, {activation}", row.kind),
        _ => row.kind.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::table;

    #[test]
    fn the_terminal_shows_bars_and_names_dead_channels() {
        let text = render(&table(), Style::PLAIN);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2 + 3);
        assert!(lines[2].starts_with("conv2d    conv2d, relu"), "{text}");
        assert!(lines[2].contains("16x8x9") && lines[2].contains("0.250 ███ "), "{text}");
        assert!(lines[3].contains("1.000 ████████████"), "{text}");
        assert!(lines[2].ends_with("3 of 16") && lines[3].ends_with('%'), "{text}");
        let mut normalized = table();
        normalized.rows[1].running_statistics = 1024;
        let text = render(&normalized, Style::PLAIN);
        assert!(
            text.ends_with("\n896 parameters, and 1,024 running statistics of batch normalisation\n"),
            "{text}"
        );
    }

    #[test]
    fn the_csv_has_the_promised_columns_and_every_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("layers.csv");
        save_csv(&table(), &path).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let promised = "name,type,output_shape,parameters,mean_abs_weight,sum_abs_weight,mean_abs_activation,\
                        normalized_activation,";
        assert!(text.starts_with(promised), "{text}");
        let line = text.lines().nth(1).unwrap();
        assert!(line.starts_with("conv2d,conv2d,16x8x9,448,0.1,43.2,0.30000000000000004,0.25,"), "{line}");
        assert!(text.lines().nth(3).unwrap().starts_with("dense,dense,10,0,,,NaN,NaN,"), "{text}");
    }

    #[test]
    fn every_channel_has_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("channels.csv");
        save_channels(&table(), &path).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            (lines.len(), lines[0]),
            (1 + 3 * 16, "layer,channel,mean,standard_deviation,min,max,zero_share,is_dead,saturated_share")
        );
        assert_eq!(lines[1 + 1], "conv2d,1,0.125,0.5,-1,2,0.25,false,0.0625");
        assert_eq!(lines[1 + 16 + 2], "conv2d_1,2,0.25,0.5,-1,2,0.25,true,");
    }

    #[test]
    fn json_says_null_where_a_number_is_not_finite() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("layers.json");
        save_json(&table(), &path).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(value["rows"][0]["type"], "conv2d");
        assert_eq!(value["rows"][0]["mean_abs_activation"], 0.1 + 0.2);
        assert_eq!(value["rows"][0]["channel_rows"][5]["histogram"]["counts"][0], 5);
        assert!(value["rows"][2]["mean_abs_activation"].is_null());
    }
}

//! Made-up results for the tests of this crate.

use convscope_inspect::compare::Difference;
use convscope_inspect::feature_maps::{ChannelMap, Filters, LayerMaps};
use convscope_inspect::findings::Severity;
use convscope_inspect::layers::ChannelRow;
use convscope_inspect::survey::Mistake;
use convscope_inspect::{
    ExampleImage, FeatureMaps, Finding, FindingKind, HeatMap, HeatMapMethod, Histogram, LayerRow, LayerTable,
};
use convscope_ops::Activation;
use convscope_train::LayerMetrics;
use convscope_train::metrics::{Confusion, EpochMetrics};
use convscope_tune::{Parameter, Space, Trial, TrialState};
use image::RgbImage;

use crate::curves::loss_chart;
use crate::html::{
    CloseupSection, ComparisonSection, ConfigValue, DataOrigin, EvaluationSection, ExtraCell, ExtraRow,
    ExtraSection, ExtraTable, KeyFigure, Preview, ReportPage, RunSection,
};

/// A layer whose values are `value(channel, y, x)`.
pub(crate) fn layer_of(
    name: &str,
    [channels, height, width]: [usize; 3],
    value: impl Fn(usize, usize, usize) -> f32,
) -> LayerMaps {
    let channel = |c| {
        let values: Vec<f32> =
            (0..height * width).map(|place| value(c, place / width, place % width)).collect();
        let min = values.iter().copied().filter(|v| v.is_finite()).fold(f32::INFINITY, f32::min);
        let max = values.iter().copied().filter(|v| v.is_finite()).fold(f32::NEG_INFINITY, f32::max);
        ChannelMap { values, min, max, is_constant: min == max }
    };
    LayerMaps {
        name: name.to_owned(),
        kind: "conv2d".to_owned(),
        height,
        width,
        is_vector: height * width == 1,
        channels: (0..channels).map(channel).collect(),
    }
}

/// A layer whose channels, rows and columns all differ.
pub(crate) fn layer(name: &str, channels: usize, height: usize, width: usize) -> LayerMaps {
    layer_of(name, [channels, height, width], |c, y, x| (c + 2 * y + 3 * x) as f32)
}

/// A picture that the network recognises.
pub(crate) fn example(height: usize, width: usize) -> ExampleImage {
    ExampleImage {
        name: "test image 12".to_owned(),
        split: None,
        index: Some(12),
        height,
        width,
        planes: Vec::new(),
        rgb: (0..height * width * 3).map(|place| (place * 7) as u8).collect(),
        label: Some(1),
        prediction: 1,
        probabilities: vec![0.25, 0.75],
        classes: vec!["cat".to_owned(), "dog".to_owned()],
    }
}

/// Three layers: one with dead channels, the largest, and one whose activations are not finite.
pub(crate) fn table() -> LayerTable {
    let row = LayerRow {
        name: "conv2d".to_owned(),
        kind: "conv2d".to_owned(),
        output_shape: vec![16, 8, 9],
        parameters: 448,
        running_statistics: 0,
        mean_abs_weight: Some(0.1),
        sum_abs_weight: Some(43.2),
        weight_gain: Some(1.2),
        small_scales: None,
        mean_abs_activation: 0.1 + 0.2,
        normalized_activation: 0.25,
        mean: 0.3,
        standard_deviation: 0.4,
        min: 0.0,
        max: 5.0,
        zero_share: 0.5,
        channels: 16,
        dead_channels: 3,
        saturated_share: None,
        effective_rank: Some(4.5),
        rank_channels: 16,
        relative_change: None,
        is_identity: false,
        non_finite_activations: 0,
        non_finite_weights: 0,
        inputs: vec!["input".to_owned()],
        activation: Some(Activation::Relu),
        histogram: Histogram { edges: vec![0.0, 1.0, 2.0], counts: vec![7, 3] },
        weight_histogram: None,
        channel_rows: (0..16_u32)
            .map(|channel| ChannelRow {
                mean: 0.125 * f64::from(channel),
                standard_deviation: 0.5,
                zero_share: 0.25,
                min: -1.0,
                max: 2.0,
                is_dead: channel == 2,
                saturated_share: (channel == 1).then_some(0.0625),
                histogram: Histogram { edges: vec![-1.0, 0.0, 1.0, 2.0], counts: vec![channel.into(), 9, 4] },
            })
            .collect(),
    };
    let second = LayerRow {
        name: "conv2d_1".to_owned(),
        normalized_activation: 1.0,
        dead_channels: 0,
        inputs: vec!["conv2d".to_owned()],
        ..row.clone()
    };
    let last = LayerRow {
        name: "dense".to_owned(),
        kind: "dense".to_owned(),
        output_shape: vec![10],
        parameters: 0,
        running_statistics: 0,
        mean_abs_weight: None,
        sum_abs_weight: None,
        mean_abs_activation: f64::NAN,
        normalized_activation: f64::NAN,
        dead_channels: 0,
        activation: Some(Activation::Softmax),
        inputs: vec!["conv2d_1".to_owned(), "conv2d".to_owned()],
        histogram: Histogram { edges: Vec::new(), counts: Vec::new() },
        ..row.clone()
    };
    LayerTable { images: 40_000, rows: vec![row, second, last], trend: None }
}

/// A finding of one layer.
pub(crate) fn finding(severity: Severity, text: &str) -> Finding {
    Finding {
        kind: FindingKind::DeadChannels,
        severity,
        node: Some("conv2d".to_owned()),
        value: 0.5,
        threshold: 0.1,
        text: text.to_owned(),
    }
}

/// This many epochs, with all columns different.
pub(crate) fn metrics(epochs: u64) -> Vec<EpochMetrics> {
    let line = |epoch| EpochMetrics {
        epoch,
        learning_rate: 0.001,
        train_loss: 2.0 / epoch as f64,
        train_accuracy: 1.0 - 0.9 / epoch as f64,
        val_loss: 2.2 / epoch as f64,
        val_accuracy: 1.0 - 0.95 / epoch as f64,
        seconds: 10.0,
        images_per_second: 1000.0,
        data_wait_seconds: 0.1,
    };
    (1..=epochs).map(line).collect()
}

/// Two layers for this many epochs, with all numbers different.
pub(crate) fn layer_metrics(epochs: u64) -> Vec<LayerMetrics> {
    let line = |epoch: u64, layer: &str, factor: f64| LayerMetrics {
        epoch,
        layer: layer.to_owned(),
        gradient_norm: factor / epoch as f64,
        update_ratio: 1e-3 * factor / epoch as f64,
        weight_norm: 10.0 * factor,
    };
    (1..=epochs).flat_map(|epoch| [line(epoch, "conv2d", 0.1), line(epoch, "dense", 0.7)]).collect()
}

/// A page with everything on it, and names that must not be interpreted as markup.
pub(crate) fn page() -> ReportPage {
    let classes: Vec<String> = ["cat", "<b>dog</b> & \"co\"", "it's"].map(String::from).to_vec();
    let mut confusion = Confusion::new(3);
    for (label, prediction) in [(0, 0), (0, 0), (0, 1), (1, 1), (2, 1), (2, 2)] {
        confusion.record(label, prediction).unwrap();
    }
    let mistake = Mistake {
        index: 7,
        path: Some("pictures/<img src=x onerror=alert(1)>.png".to_owned()),
        label: 0,
        prediction: 1,
        confidence: 0.98,
        height: 6,
        width: 8,
        rgb: vec![90; 6 * 8 * 3],
    };
    let heat = HeatMap {
        method: HeatMapMethod::GradCam,
        node: Some("conv2d".to_owned()),
        class: 1,
        class_name: classes[1].clone(),
        height: 2,
        width: 2,
        values: vec![0.0, 1.0, 2.0, 3.0],
        min: 0.0,
        max: 3.0,
        is_constant: false,
    };
    let grad_cams: Vec<HeatMap> = ["conv2d", "conv2d_1"]
        .into_iter()
        .flat_map(|node| [0, 1].map(|class| (node, class)))
        .map(|(node, class)| HeatMap {
            node: Some(node.to_owned()),
            class,
            class_name: classes[class].clone(),
            ..heat.clone()
        })
        .collect();
    let filters = Filters {
        name: "conv2d".to_owned(),
        height: 3,
        width: 3,
        max_abs: 0.5,
        rgb: vec![vec![200; 27]; 16],
    };
    let wave = |c: usize, y: usize, x: usize| ((c + 1) as f32 * 0.3 * (x as f32 + 0.7 * y as f32)).sin();
    let layers = vec![
        layer_of("conv2d", [16, 24, 32], wave),
        layer_of("conv2d_1", [5, 12, 16], wave),
        layer_of("dense", [3, 1, 1], |c, _, _| [0.1, 0.7, 0.2][c]),
    ];
    let maps = FeatureMaps {
        image: ExampleImage { classes: classes.clone(), ..example(24, 32) },
        layers,
        filters: Some(filters),
    };
    let mut wrong = FeatureMaps {
        image: ExampleImage { name: "test image 3".to_owned(), label: Some(2), ..maps.image.clone() },
        ..maps.clone()
    };
    wrong.layers[0] = layer_of("conv2d", [16, 24, 32], |c, y, x| wave(c, x, y) * 7.0);
    let closeup =
        CloseupSection { maps: maps.clone(), heat_maps: vec![heat.clone(); 3], grad_cams: grad_cams.clone() };
    let run = |name: &str, epochs| RunSection {
        name: name.to_owned(),
        figures: vec![KeyFigure::percent("test accuracy", 0.842), KeyFigure::count("parameters", 294_810)],
        config: vec![ConfigValue {
            key: "data.source".to_owned(),
            value: "<script>alert(1)</script>".to_owned(),
        }],
        metrics: metrics(epochs),
        layer_metrics: layer_metrics(epochs),
        evaluation: Some(EvaluationSection {
            over: "6 test images".to_owned(),
            loss: 0.5,
            accuracy: 4.0 / 6.0,
            classes: classes.clone(),
            confusion: confusion.clone(),
            mistakes: vec![mistake.clone(); 3],
        }),
        layers: Some(table()),
        findings: Some(vec![finding(Severity::Warning, "3 of 16 channels of conv2d are <dead> & gone.")]),
        layers_over: "40,000 training images".to_owned(),
        closeups: vec![closeup.clone(), CloseupSection { maps: wrong.clone(), ..closeup.clone() }],
        charts: Vec::new(),
    };
    let differences =
        vec![Difference { key: "model".to_owned(), values: vec![Some("\"a\"".to_owned()), None] }];
    let preview = Preview { caption: "sheet".to_owned(), picture: RgbImage::new(900, 60) };
    ReportPage {
        title: "plain8 & <friends> on a/folder/with-a-long-name/that-no-line-of-a-phone-holds".to_owned(),
        subtitle: "on shapes".to_owned(),
        origin: DataOrigin::Synthetic,
        generator: "convscope 0.1.0".to_owned(),
        runs: vec![run("a", 12), run("b <i>", 3)],
        comparison: Some(ComparisonSection {
            differences,
            statements: vec![finding(Severity::Note, "b is better")],
        }),
        previews: vec![preview.clone()],
        extra: vec![ExtraSection {
            title: "Study".to_owned(),
            text: "Of 3 trials.".to_owned(),
            charts: vec![loss_chart(&[("a", &metrics(4))]).diagram()],
            tables: vec![ExtraTable {
                caption: "Trials".to_owned(),
                columns: vec!["trial".to_owned(), "lr".to_owned()],
                rows: [["1", "0.1"], ["2", "0.02"], ["3", "0.5"]]
                    .map(|r| ExtraRow {
                        cells: r.map(|text| ExtraCell { text: text.to_owned(), link: None }).to_vec(),
                        is_marked: false,
                    })
                    .to_vec(),
            }],
            pictures: vec![preview],
        }],
        contents: None,
    }
}

/// A search over a rate and an optimizer: six completed trials, a pruned one and one that failed.
pub(crate) fn study() -> (Space, Vec<Trial>) {
    let space = Space::new(vec![
        Parameter::range("lr=0.001..0.1:log").unwrap(),
        Parameter::grid("optimizer=adam,sgd").unwrap(),
    ])
    .unwrap();
    let found = [
        (0.001, 0.0, Some(0.61)),
        (0.003, 1.0, Some(0.4)),
        (0.02, 0.0, Some(0.3)),
        (0.03, 1.0, Some(0.81)),
        (0.01, 0.0, Some(0.7)),
        (0.09, 0.0, None),
        (0.05, 1.0, Some(0.55)),
        (0.002, 0.0, Some(0.35)),
    ];
    let trial = |(number, (rate, optimizer, value)): (usize, (f64, f64, Option<f64>))| {
        let (state, epochs) = match (number, value) {
            (2, _) => (TrialState::Pruned, 1),
            (_, None) => (TrialState::Failed, 1),
            _ => (TrialState::Complete, 3),
        };
        let end = value.unwrap_or(0.1);
        let mut attributes = serde_json::Map::new();
        if value.is_none() {
            attributes.insert("reason".into(), "the loss is <b>no</b> longer finite".into());
        }
        attributes.insert("train_accuracy".into(), (end * 0.9).into());
        Trial {
            id: number,
            number,
            state,
            parameters: space
                .values(&[rate, optimizer])
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            value,
            curve: (1..=epochs).map(|epoch| (epoch, end * epoch as f64 / epochs as f64)).collect(),
            attributes,
        }
    };
    let trials = found.into_iter().enumerate().map(trial).collect();
    (space, trials)
}

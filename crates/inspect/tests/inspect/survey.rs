//! The layer table against PyTorch, and planted faults.

use convscope_data::Split;
use convscope_graph::WeightsFile;
use convscope_inspect::findings::Severity;
use convscope_inspect::{Finding, FindingKind, Histogram, Survey, SurveyOptions};
use serde::Deserialize;
use std::collections::BTreeMap;

use crate::common::{Formula, MEAN, STD, fixture, fresh, inspector, recorded, with};

#[derive(Deserialize)]
struct Expected {
    name: String,
    mean_abs_weight: Option<f64>,
    sum_abs_weight: Option<f64>,
    mean_abs_activation: f64,
    mean: f64,
    standard_deviation: f64,
    min: f64,
    max: f64,
    zero_share: f64,
    dead_channels: usize,
    effective_rank: Option<f64>,
    relative_change: Option<f64>,
    channel_means: Vec<f64>,
    channel_deviations: Vec<f64>,
}

fn survey_of(weights: WeightsFile, images: usize, options: SurveyOptions) -> Survey {
    let mut inspector = inspector(weights);
    let source = Formula::for_network(inspector.graph(), images);
    inspector.survey(source, SurveyOptions { split: Split::Test, ..options }, &mut |_| {}).unwrap()
}

#[track_caller]
fn close(what: &str, ours: f64, theirs: f64) {
    assert!((ours - theirs).abs() <= 1e-5 * theirs.abs().max(1e-2), "{what}: {ours} is not {theirs}");
}

#[test]
fn layer_table_is_pytorchs() {
    let text = std::fs::read_to_string(fixture("layer_table.json")).unwrap();
    let tables: BTreeMap<String, Vec<Expected>> = serde_json::from_str(&text).unwrap();
    assert_eq!(tables.len(), 3);
    for (network, expected) in tables {
        let survey = survey_of(recorded(&network), 23, SurveyOptions::default());
        assert_eq!((survey.images, survey.layers.images), (23, 23));
        assert_eq!(survey.layers.rows.len(), expected.len());
        for (row, expected) in survey.layers.rows.iter().zip(&expected) {
            assert_eq!(row.name, expected.name);
            let name = |what: &str| format!("{network}, {}, {what}", row.name);
            let optional = |what: &str, ours: Option<f64>, theirs: Option<f64>| {
                assert_eq!(ours.is_some(), theirs.is_some(), "{}", name(what));
                close(&name(what), ours.unwrap_or(0.0), theirs.unwrap_or(0.0));
            };
            optional("mean |weight|", row.mean_abs_weight, expected.mean_abs_weight);
            optional("sum |weight|", row.sum_abs_weight, expected.sum_abs_weight);
            optional(
                "relative change",
                row.relative_change.filter(|_| expected.relative_change.is_some()),
                expected.relative_change,
            );
            close(&name("mean |activation|"), row.mean_abs_activation, expected.mean_abs_activation);
            close(&name("mean"), row.mean, expected.mean);
            close(&name("deviation"), row.standard_deviation, expected.standard_deviation);
            close(&name("min"), row.min, expected.min);
            close(&name("max"), row.max, expected.max);
            close(&name("zeros"), row.zero_share, expected.zero_share);
            // Where values hardly vary, their rounding errors show.
            assert_eq!(row.effective_rank.is_some(), expected.effective_rank.is_some());
            let (ours, theirs) = (row.effective_rank.unwrap_or(1.0), expected.effective_rank.unwrap_or(1.0));
            assert!((ours - theirs).abs() < 5e-4 * theirs, "{}: {ours} is not {theirs}", name("rank"));
            assert_eq!(row.dead_channels, expected.dead_channels, "{}", name("dead channels"));
            for (index, channel) in row.channel_rows.iter().enumerate() {
                close(&name("mean of a channel"), channel.mean, expected.channel_means[index]);
                close(
                    &name("deviation of a channel"),
                    channel.standard_deviation,
                    expected.channel_deviations[index],
                );
            }
            assert_eq!(row.channel_rows.len(), expected.channel_means.len());
            let counted: u64 = row.histogram.counts.iter().sum();
            assert_eq!(counted, 23 * row.output_shape.iter().product::<usize>() as u64);
        }
        for row in &survey.layers.rows {
            // So few positions that none are left out.
            let count = |histogram: &Histogram| histogram.counts.iter().sum::<u64>();
            let of_channels = row.channel_rows.iter().map(|channel| count(&channel.histogram));
            assert_eq!(of_channels.sum::<u64>(), count(&row.histogram), "{}", row.name);
        }
        let normalized = survey.layers.rows.iter().map(|row| row.normalized_activation);
        assert_eq!(normalized.clone().fold(f64::INFINITY, f64::min), 0.0);
        assert_eq!(normalized.fold(0.0, f64::max), 1.0);
    }
}

#[test]
fn softmax_and_flatten_read_what_they_must() {
    let survey = survey_of(recorded("narrow8_bn"), 50, SurveyOptions::default());
    let rows = &survey.layers.rows;
    let (softmax, flatten, pooling) = (&rows[rows.len() - 1], &rows[rows.len() - 2], &rows[rows.len() - 3]);
    assert_eq!((softmax.kind.as_str(), flatten.kind.as_str()), ("dense", "flatten"));
    assert!((softmax.mean_abs_activation - 1.0 / softmax.channels as f64).abs() < 1e-8);
    assert_eq!(flatten.mean_abs_activation, pooling.mean_abs_activation);
    assert_eq!(flatten.channel_rows, pooling.channel_rows);
}

/// The same bits for any number of threads, and a pass over only the first images.
#[test]
fn numbers_depend_on_the_images_alone() {
    let run = |threads: usize, images: usize, limit: Option<usize>| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let options = SurveyOptions { limit, ..SurveyOptions::default() };
        let mut survey = pool.install(|| survey_of(recorded("narrow_residual"), images, options));
        survey.seconds = 0.0;
        survey
    };
    let one = run(1, 300, None);
    for threads in [2, 3, 7] {
        assert!(run(threads, 300, None) == one, "{threads} threads");
    }
    let (cut, whole) = (run(2, 300, Some(41)), run(2, 41, None));
    assert_eq!(cut.layers, whole.layers);
    assert_eq!((cut.loss, cut.images, &cut.mistakes), (whole.loss, 41, &whole.mistakes));
}

#[test]
fn mistakes_are_the_most_confident_ones_with_their_pictures() {
    let all =
        survey_of(recorded("narrow8_bn"), 60, SurveyOptions { mistakes: 60, ..SurveyOptions::default() });
    let few =
        survey_of(recorded("narrow8_bn"), 60, SurveyOptions { mistakes: 5, ..SurveyOptions::default() });
    let wrong = 60 - (all.accuracy * 60.0).round() as usize;
    assert_eq!(all.mistakes.len(), wrong);
    assert_eq!(few.mistakes, all.mistakes[..5]);
    assert!(all.mistakes.is_sorted_by(|a, b| a.confidence >= b.confidence));
    for mistake in &all.mistakes {
        assert!(
            mistake.label != mistake.prediction && mistake.label == mistake.index * 7 % all.classes.len()
        );
        assert_eq!(mistake.rgb[0], ((mistake.index as u64 * 8 * 12 * 3 * 2_654_435_761) >> 13) as u8);
    }
}

/// Four convolutions and two dense layers, with a normalisation.
const NETWORK: &str = r#"
name = "small"
initializer = "he_normal"
[[node]]
op = "conv2d"
out_channels = 8
kernel_size = 3
padding = "same"
activation = "relu"
[[node]]
op = "conv2d"
out_channels = 8
kernel_size = 3
padding = "same"
activation = "relu"
[[node]]
op = "batch_norm"
[[node]]
op = "max_pool2d"
kernel_size = 2
[[node]]
op = "conv2d"
out_channels = 12
kernel_size = 3
padding = "same"
activation = "relu"
[[node]]
op = "dropout"
p = 0.5
[[node]]
op = "flatten"
[[node]]
op = "linear"
out_features = 9
activation = "sigmoid"
[[node]]
op = "linear"
out_features = "classes"
activation = "softmax"
"#;

fn sound() -> WeightsFile {
    // A normalisation with scales other than one has an effect even before training.
    with(fresh(NETWORK, [3, 12, 8], 4), "batch_normalization.weight", |index, scale| {
        *scale = 0.5 + 0.1 * index as f32
    })
}

fn found(weights: WeightsFile) -> Vec<Finding> {
    survey_of(weights, 40, SurveyOptions::default()).findings
}

/// The finding of this kind, which is about this node.
#[track_caller]
fn one(findings: &[Finding], kind: FindingKind, node: &str) -> Finding {
    let of_kind: Vec<&Finding> = findings.iter().filter(|finding| finding.kind == kind).collect();
    assert_eq!(of_kind.len(), 1, "{findings:#?}");
    assert_eq!(of_kind[0].node.as_deref(), Some(node));
    assert!(of_kind[0].text.contains(node), "{}", of_kind[0].text);
    of_kind[0].clone()
}

#[test]
fn of_a_sound_network_only_its_depth_is_told() {
    let findings = found(sound());
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(
        (findings[0].kind, findings[0].severity),
        (FindingKind::ActivationsHeldTogether, Severity::Note)
    );
}

#[test]
fn a_dead_layer_is_named() {
    let findings = found(with(sound(), "conv2d_2.bias", |_, bias| *bias = -1e3));
    let finding = one(&findings, FindingKind::DeadLayer, "conv2d_2");
    assert_eq!((finding.value, finding.severity), (12.0, Severity::Problem));
}

#[test]
fn dead_channels_are_counted_at_their_layer_alone() {
    let findings =
        found(with(sound(), "conv2d_2.bias", |index, bias| *bias = if index < 3 { -1e3 } else { *bias }));
    let finding = one(&findings, FindingKind::DeadChannels, "conv2d_2");
    assert_eq!((finding.value, finding.severity), (3.0, Severity::Warning));
    assert!(finding.text.starts_with("3 of the 12 channels of conv2d_2 (25.0 %) were"), "{}", finding.text);
    let findings =
        found(with(sound(), "conv2d_2.bias", |index, bias| *bias = if index < 1 { -1e3 } else { *bias }));
    let finding = one(&findings, FindingKind::DeadChannels, "conv2d_2");
    assert!(finding.text.contains("(8.33 %) was never active on any image. It costs"), "{}", finding.text);
}

#[test]
fn a_weight_that_is_not_a_number_is_named_with_the_first_activations() {
    let findings = found(with(sound(), "conv2d_1.weight", |index, weight| {
        if index == 77 {
            *weight = f32::NAN;
        }
    }));
    assert_eq!(one(&findings, FindingKind::NonFiniteWeights, "conv2d_1").value, 1.0);
    let finding = one(&findings, FindingKind::NonFiniteActivations, "conv2d_1");
    // One of eight channels, at all positions of all images.
    assert_eq!(finding.value, 40.0 * 12.0 * 8.0);
    assert!(finding.text.contains("later layers have them too"), "{}", finding.text);
    assert_eq!(findings[0].severity, Severity::Problem);
}

#[test]
fn a_layer_scaled_by_a_thousand_is_named_wherever_it_stands() {
    for node in ["conv2d", "conv2d_1", "conv2d_2", "dense_1"] {
        let findings = found(with(sound(), &format!("{node}.weight"), |_, weight| *weight *= 1000.0));
        let finding = one(&findings, FindingKind::OutlierActivations, node);
        assert!(finding.value > 300.0 && finding.threshold == 100.0, "{finding:?}");
        assert!(!findings.iter().any(|finding| finding.kind == FindingKind::GrowingActivations));
    }
    // Its bias makes a layer stand out, although its weights do not.
    let findings = found(with(sound(), "conv2d_1.bias", |_, bias| *bias = 500.0));
    let finding = one(&findings, FindingKind::OutlierActivations, "conv2d_1");
    assert!(finding.text.starts_with("The activations of conv2d_1 are "), "{}", finding.text);
}

#[test]
fn saturated_idle_and_switched_off_layers_are_named() {
    let findings = found(with(sound(), "dense.bias", |_, bias| *bias = 60.0));
    assert_eq!(one(&findings, FindingKind::Saturated, "dense").value, 1.0);
    let findings = found(fresh(NETWORK, [3, 12, 8], 4));
    let finding = one(&findings, FindingKind::IdleLayer, "batch_normalization");
    assert!(finding.value < 1e-3);
    let findings = found(with(sound(), "batch_normalization.weight", |index, scale| {
        if index < 2 {
            *scale = -1e-3;
        }
    }));
    assert_eq!(one(&findings, FindingKind::SmallScales, "batch_normalization").value, 2.0);
}

#[test]
fn activations_that_grow_with_depth_are_told_by_their_factor() {
    let mut weights = sound();
    for key in ["conv2d.weight", "conv2d_1.weight", "conv2d_2.weight"] {
        weights = with(weights, key, |_, weight| *weight *= 4.0);
    }
    let findings = found(weights);
    let finding = findings.iter().find(|finding| finding.kind == FindingKind::GrowingActivations);
    // The sigmoid at the end limits its own activations.
    assert!(finding.is_none_or(|finding| finding.value > 1.2), "{findings:#?}");
    let plain =
        NETWORK.replace("activation = \"sigmoid\"", "").replace("op = \"batch_norm\"", "op = \"relu\"");
    let mut weights = fresh(&plain, [3, 12, 8], 4);
    for key in ["conv2d.weight", "conv2d_1.weight", "conv2d_2.weight", "dense.weight"] {
        weights = with(weights, key, |_, weight| *weight *= 4.0);
    }
    let findings = found(weights);
    let finding = findings.iter().find(|finding| finding.kind == FindingKind::GrowingActivations).unwrap();
    assert!((2.5..8.0).contains(&finding.value), "{finding:?}");
    assert!(finding.text.contains("from layer to layer over 4 layers"), "{}", finding.text);
}

/// A layer counts with what the next one reads: the second convolution with its normalisation.
#[test]
fn depth_is_measured_behind_a_normalisation() {
    let weights = with(sound(), "batch_normalization.weight", |_, scale| *scale *= 30.0);
    let survey = survey_of(weights, 40, SurveyOptions::default());
    let size = |name: &str| survey.layers.row(name).unwrap().mean_abs_activation;
    let sizes = ["conv2d", "batch_normalization", "conv2d_2", "dense"].map(size);
    let largest = sizes.into_iter().fold(0.0, f64::max);
    let smallest = sizes.into_iter().fold(f64::INFINITY, f64::min);
    let trend = survey.layers.trend.as_ref().unwrap();
    assert_eq!((trend.layers, trend.spread), (4, largest / smallest));
    assert!(size("batch_normalization") > 5.0 * size("conv2d_1"));
}

/// A sigmoid of each colour: the output of each channel follows from the bytes.
const COLOURS: &str = r#"
name = "colours"
[[node]]
op = "conv2d"
out_channels = 2
kernel_size = 1
activation = "sigmoid"
[[node]]
op = "flatten"
[[node]]
op = "linear"
out_features = "classes"
activation = "softmax"
"#;

#[test]
fn channels_have_their_own_distribution_and_saturation() {
    const IMAGES: usize = 9;
    let factors = [[0.0, 4.0, 0.0], [0.0, 0.0, -1.0]];
    let weights = with(fresh(COLOURS, [3, 6, 10], 4), "conv2d.weight", |index, weight| {
        *weight = factors[index / 3][index % 3]
    });
    let weights = with(weights, "conv2d.bias", |index, bias| *bias = [0.0, 5.0][index]);
    let source = Formula::for_network(inspector(weights.clone()).graph(), IMAGES);
    let survey = survey_of(weights, IMAGES, SurveyOptions::default());
    let row = survey.layers.row("conv2d").unwrap();
    for (channel, (colour, factor, bias)) in [(1, 4.0, 0.0), (2, -1.0, 5.0)].into_iter().enumerate() {
        let mut values = Vec::new();
        for index in 0..IMAGES {
            let mut pixels = [0; 6 * 10 * 3];
            source.read(Split::Test, index, &mut pixels).unwrap();
            let input = |byte: u8| (f32::from(byte) / 255.0 - MEAN[colour]) / STD[colour];
            let bytes = pixels.iter().skip(colour).step_by(3);
            values.extend(bytes.map(|&byte| 1.0 / (1.0 + (-(input(byte) * factor + bias)).exp())));
        }
        let ours = &row.channel_rows[channel];
        let saturated = values.iter().filter(|&&value| !(1e-3..=1.0 - 1e-3).contains(&value)).count();
        assert!((saturated > 0) == (channel == 0));
        assert_eq!(ours.saturated_share, Some(saturated as f64 / values.len() as f64));
        let expected = Histogram::of(&values);
        assert_eq!(ours.histogram.edges.last(), expected.edges.last());
        let above = |histogram: &Histogram, from: f64| -> Vec<u64> {
            let bins = histogram.edges.iter().zip(&histogram.counts);
            bins.filter(|(edge, _)| **edge >= from).map(|(_, &count)| count).collect()
        };
        assert_eq!(above(&ours.histogram, 0.25), above(&expected, 0.25));
        assert_eq!(ours.histogram.counts.iter().sum::<u64>(), values.len() as u64);
    }
    let shares = row.channel_rows.iter().map(|channel| channel.saturated_share.unwrap());
    assert!((row.saturated_share.unwrap() - shares.sum::<f64>() / 2.0).abs() < 1e-12);
    assert!(survey.layers.row("flatten").unwrap().channel_rows[0].saturated_share.is_none());
}

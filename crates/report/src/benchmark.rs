//! The result of a benchmark, as a document for programs and as text.

use convscope_train::benchmark::{Latency, LayerTimes, OtherTime, PassTime, Setup, Throughput};
use serde::Serialize;

use crate::number::{bytes, significant};
use crate::plan::{precision_name, way_name};
use crate::table::{Cell, Column, Style, Table, Tone};

/// Everything that was measured; what was not requested is `None`, and absent from JSON.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub struct BenchmarkReport {
    /// What was measured on which machine.
    #[serde(flatten)]
    pub setting: Setup,
    /// Training steps with the update of the weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train: Option<Throughput>,
    /// Logits of whole batches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference: Option<Throughput>,
    /// Logits of one image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// The start of training in a separate process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Start>,
    /// The time of each layer in a training step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<LayerTimes>>,
    /// The rest of a training step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<Vec<OtherTime>>,
}

/// The cost of starting.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Start {
    /// From the start of the process to the end of the first training step.
    pub first_step_seconds: f64,
    /// The most memory that the process used during a few training steps.
    pub peak_memory_bytes: Option<u64>,
}

/// A line per figure, then a table of the layers.
pub fn render(report: &BenchmarkReport, style: Style) -> String {
    let Setup { model, input: [channels, rows, columns], batch_size, threads, .. } = &report.setting;
    let gflops = |multiply_adds: f64| significant(2.0 * multiply_adds / 1e9);
    let mut text = format!(
        "{model} for images of {channels}x{rows}x{columns}: batches of {batch_size}, {precision}, {threads} {noun}, \
         {instructions}\n\
         peak          {f32} GFLOP/s in f32, {bf16} in bf16, all threads together\n\n",
        precision = precision_name(report.setting.precision),
        noun = if *threads == 1 { "thread" } else { "threads" },
        instructions = report.setting.instructions,
        f32 = gflops(report.setting.peak.f32),
        bf16 = gflops(report.setting.peak.bf16),
    );
    if let Some(train) = &report.train {
        text += &throughput("training", train, report.setting.train_ceiling.made);
    }
    if let Some(inference) = &report.inference {
        text += &throughput("inference", inference, report.setting.inference_ceiling.made);
    }
    if let Some(latency) = &report.latency {
        text += &format!(
            "one image     {} ms, half of {} runs between {} and {}\n",
            significant(latency.milliseconds),
            latency.runs,
            significant(latency.lower_quartile),
            significant(latency.upper_quartile),
        );
    }
    if let Some(start) = &report.start {
        text += &format!(
            "first step    {} ms after the start of the process\n",
            significant(start.first_step_seconds * 1e3)
        );
        if let Some(memory) = start.peak_memory_bytes {
            text += &format!("memory        {} at most while training\n", bytes(memory));
        }
    }
    if let Some(layers) = &report.layers {
        text += "\n";
        text += &table(layers, report.other.as_deref().unwrap_or_default(), style);
    }
    text
}

fn throughput(name: &str, throughput: &Throughput, ceiling: f64) -> String {
    format!(
        "{name:<13} {} images/s, half of {} batches between {} and {}; {:.0} % of the ceiling of {}\n",
        significant(throughput.images_per_second),
        throughput.batches,
        significant(throughput.lower_quartile),
        significant(throughput.upper_quartile),
        100.0 * throughput.images_per_second / ceiling,
        significant(ceiling),
    )
}

fn table(layers: &[LayerTimes], others: &[OtherTime], style: Style) -> String {
    let mut table = Table::new([
        Column::left("layer"),
        Column::left("way"),
        Column::right("forward ms"),
        Column::right("GFLOP/s"),
        Column::right("of peak"),
        Column::right("input grad ms"),
        Column::right("GFLOP/s"),
        Column::right("of peak"),
        Column::right("weight grad ms"),
        Column::right("GFLOP/s"),
        Column::right("of peak"),
        Column::right("share of step"),
    ]);
    let time_of = |layer: &LayerTimes| -> f64 {
        let passes = [Some(layer.forward), layer.input_gradient, layer.weight_gradient];
        passes.iter().flatten().map(|pass| pass.milliseconds).sum()
    };
    let whole = layers.iter().map(time_of).chain(others.iter().map(|other| other.milliseconds)).sum::<f64>();
    let share = |milliseconds: f64| Cell::from(format!("{:.1} %", 100.0 * milliseconds / whole));
    for layer in layers {
        let mut row =
            vec![Cell::from(layer.name.as_str()), way_name(layer.algorithm, layer.precision).into()];
        row.extend(pass(Some(layer.forward)));
        row.extend(pass(layer.input_gradient));
        row.extend(pass(layer.weight_gradient));
        row.push(share(time_of(layer)));
        table.row(row);
    }
    table.rule();
    for other in others {
        let mut row = vec![Cell::new(other.name, Tone::Dim), "".into(), milliseconds(other.milliseconds)];
        row.extend(std::iter::repeat_n(Cell::from(""), 8));
        row.push(share(other.milliseconds));
        table.row(row);
    }
    table.render(style)
}

fn pass(pass: Option<PassTime>) -> [Cell; 3] {
    let Some(pass) = pass else { return std::array::from_fn(|_| "".into()) };
    let optional =
        |value: Option<f64>, text: &dyn Fn(f64) -> String| value.map_or(String::new(), text).into();
    [
        milliseconds(pass.milliseconds),
        optional(pass.gflops, &|rate| format!("{rate:.0}")),
        optional(pass.share_of_peak, &|share| format!("{:.0} %", 100.0 * share)),
    ]
}

fn milliseconds(value: f64) -> Cell {
    format!("{value:.3}").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use convscope_graph::Ceiling;
    use convscope_kernels::peak::Peak;
    use convscope_ops::{Algorithm, Precision};

    fn report() -> BenchmarkReport {
        let ceiling = |made: f64| Ceiling { direct: 500.0, made };
        let throughput = |images_per_second: f64| Throughput {
            images_per_second,
            lower_quartile: images_per_second - 1.0,
            upper_quartile: images_per_second + 1.0,
            batches: 9,
        };
        let pass =
            |milliseconds: f64| PassTime { milliseconds, gflops: Some(123.4), share_of_peak: Some(0.567) };
        BenchmarkReport {
            setting: Setup {
                model: "tiny".into(),
                input: [3, 8, 9],
                classes: 4,
                batch_size: 16,
                precision: Precision::F32,
                threads: 1,
                instructions: "portable".into(),
                peak: Peak { f32: 5e10, bf16: 1e11 },
                train_ceiling: ceiling(800.0),
                inference_ceiling: ceiling(1600.0),
            },
            train: Some(throughput(200.0)),
            inference: Some(throughput(800.0)),
            latency: None,
            start: Some(Start { first_step_seconds: 0.0123, peak_memory_bytes: Some(12_300_000) }),
            layers: Some(vec![LayerTimes {
                name: "conv2d".into(),
                algorithm: Some(Algorithm::Winograd),
                precision: Some(Precision::Bf16),
                forward: pass(1.5),
                input_gradient: None,
                weight_gradient: Some(pass(2.5)),
            }]),
            other: Some(vec![OtherTime { name: "optimizer", milliseconds: 1.0 }]),
        }
    }

    #[test]
    fn text_has_each_figure_with_its_share_of_the_ceiling() {
        let text = render(&report(), Style::PLAIN);
        for line in [
            "tiny for images of 3x8x9: batches of 16, f32, 1 thread, portable\n",
            "peak          100.0 GFLOP/s in f32, 200.0 in bf16, all threads together\n",
            "training      200.0 images/s, half of 9 batches between 199.0 and 201.0; 25 % of the ceiling of 800.0\n",
            "inference     800.0 images/s, half of 9 batches between 799.0 and 801.0; 50 % of the ceiling of 1,600\n",
            "first step    12.30 ms after the start of the process\n",
            "memory        12.3 MB at most while training\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        assert!(!text.contains("one image"), "{text}");
        let layer = text.lines().find(|line| line.starts_with("conv2d")).unwrap();
        let cells: Vec<&str> = layer.split_whitespace().collect();
        let expected = "conv2d winograd bf16 1.500 123 57 % 2.500 123 57 % 80.0 %";
        assert_eq!(cells.join(" "), expected, "{text}");
        assert!(text.lines().last().unwrap().ends_with("20.0 %"), "{text}");
    }

    #[test]
    fn json_has_the_promised_keys_and_none_of_what_was_not_asked_for() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(json["train"]["images_per_second"], 200.0);
        assert_eq!(json["inference"]["images_per_second"], 800.0);
        assert_eq!(json["layers"][0]["weight_gradient"]["gflops"], 123.4);
        assert_eq!(json["layers"][0]["algorithm"], "winograd");
        assert_eq!((&json["batch_size"], &json["precision"]), (&16.into(), &"f32".into()));
        assert!(json.get("latency").is_none());
    }
}

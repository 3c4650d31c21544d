//! What is compared: networks, tasks, and the programs that do them.

use super::options::Options;
use super::runners::{Program, Runner};

/// A network for the comparisons.
pub(super) struct Model {
    /// The name of its files.
    pub(super) name: &'static str,
    pub(super) preset: &'static str,
    pub(super) side: usize,
    pub(super) classes: usize,
}

/// The networks, which every program reads from the same model file.
pub(super) const MODELS: [Model; 7] = [
    Model { name: "plain8", preset: "plain8", side: 32, classes: 10 },
    Model { name: "plain8-bn", preset: "plain8-bn", side: 32, classes: 10 },
    Model { name: "resnet18", preset: "resnet18", side: 64, classes: 200 },
    Model { name: "mobilenet_v2", preset: "mobilenet_v2", side: 128, classes: 10 },
    Model { name: "efficientnet_b0", preset: "efficientnet_b0", side: 128, classes: 10 },
    Model { name: "resnet50", preset: "resnet50", side: 224, classes: 1000 },
    Model { name: "convnext_tiny", preset: "convnext_tiny", side: 128, classes: 10 },
];

/// A figure that programs are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Metric {
    ImagesPerSecond,
    Milliseconds,
    FirstStepSeconds,
    PeakMemoryBytes,
}

impl Metric {
    /// The key of the figure in what programs print.
    pub(super) fn key(self) -> &'static str {
        match self {
            Metric::ImagesPerSecond => "images_per_second",
            Metric::Milliseconds => "milliseconds",
            Metric::FirstStepSeconds => "first_step_seconds",
            Metric::PeakMemoryBytes => "peak_memory_bytes",
        }
    }

    /// The title of its column, and the divisor of the figure.
    pub(super) fn unit(self) -> (&'static str, f64) {
        match self {
            Metric::ImagesPerSecond => ("images/s", 1.0),
            Metric::Milliseconds => ("ms", 1.0),
            Metric::FirstStepSeconds => ("ms to the first step", 1e-3),
            Metric::PeakMemoryBytes => ("MB at most", 1e6),
        }
    }

    pub(super) fn more_is_better(self) -> bool {
        self == Metric::ImagesPerSecond
    }
}

/// What programs do in a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    Train,
    Inference,
    Latency,
    /// Start to train, and stop.
    Start,
}

/// One comparison; the other programs are compared with the first one.
pub(super) struct Subject {
    pub(super) name: &'static str,
    pub(super) title: String,
    pub(super) model: &'static str,
    pub(super) task: Task,
    pub(super) batch_size: usize,
    pub(super) metrics: &'static [Metric],
    pub(super) programs: Vec<Program>,
}

/// All comparisons, in the order in which they are run.
pub(super) fn all(options: &Options) -> Vec<Subject> {
    let batch = options.batch_size;
    let train = |name, model, batch_size, programs| Subject {
        name,
        title: format!("training {model}, batches of {batch_size}"),
        model,
        task: Task::Train,
        batch_size,
        metrics: &[Metric::ImagesPerSecond],
        programs,
    };
    let inference = |name, model, batch_size, programs| Subject {
        name,
        title: format!("inference of {model}, batches of {batch_size}"),
        model,
        task: Task::Inference,
        batch_size,
        metrics: &[Metric::ImagesPerSecond],
        programs,
    };
    let latency = |name, model: &'static str, programs| Subject {
        name,
        title: format!("one image through {model}"),
        model,
        task: Task::Latency,
        batch_size: 1,
        metrics: &[Metric::Milliseconds],
        programs,
    };
    let ours = || Program::ours("convscope", &[]);
    let pytorch = |name, arguments: &[&'static str]| Program::new(name, Runner::PyTorch, arguments);
    let tensorflow = || Program::new("TensorFlow", Runner::TensorFlow, &[]);
    let onnxruntime = || Program::new("onnxruntime", Runner::OnnxRuntime, &[]);
    let burn = || Program::new("Burn", Runner::Burn, &[]);
    let candle = || Program::new("Candle", Runner::Candle, &[]);
    let single = || {
        vec![
            ours(),
            pytorch("PyTorch", &[]),
            pytorch("PyTorch channels_last", &["--layout", "channels_last"]),
            tensorflow(),
        ]
    };
    // TensorFlow's script does not build the networks for photographs.
    let both_layouts = || single().into_iter().take(3).collect::<Vec<_>>();
    let answering = || both_layouts().into_iter().chain([onnxruntime()]).collect::<Vec<_>>();
    let and = |more: Vec<Program>| single().into_iter().chain(more).collect::<Vec<_>>();
    let mut subjects = vec![
        train("train-plain8", "plain8", batch, and(vec![burn(), candle()])),
        train("train-plain8-bn", "plain8-bn", batch, single()),
        inference("inference", "plain8", batch, and(vec![onnxruntime()])),
        latency("latency", "plain8", and(vec![onnxruntime()])),
        Subject {
            title: format!("training plain8 in bf16, batches of {batch}"),
            ..train(
                "train-bf16",
                "plain8",
                batch,
                vec![
                    Program::ours("convscope", &["--precision", "bf16"]),
                    pytorch("PyTorch autocast", &["--precision", "bf16"]),
                    pytorch(
                        "PyTorch autocast channels_last",
                        &["--precision", "bf16", "--layout", "channels_last"],
                    ),
                ],
            )
        },
        Subject {
            name: "start",
            title: format!("starting to train plain8, batches of {batch}"),
            model: "plain8",
            task: Task::Start,
            batch_size: batch,
            metrics: &[Metric::FirstStepSeconds, Metric::PeakMemoryBytes],
            programs: and(vec![burn(), candle()]),
        },
        Subject {
            title: format!("training plain8 on {} threads and on one", options.threads),
            ..train(
                "threads",
                "plain8",
                batch,
                vec![Program::ours("all threads", &[]), Program::ours("one thread", &["--threads", "1"])],
            )
        },
        train("train-resnet18", "resnet18", batch.div_ceil(8), single()),
        train("train-mobilenet", "mobilenet_v2", batch.div_ceil(8), both_layouts()),
        inference("inference-mobilenet", "mobilenet_v2", batch.div_ceil(8), answering()),
        latency("latency-mobilenet", "mobilenet_v2", answering()),
        train("train-efficientnet", "efficientnet_b0", batch.div_ceil(8), both_layouts()),
        inference("inference-efficientnet", "efficientnet_b0", batch.div_ceil(8), answering()),
        latency("latency-efficientnet", "efficientnet_b0", answering()),
        inference("inference-resnet50", "resnet50", batch.div_ceil(16), answering()),
        latency("latency-resnet50", "resnet50", answering()),
        train("train-convnext", "convnext_tiny", batch.div_ceil(8), both_layouts()),
    ];
    if options.before.is_some() {
        for subject in &mut subjects {
            let programs = std::mem::take(&mut subject.programs).into_iter();
            subject.programs = programs
                .flat_map(|program| {
                    let before = program.before();
                    std::iter::once(program).chain(before)
                })
                .collect();
        }
    }
    subjects
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::options::SUBJECTS;

    #[test]
    fn every_comparison_can_be_asked_for_and_begins_with_ours() {
        let subjects = all(&Options::parse(&["--batch-size", "20"]).unwrap());
        let names: Vec<&str> = subjects.iter().map(|subject| subject.name).collect();
        assert_eq!(names, SUBJECTS);
        for subject in &subjects {
            assert!(subject.programs[0].is_ours() && subject.programs.len() > 1, "{}", subject.name);
            assert!(MODELS.iter().any(|model| model.name == subject.model), "{}", subject.name);
        }
        assert_eq!(subjects.last().unwrap().title, "training convnext_tiny, batches of 3");
        for subject in &all(&Options::parse(&["--before", "convscope"]).unwrap()) {
            let before = subject.programs.iter().filter(|program| program.name.ends_with("before"));
            let ours = if subject.name == "threads" { 2 } else { 1 };
            assert_eq!(before.count(), ours, "{}", subject.name);
        }
    }
}

//! The time of a training step, layer by layer.

use std::time::{Duration, Instant};

use convscope_graph::{Action, StepSummary};
use convscope_kernels::peak::Peak;
use convscope_ops::{Algorithm, Mode, Precision};
use serde::Serialize;

use super::spread::repeat;
use super::{Benchmark, TrainingWorkload};
use crate::TrainError;

/// The time that a layer takes in a training step, averaged over the threads.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerTimes {
    /// The node's name, after that of the node before it where both are one step.
    pub name: String,
    /// How it computes products, if it does.
    pub algorithm: Option<Algorithm>,
    /// The precision of these products.
    pub precision: Option<Precision>,
    /// The forward pass, with activation and batch statistics.
    pub forward: PassTime,
    /// The gradient with respect to the inputs, with that of the activation.
    pub input_gradient: Option<PassTime>,
    /// The gradient with respect to the weights.
    pub weight_gradient: Option<PassTime>,
}

/// The time of one pass of a layer for one batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct PassTime {
    /// Its time.
    pub milliseconds: f64,
    /// Operations (two for each multiply-add of the definition) per second, in billions.
    pub gflops: Option<f64>,
    /// The share of the peak for the multiply-adds that were performed: with Winograd, fewer than the definition's.
    pub share_of_peak: Option<f64>,
}

/// What a training step does besides its layers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OtherTime {
    /// What it is.
    pub name: &'static str,
    /// Its time for one batch.
    pub milliseconds: f64,
}

pub(super) fn measure(
    benchmark: &Benchmark,
    peak: &Peak,
) -> Result<(Vec<LayerTimes>, Vec<OtherTime>), TrainError> {
    let mut workload = benchmark.training_workload()?;
    workload.step()?;
    workload.executor_mut().start_timing();
    let (mut steps, mut whole, mut optimizer) = (0, Duration::ZERO, Duration::ZERO);
    repeat(benchmark.budget, || {
        let times = timed_step(&mut workload)?;
        (steps, whole, optimizer) = (steps + 1, whole + times[0], optimizer + times[1]);
        Ok(())
    })?;
    let threads = rayon::current_num_threads();
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3 / f64::from(steps);
    let times: Vec<f64> = workload
        .executor_mut()
        .step_times()
        .iter()
        .map(|&time| milliseconds(time) / threads as f64)
        .collect();
    let plan = benchmark.plan(Mode::Training).steps;
    let of_steps = times.iter().sum::<f64>();
    let images = benchmark.batch_size;
    let is_run = |name: &str| plan.iter().any(|step| step.name.as_deref() == Some(name));
    let nodes = benchmark.graph.nodes().iter().filter(|node| is_run(&node.name));
    let layers = nodes.map(|node| layer(&node.name, &plan, &times, images, peak)).collect();
    let besides = |wanted: &dyn Fn(Action) -> bool| -> f64 {
        plan.iter().zip(&times).filter(|(step, _)| wanted(step.action)).map(|(_, time)| time).sum()
    };
    let others = vec![
        OtherTime {
            name: "images to channels-last",
            milliseconds: besides(&|action| matches!(action, Action::LoadInput { .. })),
        },
        OtherTime { name: "loss", milliseconds: besides(&|action| action == Action::Loss) },
        OtherTime {
            name: "packing, adding up gradients, waiting",
            milliseconds: (milliseconds(whole) - of_steps).max(0.0),
        },
        OtherTime { name: "optimizer", milliseconds: milliseconds(optimizer) },
    ];
    Ok((layers, others))
}

/// The times of both parts of a step.
fn timed_step(workload: &mut TrainingWorkload) -> Result<[Duration; 2], TrainError> {
    let started = Instant::now();
    workload.differentiate()?;
    let differentiated = started.elapsed();
    workload.update()?;
    Ok([differentiated, started.elapsed() - differentiated])
}

fn layer(name: &str, plan: &[StepSummary], times: &[f64], images: usize, peak: &Peak) -> LayerTimes {
    let pass = |wanted: &dyn Fn(Action) -> bool| -> Option<PassTime> {
        let steps = plan.iter().zip(times);
        let of_pass: Vec<(&StepSummary, &f64)> =
            steps.filter(|(step, _)| step.name.as_deref() == Some(name) && wanted(step.action)).collect();
        let milliseconds = of_pass.iter().map(|(_, time)| *time).sum();
        let sum = |adds: &dyn Fn(&StepSummary) -> f64| -> Option<f64> {
            let adds: f64 = of_pass.iter().map(|(step, _)| adds(step)).sum();
            (adds > 0.0 && milliseconds > 0.0).then(|| adds * images as f64 / (milliseconds / 1e3))
        };
        let made =
            |step: &StepSummary| step.multiply_adds_made as f64 / peak.of(step.precision.unwrap_or_default());
        (!of_pass.is_empty()).then(|| PassTime {
            milliseconds,
            gflops: sum(&|step| 2.0 * step.multiply_adds as f64 / 1e9),
            share_of_peak: sum(&made),
        })
    };
    let forward = plan
        .iter()
        .find(|step| step.name.as_deref() == Some(name) && matches!(step.action, Action::Forward { .. }));
    let joins = forward.and_then(|step| step.joins.as_deref());
    LayerTimes {
        name: joins.map_or_else(|| name.to_owned(), |before| format!("{before} + {name}")),
        algorithm: forward.and_then(|step| step.algorithm),
        precision: forward.and_then(|step| step.precision),
        forward: pass(&|action| {
            matches!(
                action,
                Action::Forward { .. }
                    | Action::Recompute { .. }
                    | Action::Activate { .. }
                    | Action::ReduceForward { .. }
            )
        })
        .unwrap_or_default(),
        input_gradient: pass(&|action| {
            matches!(
                action,
                Action::BackwardInput { .. }
                    | Action::ActivateBackward { .. }
                    | Action::ReduceBackward { .. }
                    | Action::Accumulate { .. }
            )
        }),
        weight_gradient: pass(&|action| matches!(action, Action::BackwardParameters { .. })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use convscope_graph::{Graph, ModelBuilder, preset};
    use convscope_ops::{Activation, BatchNorm, Conv2d, Flatten, Hardswish, Linear};
    use std::sync::Arc;

    /// Every step of the plan is in exactly one line: with times of 1, 2, 4, ... no sum is right by chance.
    #[test]
    fn no_step_is_left_out_or_counted_twice() {
        let model = ModelBuilder::new("two", [3, 16, 12])
            .add(Conv2d::new(6, 3))
            .activation(Activation::Relu)
            .add(BatchNorm::default())
            .add(Conv2d::new(6, 3))
            .add(BatchNorm::default())
            .add(Hardswish {})
            .add(Flatten::default())
            .add(Linear::new(4))
            .build()
            .unwrap();
        let graph = Arc::new(Graph::new(model).unwrap());
        let benchmark = Benchmark::new(Arc::clone(&graph), 8, Precision::F32, Duration::ZERO);
        let plan = benchmark.plan(Mode::Training).steps;
        assert!(plan.iter().any(|step| matches!(step.action, Action::Recompute { .. })));
        // More steps would need more digits than a number has.
        assert!(plan.len() < 53);
        let times: Vec<f64> = (0..plan.len()).map(|step| (step as f64).exp2()).collect();
        let peak = Peak { f32: 1e9, bf16: 1e9 };
        let passes = |name: &str| {
            let layer = layer(name, &plan, &times, 8, &peak);
            [Some(layer.forward), layer.input_gradient, layer.weight_gradient]
        };
        let mut seen = vec![false; plan.len()];
        for node in graph.nodes() {
            for pass in passes(&node.name).into_iter().flatten() {
                let mut rest = pass.milliseconds;
                for step in (0..plan.len()).rev() {
                    if rest >= times[step] {
                        assert!(!seen[step], "{:?}", plan[step]);
                        assert_eq!(plan[step].name.as_deref(), Some(node.name.as_str()));
                        (seen[step], rest) = (true, rest - times[step]);
                    }
                }
                assert_eq!(rest, 0.0);
            }
        }
        for (seen, step) in seen.iter().zip(&plan) {
            assert_eq!(*seen, !matches!(step.action, Action::LoadInput { .. } | Action::Loss), "{step:?}");
        }
    }

    /// 8 images of a convolution of 3 to 16 channels on 16x12 pixels, in a second, at a peak of a million.
    #[test]
    fn rates_follow_from_the_multiply_adds() {
        let graph = Arc::new(Graph::new(preset("plain8", [3, 16, 12], 4).unwrap()).unwrap());
        let benchmark = Benchmark::new(graph, 8, Precision::F32, Duration::ZERO);
        let plan = benchmark.plan(Mode::Training).steps;
        let times = vec![1000.0; plan.len()];
        let peak = Peak { f32: 1e6, bf16: 1.0 };
        let adds = f64::from(16 * 12 * 3 * 16 * 9 * 8);
        let first = layer("conv2d", &plan, &times, 8, &peak);
        assert_eq!(first.algorithm, Some(Algorithm::Direct));
        assert!((first.forward.gflops.unwrap() / (2.0 * adds / 1e9) - 1.0).abs() < 1e-9);
        assert!((first.forward.share_of_peak.unwrap() / (adds / 1e6) - 1.0).abs() < 1e-9);
        let second = layer("conv2d_1", &plan, &times, 8, &peak);
        // By definition 9 products per output, with Winograd 16 for four outputs.
        let ratio =
            second.forward.gflops.unwrap() * 1e9 / 2.0 / (second.forward.share_of_peak.unwrap() * 1e6);
        assert!((ratio - 2.25).abs() < 1e-9, "{ratio}");
        let pool = layer("max_pooling2d", &plan, &times, 8, &peak);
        assert_eq!((pool.forward.gflops, pool.weight_gradient), (None, None));
        assert_eq!(pool.input_gradient.unwrap().milliseconds, 1000.0);
    }

    #[test]
    fn a_measured_step_has_a_time_for_every_layer() {
        let graph = Arc::new(Graph::new(preset("resnet8", [3, 16, 16], 4).unwrap()).unwrap());
        let benchmark = Benchmark::new(Arc::clone(&graph), 8, Precision::F32, Duration::ZERO);
        let peak = Peak { f32: 1e9, bf16: 1e9 };
        let (layers, others) = benchmark.layers(&peak).unwrap();
        assert_eq!(layers.len(), graph.nodes().len());
        assert!(layers.iter().map(|layer| layer.forward.milliseconds).sum::<f64>() > 0.0, "{layers:?}");
        assert_eq!(layers[0].name, "stem");
        assert!(others.iter().all(|other| other.milliseconds.is_finite()), "{others:?}");
    }
}

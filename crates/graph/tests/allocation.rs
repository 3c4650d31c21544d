//! Neither training steps nor inference allocate.

use convscope_graph::{Executor, Graph, Parameters, TrainingBatch, preset};
use convscope_ops::{Labels, Loss, Mode, Sample};
use ndarray::Array4;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn a_training_step_and_an_answer_allocate_nothing() {
    for (name, is_timed) in [("plain8", false), ("plain8-bn", false), ("resnet8", false), ("resnet8", true)] {
        let graph = Arc::new(Graph::new(preset(name, [3, 16, 16], 10).unwrap()).unwrap());
        let mut executor = Executor::new(Arc::clone(&graph), Mode::Training, 32).unwrap();
        if is_timed {
            executor.start_timing();
        }
        let mut parameters = Parameters::new(&graph, 1).unwrap();
        let images = Array4::from_elem((32, 3, 16, 16), 0.5);
        let labels = [1; 32];
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        pool.install(|| {
            let mut step = || {
                let sample = Sample::default();
                let batch = TrainingBatch { images: images.view(), labels: Labels::new(&labels), sample };
                executor.train_step(&mut parameters, batch, &Loss::CROSS_ENTROPY, None).unwrap();
            };
            // The first step may fill the pool's own queues.
            step();
            let before = ALLOCATOR.stats();
            step();
            let used = ALLOCATOR.stats() - before;
            assert_eq!((used.allocations, used.reallocations), (0, 0), "{name}");
            let mut asked = Executor::new(Arc::clone(&graph), Mode::Inference, 12).unwrap();
            let mut logits = Vec::new();
            asked.logits_into(images.view(), None, &mut logits).unwrap();
            let before = ALLOCATOR.stats();
            asked.logits_into(images.view(), None, &mut logits).unwrap();
            let used = ALLOCATOR.stats() - before;
            assert_eq!((used.allocations, used.reallocations), (0, 0), "inference with {name}");
            assert_eq!(logits.len(), 320);
        });
    }
}

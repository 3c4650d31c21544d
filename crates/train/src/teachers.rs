//! Learning from trained networks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use convscope_data::{Normalization, Source, Split};
use convscope_files::listed;
use convscope_graph::{Graph, Predictor, WeightsFile};
use convscope_kernels::memory;
use convscope_ops::{Labels, SoftTargets};
use ndarray::{Array4, ArrayView4, Axis};

use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::likelihood::log_sum;
use crate::trained_on::TrainedOn;
use crate::trained_weights::read_weights;

/// Trained networks that give the probability of every class for each training image, which says more than its label
/// (distillation: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015).
///
/// Each of them sees the images exactly as the learning network does, with the same random changes (Beyer et al.,
/// "Knowledge distillation: A good teacher is patient and consistent", 2022). With the logits `z` of `k` teachers
///
/// ```text
/// q = (softmax(z_1 / temperature) + ... + softmax(z_k / temperature)) / k
/// ```
///
/// are the [soft targets](SoftTargets) of an image.
pub struct Teachers {
    teachers: Vec<Teacher>,
    /// Those whose training images are unknown.
    unknown: Vec<PathBuf>,
    share: f64,
    temperature: f64,
    logits: Vec<f32>,
    /// `[images, classes]`
    probabilities: Vec<f32>,
}

struct Teacher {
    predictor: Predictor,
    /// Factor and offset that bring each channel to the scale that this network was trained on; `None` if it is the
    /// same.
    rescaling: Option<Vec<(f32, f32)>>,
    rescaled: Array4<f32>,
    images_are_known: bool,
}

impl Teachers {
    /// The teachers that a configuration names, or the one that was trained in the folder `own`, or none.
    ///
    /// # Errors
    /// A configuration with a teacher of its own, without the folder of one; a run or file without complete weights; a network for different classes or images of a different size, or one
    /// that was trained on this run's validation or test images.
    pub fn open(
        config: &TrainConfig,
        own: Option<&Path>,
        source: &dyn Source,
        normalization: &Normalization,
    ) -> Result<Option<Teachers>, TrainError> {
        let mut paths: Vec<&Path> = config.teachers.iter().map(Path::new).collect();
        if config.teacher.is_some() {
            paths.push(own.ok_or(TrainError::TeacherUntrained)?);
        }
        let open = |path: &&Path| Teacher::open(path, config, source, normalization);
        let teachers = paths.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let unknown = teachers.iter().zip(&paths).filter(|(teacher, _)| !teacher.images_are_known);
        let unknown = unknown.map(|(_, path)| path.to_path_buf()).collect();
        Ok((!teachers.is_empty()).then_some(Teachers {
            teachers,
            unknown,
            share: config.teacher_share,
            temperature: config.teacher_temperature,
            logits: Vec::new(),
            probabilities: Vec::new(),
        }))
    }

    /// The teachers for which it is unknown whether they were trained on this run's validation or test images.
    pub fn with_unknown_images(&self) -> &[PathBuf] {
        &self.unknown
    }

    /// Their networks.
    pub(crate) fn graphs(&self) -> impl Iterator<Item = &Graph> {
        self.teachers.iter().map(|teacher| &**teacher.predictor.graph())
    }

    /// The labels of these images, with what the teachers say of them as soft targets.
    ///
    /// # Errors
    /// Images of a different shape from the teachers'.
    pub fn teach<'a>(
        &'a mut self,
        images: ArrayView4<'_, f32>,
        labels: Labels<'a>,
    ) -> Result<Labels<'a>, TrainError> {
        let part = 1.0 / self.teachers.len() as f64;
        self.probabilities.clear();
        for teacher in &mut self.teachers {
            teacher.ask(images, &mut self.logits)?;
            self.probabilities.resize(self.logits.len(), 0.0);
            let classes = teacher.predictor.graph().classes();
            let rows =
                self.logits.chunks_exact_mut(classes).zip(self.probabilities.chunks_exact_mut(classes));
            for (logits, probabilities) in rows {
                logits.iter_mut().for_each(|logit| *logit = (f64::from(*logit) / self.temperature) as f32);
                let log_sum = log_sum(logits);
                for (probability, &mut logit) in probabilities.iter_mut().zip(logits) {
                    *probability += (part * libm::exp(f64::from(logit) - log_sum)) as f32;
                }
            }
        }
        let (probabilities, share) = (self.probabilities.as_slice(), self.share);
        Ok(labels.with_soft_targets(SoftTargets { probabilities, share, temperature: self.temperature }))
    }
}

impl Teacher {
    fn open(
        run_or_weights_file: &Path,
        config: &TrainConfig,
        source: &dyn Source,
        normalization: &Normalization,
    ) -> Result<Teacher, TrainError> {
        let WeightsFile { model, classes, input, data, parameters } = read_weights(run_or_weights_file)?;
        let unfit = |found: String, expected: String| {
            Err(TrainError::TeacherUnfit { path: run_or_weights_file.to_owned(), found, expected })
        };
        if classes != source.classes() {
            return unfit(
                format!("the classes {}", listed(&classes)),
                format!("the classes {}", listed(source.classes())),
            );
        }
        let (size, [height, width]) = (source.image_size(), input.size);
        if [size.height, size.width] != input.size {
            return unfit(format!("images of {width}x{height}"), format!("images of {size}"));
        }
        if input.mean.len() != source.channels() {
            return unfit(
                format!("images of {} channels", input.mean.len()),
                format!("images of {}", source.channels()),
            );
        }
        let trained_on = TrainedOn::of(run_or_weights_file, data.as_ref())?;
        let mut images_are_known = true;
        for split in [Split::Val, Split::Test].into_iter().filter(|&split| !source.is_empty(split)) {
            let Some(learned) = trained_on.among(source, split) else {
                images_are_known = false;
                continue;
            };
            let count = learned.iter().filter(|&&learned| learned).count();
            if count > 0 {
                let (path, images) = (run_or_weights_file.to_owned(), learned.len());
                return Err(TrainError::TeacherKnowsImages { path, count, images, split });
            }
        }
        let graph = Arc::new(Graph::new(model)?);
        let batch = config.batch_size;
        let mut predictor = Predictor::new(graph, config.precision, batch)?;
        predictor.load(&parameters);
        let scale = |channel: usize| {
            let (mean, std) = (normalization.mean[channel], normalization.std[channel]);
            (std / input.std[channel], (mean - input.mean[channel]) / input.std[channel])
        };
        let is_same = normalization.mean == input.mean && normalization.std == input.std;
        let rescaling = (!is_same).then(|| (0..normalization.channels()).map(scale).collect());
        Ok(Teacher { predictor, rescaling, rescaled: Array4::zeros((0, 0, 0, 0)), images_are_known })
    }

    /// Computes the logits `[images, classes]`.
    fn ask(&mut self, images: ArrayView4<'_, f32>, logits: &mut Vec<f32>) -> Result<(), TrainError> {
        let Some(rescaling) = &self.rescaling else {
            return Ok(self.predictor.logits_into(images, logits)?);
        };
        if self.rescaled.raw_dim() != images.raw_dim() {
            let values = memory::zeros(images.len())?;
            self.rescaled =
                Array4::from_shape_vec(images.raw_dim(), values).expect("the values fill the shape");
        }
        self.rescaled.assign(&images);
        for (mut channel, (factor, summand)) in self.rescaled.axis_iter_mut(Axis(1)).zip(rescaling) {
            channel.mapv_inplace(|value| value * factor + summand);
        }
        Ok(self.predictor.logits_into(self.rescaled.view(), logits)?)
    }
}

#[cfg(test)]
mod tests {
    use convscope_data::{SourceOptions, SplitCounts, open};
    use convscope_graph::{InputDescription, Parameters, preset};
    use convscope_ops::Precision;
    use ndarray::Array4;

    use super::*;

    const CLASSES: [usize; 3] = [1, 0, 2];
    fn ours() -> Normalization {
        Normalization { mean: vec![0.5, 0.25, 0.125], std: vec![0.5, 0.25, 0.75] }
    }

    fn source() -> Arc<dyn Source> {
        let shapes = SplitCounts { train: 8, val: 2, test: 2 };
        open("shapes", &SourceOptions { shapes, ..SourceOptions::default() }).unwrap()
    }

    /// Writes an untrained network for 32x32 pictures, and returns its answers for `images`, on its own scale.
    fn write(path: &Path, seed: u64, normalization: Normalization, images: &Array4<f32>) -> Vec<f32> {
        let classes = source().classes().to_vec();
        let model = preset("plain8", [3, 32, 32], classes.len()).unwrap();
        let graph = Arc::new(Graph::new(model.clone()).unwrap());
        let parameters = Parameters::new(&graph, seed).unwrap();
        let Normalization { mean, std } = normalization;
        let input = InputDescription {
            size: [32, 32],
            resize: "squash".into(),
            background: "white".into(),
            scale: 1.0 / 255.0,
            mean,
            std,
        };
        let mut predictor = Predictor::new(graph, Precision::F32, 2).unwrap();
        predictor.load(&parameters);
        std::fs::write(path, WeightsFile { model, classes, input, data: None, parameters }.to_bytes())
            .unwrap();
        let logits = predictor.logits(images.view()).unwrap();
        let shares = logits.outer_iter().flat_map(|row| {
            let sum: f32 = row.iter().map(|logit| (logit / 2.0).exp()).sum();
            row.iter().map(|logit| (logit / 2.0).exp() / sum).collect::<Vec<_>>()
        });
        shares.collect()
    }

    /// Pictures with values from 0 to 1, scaled in this way.
    fn images(normalization: Normalization) -> Array4<f32> {
        Array4::from_shape_fn((3, 3, 32, 32), |(n, c, y, x)| {
            let value = ((7 * n + 5 * c + 3 * y + x * x) % 11) as f32 / 11.0;
            (value - normalization.mean[c]) / normalization.std[c]
        })
    }

    #[test]
    fn targets_are_the_mean_of_what_teachers_of_any_normalization_say() {
        let folder = tempfile::tempdir().unwrap();
        let theirs = Normalization { mean: vec![0.25, 0.5, 0.0], std: vec![1.0, 0.5, 0.125] };
        let paths = ["a", "b"].map(|name| folder.path().join(name));
        let first = write(&paths[0], 1, ours(), &images(ours()));
        let second = write(&paths[1], 2, theirs.clone(), &images(theirs));
        let config = TrainConfig {
            teachers: paths.map(|path| path.to_string_lossy().into_owned()).to_vec(),
            teacher_share: 0.75,
            teacher_temperature: 2.0,
            ..TrainConfig::default()
        };
        let mut teachers = Teachers::open(&config, None, &*source(), &ours()).unwrap().unwrap();
        // Leftovers of a larger batch do not matter.
        teachers.teach(Array4::zeros((4, 3, 32, 32)).view(), Labels::new(&[0; 4])).unwrap();
        let images = images(ours());
        let labels = teachers.teach(images.view(), Labels::new(&CLASSES)).unwrap();
        let SoftTargets { probabilities, share, temperature } = labels.soft_targets().unwrap();
        assert_eq!((share, temperature), (0.75, 2.0));
        assert_eq!(probabilities.len(), first.len());
        for (found, (first, second)) in probabilities.iter().zip(first.iter().zip(second)) {
            let expected = 0.5 * (first + second);
            assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
        }
    }

    #[test]
    fn a_teacher_of_other_classes_or_sizes_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write(&path, 1, ours(), &images(ours()));
        let mut weights = WeightsFile::read(&path).unwrap();
        let config =
            TrainConfig { teachers: vec![path.to_string_lossy().into_owned()], ..TrainConfig::default() };
        let error = |weights: &WeightsFile| {
            std::fs::write(&path, weights.to_bytes()).unwrap();
            Teachers::open(&config, None, &*source(), &ours()).err().unwrap().to_string()
        };
        weights.classes.swap(0, 1);
        let classes = format!("the classes {}, but the data has", weights.classes.join(", "));
        assert!(error(&weights).contains(&classes), "{}", error(&weights));
        weights.classes.swap(0, 1);
        weights.model = preset("plain8", [3, 32, 48], weights.classes.len()).unwrap();
        weights.parameters = Parameters::new(&Graph::new(weights.model.clone()).unwrap(), 1).unwrap();
        weights.input.size = [32, 48];
        let text = error(&weights);
        assert!(
            text.contains("this teacher knows images of 48x32") && text.contains("has images of 32x32"),
            "{text}"
        );
        assert!(Teachers::open(&TrainConfig::default(), None, &*source(), &ours()).unwrap().is_none());
    }
}

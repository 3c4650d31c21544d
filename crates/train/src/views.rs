//! Looking at an image more than once before classifying it.

use convscope_graph::Predictor;
use ndarray::{Array2, ArrayView4, s};
use serde::{Deserialize, Serialize};

use crate::error::TrainError;
use crate::likelihood::log_sum;

/// Test-time augmentation: the views of an image whose class probabilities are averaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Views {
    /// The image alone.
    #[default]
    None,
    /// The image and its left-right mirror image.
    Flip,
}

impl Views {
    /// For each image `[N, C, H, W]` values `[N, classes]` whose softmax are its class probabilities, the mean of
    /// those of its views: the logits of a single view, otherwise the logarithms of the mean probabilities.
    pub(crate) fn logits(
        self,
        predictor: &mut Predictor,
        images: ArrayView4<'_, f32>,
    ) -> Result<Array2<f32>, TrainError> {
        let plain = predictor.logits(images)?;
        match self {
            Views::None => Ok(plain),
            Views::Flip => {
                let mirrored = predictor.logits(images.slice(s![.., .., .., ..;-1]))?;
                Ok(mean_of_probabilities(plain, &mirrored))
            }
        }
    }
}

/// `log((softmax(a) + softmax(b)) / 2)`, for each row.
fn mean_of_probabilities(mut a: Array2<f32>, b: &Array2<f32>) -> Array2<f32> {
    let classes = a.ncols();
    let log_sums = |array: &Array2<f32>| -> Vec<f64> {
        let values = array.as_slice().expect("logits are contiguous");
        values.chunks_exact(classes.max(1)).map(log_sum).collect()
    };
    let (log_sums_a, log_sums_b) = (log_sums(&a), log_sums(b));
    for ((image, class), a) in a.indexed_iter_mut() {
        let first = f64::from(*a) - log_sums_a[image];
        let second = f64::from(b[[image, class]]) - log_sums_b[image];
        let (low, high) = (first.min(second), first.max(second));
        *a = (high + libm::log1p(libm::exp(low - high)) - std::f64::consts::LN_2) as f32;
    }
    a
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use convscope_graph::{Graph, Parameters, preset};
    use convscope_ops::Precision;
    use ndarray::{Array4, arr2};

    use super::*;

    #[test]
    fn probabilities_are_averaged_not_logits() {
        // Softmaxes (1/4, 3/4) and (2/3, 1/3).
        let a = arr2(&[[0.0, 3f32.ln()], [1e4, -1e4]]);
        let b = arr2(&[[5.0 + 2f32.ln(), 5.0], [1e4, -1e4]]);
        let mean = mean_of_probabilities(a, &b).mapv(f32::exp);
        for (found, expected) in mean.iter().zip([11.0 / 24.0, 13.0 / 24.0, 1.0, 0.0]) {
            assert!((found - expected).abs() < 1e-6, "{mean}");
        }
    }

    #[test]
    fn an_image_and_its_mirror_image_are_judged_alike() {
        let graph = Arc::new(Graph::new(preset("plain8", [3, 8, 12], 4).unwrap()).unwrap());
        let mut predictor = Predictor::new(Arc::clone(&graph), Precision::F32, 3).unwrap();
        predictor.load(&Parameters::new(&graph, 2).unwrap());
        let images =
            Array4::from_shape_fn((5, 3, 8, 12), |(n, c, y, x)| ((n + 2 * c + 3 * y + x * x) % 7) as f32);
        let mirrored = images.slice(s![.., .., .., ..;-1]);
        let flip = Views::Flip.logits(&mut predictor, images.view()).unwrap();
        assert_eq!(flip, Views::Flip.logits(&mut predictor, mirrored).unwrap());
        let plain = Views::None.logits(&mut predictor, images.view()).unwrap();
        assert_ne!(plain, Views::None.logits(&mut predictor, mirrored).unwrap());
        let sum: f32 = flip.row(4).iter().map(|x| x.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-5);
    }
}

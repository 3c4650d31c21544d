//! The part of a network that does not learn.

use convscope_ops::Precision;
use std::mem::swap;
use std::sync::Arc;

use convscope_graph::{Divided, GraphError, Parameters, Predictor};
use ndarray::{Array4, ArrayView4};

use crate::error::TrainError;

/// A body that computes features, and the arrays of the head that learns from them.
pub(crate) struct Frozen {
    divided: Divided,
    body: Predictor,
    /// In the place of the network's own arrays while the head learns.
    head: Parameters,
}

impl Frozen {
    /// For the parameters of the whole network.
    ///
    /// # Errors
    /// [`GraphError::OutOfMemory`].
    pub(super) fn new(divided: Divided, batch: usize, whole: &Parameters) -> Result<Frozen, GraphError> {
        let body = Predictor::new(Arc::new(divided.body.clone()), Precision::F32, batch)?;
        let head = divided.head_parameters(whole);
        let mut frozen = Frozen { divided, body, head };
        frozen.load(whole);
        Ok(frozen)
    }

    /// Takes over the body's arrays.
    pub(super) fn load(&mut self, whole: &Parameters) {
        self.body.load(&self.divided.body_parameters(whole));
    }

    /// Runs `work` on the head's arrays of the whole network.
    pub(super) fn with_head<T>(
        &mut self,
        whole: &mut Parameters,
        work: impl FnOnce(&mut Parameters) -> T,
    ) -> T {
        self.exchange(whole);
        let done = work(&mut self.head);
        self.exchange(whole);
        done
    }

    fn exchange(&mut self, whole: &mut Parameters) {
        let of_head = self.head.tensors_mut().iter_mut().zip(&self.divided.head_arrays);
        of_head.for_each(|(own, &index)| swap(own, &mut whole.tensors_mut()[index]));
    }

    /// Where the network is divided.
    pub(crate) fn divided(&self) -> &Divided {
        &self.divided
    }

    /// The features of images, in the form that the head takes.
    ///
    /// # Errors
    /// Images of a different shape from the network's.
    pub(crate) fn features(&mut self, images: ArrayView4<'_, f32>) -> Result<Array4<f32>, TrainError> {
        let [channels, height, width] = self.divided.head.image();
        let features = self.body.logits(images)?;
        let shape = (features.nrows(), channels, height, width);
        Ok(features.into_shape_with_order(shape).expect("the head takes all features"))
    }
}

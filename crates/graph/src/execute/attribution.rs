//! Gradients of a class's logit with respect to a network's values and the images.

use super::{Executor, RunInputs};
use crate::{GraphError, Observer, ValueId};
use convscope_kernels::{layout, memory};
use convscope_ops::{Labels, Mode, Sample};
use ndarray::{Array2, Array4, ArrayView4};

/// The result of [`Executor::class_gradients`].
#[derive(Clone, Debug, PartialEq)]
pub struct ClassGradients {
    /// The values before the softmax, `[N, classes]`.
    pub logits: Array2<f32>,
    /// The gradient of the class's logit with respect to each image, `[N, C, H, W]`.
    pub d_images: Array4<f32>,
}

impl Executor {
    /// For each image, the gradient of one class's logit with respect to the image, with running statistics and without
    /// dropout. The observer receives every node's value and the gradient with respect to it; if the last node has a
    /// softmax, its value and gradient are those of the logits.
    ///
    /// # Errors
    /// Images of a different shape from the graph's, more of them than the executor was made for, a number of classes
    /// that is not the number of images, or a class that the network does not have.
    ///
    /// # Panics
    /// If the executor was not created for [`Mode::Attribution`].
    pub fn class_gradients(
        &mut self,
        images: ArrayView4<'_, f32>,
        classes: &[usize],
        observer: Option<&dyn Observer>,
    ) -> Result<ClassGradients, GraphError> {
        assert_eq!(self.plan.mode, Mode::Attribution, "class gradients need an executor for attribution");
        let count = self.check(&images, self.batch)?;
        self.check_classes(count, classes)?;
        let input = images.as_standard_layout();
        let input = input.as_slice().unwrap_or(&[]);
        let batch = RunInputs {
            images: count,
            inputs: &[input],
            labels: Labels::new(classes),
            sample: Sample::default(),
        };
        for stage in 0..self.plan.stages {
            self.run_stage(stage, &batch, None, observer)?;
        }
        let (mut logits, mut d_images) = (Vec::new(), memory::zeros(input.len())?);
        let mut rest = d_images.as_mut_slice();
        let shape = self.graph.shape(ValueId::Input(0));
        for shard in self.active_shards(count) {
            logits.extend_from_slice(&shard.logits);
            let (planes, after) = rest.split_at_mut(shard.input_gradient.len());
            layout::to_planes(&shard.input_gradient, shape.channels(), shape.len(), planes);
            rest = after;
        }
        let whole = "every shard outputs its images";
        Ok(ClassGradients {
            logits: Array2::from_shape_vec((count, self.graph.classes()), logits).expect(whole),
            d_images: Array4::from_shape_vec(images.raw_dim(), d_images).expect(whole),
        })
    }

    fn check_classes(&self, images: usize, classes: &[usize]) -> Result<(), GraphError> {
        let output = self.graph.output();
        let known = self.graph.classes();
        if classes.len() != images {
            let problem =
                format!("got {} classes for {images} images; give one class per image", classes.len());
            return Err(GraphError::structure(&output.name, problem));
        }
        match classes.iter().find(|&&class| class >= known) {
            Some(class) => {
                let problem = format!("got class {class}, but its {known} classes are numbered from 0");
                Err(GraphError::structure(&output.name, problem))
            }
            None => Ok(()),
        }
    }
}

//! Batch normalisation as a layer.

use super::NAME;
use super::bound::BoundBatchNorm;
use super::clamped::ClampedBatchNorm;
use crate::defaults::{is_yes, yes};
use crate::layer::one_input;
use crate::operator_arguments::arguments_of;
use crate::*;
use convscope_kernels::pointwise::Function;
use serde::{Deserialize, Serialize};

/// Batch normalisation with its own weight, bias and running statistics; arguments and defaults of
/// `torch.nn.BatchNorm2d`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNorm {
    /// Added to the variance; default 1e-5.
    #[serde(default = "default_eps", skip_serializing_if = "is_default_eps")]
    pub eps: f64,
    /// How fast the running statistics are updated; default 0.1.
    #[serde(default = "default_momentum", skip_serializing_if = "is_default_momentum")]
    pub momentum: Momentum,
    /// Whether a weight and a bias are applied after the normalisation; default yes.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub affine: bool,
}

impl Default for BatchNorm {
    fn default() -> BatchNorm {
        BatchNorm { eps: default_eps(), momentum: Momentum::DEFAULT, affine: true }
    }
}

fn default_eps() -> f64 {
    1e-5
}
fn is_default_eps(eps: &f64) -> bool {
    *eps == default_eps()
}
fn default_momentum() -> Momentum {
    Momentum::DEFAULT
}
fn is_default_momentum(momentum: &Momentum) -> bool {
    *momentum == Momentum::DEFAULT
}

impl BatchNorm {
    pub(super) fn check(&self) -> Result<(), OpError> {
        if self.eps >= 0.0 {
            return Ok(());
        }
        Err(OpError::argument(NAME, "eps", format!("is {}, must be at least 0", self.eps)))
    }

    pub(super) fn bound(&self, shape: Shape, mode: Mode) -> BoundBatchNorm {
        let channels = shape.channels();
        BoundBatchNorm {
            channels,
            pixels: shape.positions(),
            eps: self.eps,
            momentum: self.momentum,
            affine: self.affine,
            mode,
            zeros: vec![0.0; channels],
        }
    }
}

impl Layer for BatchNorm {
    fn name() -> &'static str {
        NAME
    }

    fn keras_name(&self) -> &'static str {
        "batch_normalization"
    }

    fn torch(&self, inputs: &[Shape]) -> Option<Torch> {
        let class = if inputs[0].is_image() { "nn.BatchNorm2d" } else { "nn.BatchNorm1d" };
        let mut arguments = arguments_of(self);
        if self.momentum == Momentum::Cumulative {
            arguments.insert("momentum".to_owned(), serde_json::Value::Null);
        }
        Some(Torch::module(class, &[inputs[0].channels()], &arguments, &[]))
    }

    fn onnx(&self, inputs: &[Shape]) -> Option<Onnx> {
        let channels = inputs[0].channels();
        let node = OnnxNode::new("BatchNormalization").input(0);
        let node = node.parameter_or(self.affine, "weight", channels, 1.0);
        let node = node.parameter_or(self.affine, "bias", channels, 0.0);
        Some(node.parameter("running_mean").parameter("running_var").float("epsilon", self.eps).into())
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        self.check()?;
        one_input(NAME, inputs)
    }

    fn parameters(&self, inputs: &[Shape]) -> Vec<ParameterSpec> {
        let channels = vec![inputs[0].channels()];
        let spec = |name, shape: &[usize], role| ParameterSpec { name, shape: shape.to_vec(), role };
        let mut specs = Vec::new();
        if self.affine {
            specs.push(spec("weight", &channels, Role::Scale));
            specs.push(spec("bias", &channels, Role::Shift));
        }
        specs.push(spec("running_mean", &channels, Role::RunningMean));
        specs.push(spec("running_var", &channels, Role::RunningVar));
        specs.push(spec("num_batches_tracked", &[], Role::BatchesTracked));
        specs
    }

    fn check_batch(&self, inputs: &[Shape], images: usize) -> Result<(), OpError> {
        let shape = inputs[0];
        if images * shape.positions() > 1 {
            return Ok(());
        }
        let problem = format!(
            "a batch of one image of shape {shape} has one value per channel; training needs two or more"
        );
        Err(OpError::shape(NAME, problem))
    }

    fn maps_channels(&self) -> bool {
        true
    }

    fn channel_map(&self, parameters: &[Parameter]) -> Option<ChannelMap> {
        let (affine, running) = parameters.split_at(if self.affine { 2 } else { 0 });
        let [mean, var, ..] = running else { return None };
        let mut map = ChannelMap { scale: Vec::new(), shift: Vec::new() };
        for (channel, (&mean, &var)) in mean.slice().iter().zip(var.slice()).enumerate() {
            let (weight, bias) = match affine {
                [weight, bias] => (weight.slice()[channel], bias.slice()[channel]),
                _ => (1.0, 0.0),
            };
            let scale = f64::from(weight) / (f64::from(var) + self.eps).sqrt();
            map.scale.push(scale);
            map.shift.push(f64::from(bias) - scale * f64::from(mean));
        }
        Some(map)
    }

    fn with_cumulative_statistics(&self) -> Option<Operator> {
        Some(BatchNorm { momentum: Momentum::Cumulative, ..self.clone() }.into())
    }

    fn bind(&self, inputs: &[Shape], options: BindOptions) -> Box<dyn Bound> {
        Box::new(self.bound(inputs[0], options.mode))
    }

    fn bind_activated(
        &self,
        inputs: &[Shape],
        options: BindOptions,
        function: Function,
    ) -> Option<Box<dyn Bound>> {
        // Other functions take so long that computing them in both passes costs more than memory does.
        let Function::Clamp { low, high } = function else { return None };
        let norm = self.bound(inputs[0], options.mode);
        options.mode.is_training().then(|| Box::new(ClampedBatchNorm { norm, low, high }) as Box<dyn Bound>)
    }
}

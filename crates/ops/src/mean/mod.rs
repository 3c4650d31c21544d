//! The mean over axes.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.mean.html>

use serde::{Deserialize, Serialize};

use crate::arrays::axis;
use crate::broadcast::Broadcast;
use crate::defaults::is_no;
use crate::layer::one_input;
use crate::moving::Reordered;
use crate::summing::add_up;
use crate::*;

const NAME: &str = "mean";

/// The mean of a value over some of its axes, which vanish, or stay with a length of 1.
///
/// ```
/// use convscope_ops::{Layer, Mean, Shape};
/// let mean = Mean { dim: vec![2, 3], keepdim: false };
/// assert_eq!(mean.output_shape(&[Shape::image(8, [3, 5])])?, Shape::vector(8));
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mean {
    /// The axes; 0 is the batch axis, which cannot be among them; negative ones count from the end.
    pub dim: Vec<isize>,
    /// Whether they stay, with a length of 1; default no.
    #[serde(default, skip_serializing_if = "is_no")]
    pub keepdim: bool,
}

impl Mean {
    /// The shape with the axes at length 1.
    fn kept(&self, input: Shape) -> Result<Vec<usize>, OpError> {
        let mut axes = input.axes().to_vec();
        let mut seen = vec![false; axes.len()];
        for &dim in &self.dim {
            let at = axis(NAME, "dim", dim, axes.len() + 1)?;
            if at == 0 {
                return Err(OpError::argument(
                    NAME,
                    "dim",
                    format!("has {dim}, the batch axis, which stays"),
                ));
            }
            if std::mem::replace(&mut seen[at - 1], true) {
                return Err(OpError::argument(
                    NAME,
                    "dim",
                    format!("is {:?}, which has an axis twice", self.dim),
                ));
            }
            axes[at - 1] = 1;
        }
        if self.dim.is_empty() || input.is_empty() {
            return Err(OpError::argument(
                NAME,
                "dim",
                format!("is {:?}, of {input}; name an axis", self.dim),
            ));
        }
        Ok(axes)
    }
}

impl Layer for Mean {
    fn name() -> &'static str {
        NAME
    }

    fn described() -> &'static [Argument] {
        const {
            &[
                Argument::required("dim", "the axes, without the batch axis 0"),
                Argument::optional("keepdim", "False", "whether the axes stay, with a length of 1"),
            ]
        }
    }

    fn keras_name(&self) -> &'static str {
        NAME
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        let dims: Vec<String> = self.dim.iter().map(ToString::to_string).collect();
        let keepdim = if self.keepdim { ", keepdim=True" } else { "" };
        Some(Torch::Expression(format!("{{0}}.mean(({},){keepdim})", dims.join(", "))))
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Onnx> {
        let axes: Vec<i64> = self.dim.iter().map(|&axis| axis as i64).collect();
        let node = OnnxNode::new("ReduceMean").input(0).integers_input(axes);
        Some(node.int("keepdims", self.keepdim.into()).into())
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let input = one_input(NAME, inputs)?;
        let kept = self.kept(input)?;
        if self.keepdim {
            return Shape::new(&kept);
        }
        let axes = input.rank() + 1;
        let is_gone = |at: usize| self.dim.iter().any(|dim| dim.rem_euclid(axes as isize) as usize == at + 1);
        let left: Vec<usize> = (0..kept.len()).filter(|&at| !is_gone(at)).map(|at| kept[at]).collect();
        Shape::new(&left)
    }

    fn bind(&self, inputs: &[Shape], _options: BindOptions) -> Box<dyn Bound> {
        let accepted = "output_shape accepted these inputs";
        let kept = Shape::new(&self.kept(inputs[0]).expect(accepted)).expect(accepted);
        let output = self.output_shape(inputs).expect(accepted);
        let means = Broadcast::new(kept, inputs[0]);
        let factor = means.len as f64 / means.large as f64;
        let reordered = Reordered::new(kept, output);
        Box::new(BoundMean { means, factor, reordered })
    }
}

#[derive(Debug)]
struct BoundMean {
    means: Broadcast,
    factor: f64,
    /// From the shape with axes of length 1 to that without.
    reordered: Reordered,
}

impl Bound for BoundMean {
    fn backward_reads(&self) -> Reads {
        Reads::default()
    }

    fn scratch_len(&self, _images: usize) -> usize {
        3 * self.means.len
    }

    fn forward(&self, call: Forward<'_>) {
        let Broadcast { len, large, .. } = self.means;
        let (means, rest) = call.scratch.split_at_mut(len);
        let (lost, space) = rest.split_at_mut(len);
        for (input, output) in call.inputs.get(0).chunks_exact(large).zip(call.output.chunks_exact_mut(len)) {
            add_up(&self.means, input, means, lost);
            means.iter_mut().for_each(|mean| *mean = (f64::from(*mean) * self.factor) as f32);
            self.reordered.forth(means, output, space);
        }
    }

    fn backward_input(&self, _index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        let Broadcast { len, large, .. } = self.means;
        let (means, space) = call.scratch.split_at_mut(len);
        for (d, d_output) in d_input.chunks_exact_mut(large).zip(call.d_output.chunks_exact(len)) {
            self.reordered.back(d_output, means, space);
            self.means.each(|to, from| d[to] = (f64::from(means[from]) * self.factor) as f32);
        }
    }
}

//! Functions of each element, and softmax.

use convscope_ops::{
    Elu, Gelu, GeluForm, Hardsigmoid, Hardswish, Hardtanh, LeakyRelu, LogSoftmax, Mish, Mul, Operator,
    Permute, Prelu, Relu, Relu6, Reshape, Sigmoid, Silu, Softmax, Softplus, Tanh,
};

use super::normalization::rounded;
use super::{Array, Computed, Done, Given, Importer, unsupported};
use crate::attributes::Attributes;

impl<'a> Importer<'a> {
    /// A function of each element.
    pub(super) fn activation(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let node = given.node;
        let number =
            |name: &str, default: f64| node.float(name).map_or(default, |value| rounded(f64::from(value)));
        let operator: Operator = match node.op_type.as_str() {
            "Relu" => Relu {}.into(),
            "Sigmoid" => Sigmoid {}.into(),
            "Tanh" => Tanh {}.into(),
            "LeakyRelu" => LeakyRelu { negative_slope: number("alpha", 0.01) }.into(),
            "Elu" => Elu { alpha: number("alpha", 1.0) }.into(),
            "Softplus" => Softplus::default().into(),
            "Mish" => Mish {}.into(),
            "HardSwish" => Hardswish {}.into(),
            "Swish" if number("alpha", 1.0) == 1.0 => Silu {}.into(),
            "Gelu" if node.text("approximate") == Some("tanh") => Gelu { approximate: GeluForm::Tanh }.into(),
            "Gelu" => Gelu::default().into(),
            "Clip" => return self.clip(given),
            "HardSigmoid" => return self.hard_sigmoid(given),
            "PRelu" => return self.prelu(given),
            "Selu" => {
                let (input, axes) = given.known(0)?;
                let alpha = number("alpha", 1.673_263_2);
                let elu = self.emit(Elu { alpha }, &[input], Vec::new())?;
                let gamma = self.emit_scalar(number("gamma", 1.050_701) as f32, axes.len())?;
                return self.emit(Mul {}, &[&elu, &gamma], Vec::new());
            }
            "Celu" => {
                let (input, axes) = given.known(0)?;
                let alpha = number("alpha", 1.0) as f32;
                if alpha == 1.0 {
                    return self.emit(Elu::default(), &[input], Vec::new());
                }
                let inverse = self.emit_scalar(1.0 / alpha, axes.len())?;
                let scaled = self.emit(Mul {}, &[input, &inverse], Vec::new())?;
                let elu = self.emit(Elu::default(), &[&scaled], Vec::new())?;
                let alpha = self.emit_scalar(alpha, axes.len())?;
                return self.emit(Mul {}, &[&elu, &alpha], Vec::new());
            }
            _ => return unsupported(""),
        };
        let (input, _) = given.known(0)?;
        self.emit(operator, &[input], Vec::new())
    }

    fn clip(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let (input, _) = given.known(0)?;
        let bound = |index: usize, name: &str| -> Done<Option<f32>> {
            Ok(match given.constant(index)? {
                Some(tensor) => tensor.scalar(),
                None => given.node.float(name),
            })
        };
        let (min, max) = (bound(1, "min")?, bound(2, "max")?);
        let max = max.filter(|&max| max < f32::MAX);
        let operator: Operator = match (min, max) {
            (Some(0.0), Some(6.0)) => Relu6 {}.into(),
            (Some(0.0), None) => Relu {}.into(),
            (None, None) => return Ok(input.clone()),
            (min, max) => {
                let min_val = rounded(f64::from(min.unwrap_or(f32::MIN).max(f32::MIN)));
                Hardtanh { min_val, max_val: rounded(f64::from(max.unwrap_or(f32::MAX))) }.into()
            }
        };
        self.emit(operator, &[input], Vec::new())
    }

    fn hard_sigmoid(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let (input, axes) = given.known(0)?;
        let (alpha, beta) =
            (given.node.float("alpha").unwrap_or(0.2), given.node.float("beta").unwrap_or(0.5));
        if (alpha - 1.0 / 6.0).abs() < 1e-6 && beta == 0.5 {
            return self.emit(Hardsigmoid {}, &[input], Vec::new());
        }
        let factor = self.emit_scalar(alpha, axes.len())?;
        let scaled = self.emit(Mul {}, &[input, &factor], Vec::new())?;
        let offset = self.emit_scalar(beta, axes.len())?;
        let moved = self.emit(convscope_ops::Add {}, &[&scaled, &offset], Vec::new())?;
        self.emit(Hardtanh { min_val: 0.0, max_val: 1.0 }, &[&moved], Vec::new())
    }

    fn prelu(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let (input, axes) = given.known(0)?;
        let slope = given.required(1)?;
        let channels = axes.first().copied().unwrap_or(1);
        // The slopes' axes are matched with the input's from the last one on.
        let of_channels = slope.dims.iter().rev().nth(axes.len().saturating_sub(1)).copied();
        let num_parameters = match slope.len() {
            1 => 1,
            len if len == channels && of_channels == Some(channels) => channels,
            _ => return unsupported(format!("slopes of the axes {:?} for {axes:?}", slope.dims)),
        };
        self.emit(Prelu { num_parameters }, &[input], vec![("weight", Array::Stored(slope.clone()))])
    }

    pub(super) fn softmax(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let (input, axes) = given.known(0)?;
        let rank = axes.len();
        let is_log = given.node.op_type == "LogSoftmax";
        let operator: Operator =
            if is_log { LogSoftmax::default().into() } else { Softmax::default().into() };
        if self.opset < 13 {
            // Older versions take all axes from this one on together.
            let first = given.axis(given.node.int("axis").unwrap_or(1), rank)?;
            let len: usize = axes[first..].iter().product();
            if first == 0 && len == axes[0] {
                return self.emit(operator, &[input], Vec::new());
            }
            if first == 0 {
                let flat = self.emit(Reshape { shape: vec![-1] }, &[input], Vec::new())?;
                let output = self.emit(operator, &[&flat], Vec::new())?;
                return self.emit(Reshape { shape: signed(axes) }, &[&output], Vec::new());
            }
            if first + 1 != rank && len != axes[first] {
                return unsupported("over several axes, and not all");
            }
        }
        let at = given.axis(given.node.int("axis").unwrap_or(if self.opset < 13 { 1 } else { -1 }), rank)?;
        if at == 0 {
            return self.emit(operator, &[input], Vec::new());
        }
        // Exchanged with the first axis and back.
        let mut dims: Vec<isize> = (0..=rank as isize).collect();
        dims.swap(1, at + 1);
        let turned = self.emit(Permute { dims: dims.clone() }, &[input], Vec::new())?;
        let output = self.emit(operator, &[&turned], Vec::new())?;
        self.emit(Permute { dims }, &[&output], Vec::new())
    }
}

/// Axes as a reshape names them.
pub(super) fn signed(axes: &[usize]) -> Vec<isize> {
    axes.iter().map(|&len| len as isize).collect()
}

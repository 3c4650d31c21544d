//! Normalisations.

use convscope_ops::{BatchNorm, Dropout, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm};

use super::{Array, Computed, Done, Given, Importer, unsupported};
use crate::attributes::Attributes;
use crate::tensor::Tensor;

impl<'a> Importer<'a> {
    pub(super) fn batch_norm(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let (input, axes) = given.known(0)?;
        if given.node.output.iter().skip(1).any(|name| self.uses.contains_key(name.as_str())) {
            return unsupported("its statistics are outputs that are used");
        }
        let channels = axes.first().copied().unwrap_or(1);
        let mut arrays = Vec::new();
        for (name, index) in [("weight", 1), ("bias", 2), ("running_mean", 3), ("running_var", 4)] {
            let array = given.required(index)?;
            if array.len() != channels {
                return unsupported(format!("{name} has {} numbers for {channels} channels", array.len()));
            }
            arrays.push((name, Array::Stored(array.clone())));
        }
        let eps = f64::from(given.node.float("epsilon").unwrap_or(1e-5));
        self.emit(BatchNorm { eps: rounded(eps), ..BatchNorm::default() }, &[input], arrays)
    }

    pub(super) fn instance_norm(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let (input, _) = given.known(0)?;
        let arrays = weight_and_bias(given)?;
        let eps = rounded(f64::from(given.node.float("epsilon").unwrap_or(1e-5)));
        self.emit(InstanceNorm { eps, affine: true }, &[input], arrays)
    }

    pub(super) fn layer_norm(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let (input, axes) = given.known(0)?;
        if given.node.output.iter().skip(1).any(|name| self.uses.contains_key(name.as_str())) {
            return unsupported("its means or deviations are outputs that are used");
        }
        let first = given.axis(given.node.int("axis").unwrap_or(-1), axes.len())?;
        let normalized = &axes[first..];
        let len: usize = normalized.iter().product();
        let array = |index: usize| -> Done<Option<Array>> {
            match given.constant(index)? {
                Some(array) if array.len() == len => Ok(Some(Array::Stored(array.clone()))),
                Some(array) if array.len() == 1 => Ok(Some(Array::Filled(array.to_floats()?[0]))),
                Some(array) => {
                    unsupported(format!("a scale of the axes {:?} for {normalized:?}", array.dims))
                }
                None => Ok(None),
            }
        };
        let bias = array(2)?;
        let eps = rounded(f64::from(given.node.float("epsilon").unwrap_or(1e-5)));
        let operator = LayerNorm { eps, bias: bias.is_some(), ..LayerNorm::new(normalized.to_vec()) };
        let mut arrays = vec![("weight", array(1)?.unwrap_or(Array::Filled(1.0)))];
        arrays.extend(bias.map(|bias| ("bias", bias)));
        self.emit(operator, &[input], arrays)
    }

    pub(super) fn group_norm(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let (input, axes) = given.known(0)?;
        let groups = usize::try_from(given.node.int("num_groups").unwrap_or(0)).unwrap_or(0);
        let channels = axes.first().copied().unwrap_or(1);
        if groups == 0 || !channels.is_multiple_of(groups) {
            return unsupported(format!("{groups} groups of {channels} channels"));
        }
        let mut arrays = Vec::new();
        for (name, index) in [("weight", 1), ("bias", 2)] {
            let array = given.required(index)?;
            arrays.push((name, per_channel(array, channels, groups)?));
        }
        let eps = rounded(f64::from(given.node.float("epsilon").unwrap_or(1e-5)));
        self.emit(GroupNorm { eps, ..GroupNorm::new(groups) }, &[input], arrays)
    }

    pub(super) fn local_response_norm(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let (input, _) = given.known(0)?;
        let size = usize::try_from(given.node.int("size").unwrap_or(0)).unwrap_or(0);
        if size.is_multiple_of(2) {
            return unsupported(format!("a size of {size}, which is not odd"));
        }
        let number = |name: &str, default: f32| rounded(f64::from(given.node.float(name).unwrap_or(default)));
        let operator = LocalResponseNorm {
            size,
            alpha: number("alpha", 1e-4),
            beta: number("beta", 0.75),
            k: number("bias", 1.0),
        };
        self.emit(operator, &[input], Vec::new())
    }

    pub(super) fn dropout(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let input = given.computed(0)?;
        if given.node.output.get(1).is_some_and(|name| self.uses.contains_key(name.as_str())) {
            return unsupported("its second output, the mask, is used");
        }
        if given.constant(2)?.and_then(Tensor::scalar).is_some_and(|training| training != 0.0) {
            return unsupported("in training, at random");
        }
        let ratio = match given.constant(1)? {
            Some(ratio) => ratio.scalar(),
            None => given.node.float("ratio"),
        };
        match ratio {
            Some(ratio) if ratio > 0.0 && ratio < 1.0 => {
                self.emit(Dropout { p: rounded(f64::from(ratio)) }, &[input], Vec::new())
            }
            _ => Ok(input.clone()),
        }
    }
}

/// Scale and offset of each channel.
fn weight_and_bias(given: &Given<'_, '_>) -> Done<Vec<(&'static str, Array)>> {
    let channels = given.known(0)?.1.first().copied().unwrap_or(1);
    let mut arrays = Vec::new();
    for (name, index) in [("weight", 1), ("bias", 2)] {
        let array = given.required(index)?;
        if array.len() != channels {
            return unsupported(format!("{name} has {} numbers for {channels} channels", array.len()));
        }
        arrays.push((name, Array::Stored(array.clone())));
    }
    Ok(arrays)
}

/// A number for each channel, or for each group in older versions.
fn per_channel(array: &Tensor, channels: usize, groups: usize) -> Done<Array> {
    match array.len() {
        len if len == channels => Ok(Array::Stored(array.clone())),
        len if len == groups => {
            let values = array.to_floats()?;
            Ok(Array::values((0..channels).map(|channel| values[channel / (channels / groups)]).collect()))
        }
        len => unsupported(format!("{len} numbers for {channels} channels in {groups} groups")),
    }
}

/// A single-precision number as it is written in decimals, so that 1e-5 stays 1e-5.
pub(super) fn rounded(value: f64) -> f64 {
    (value as f32).to_string().parse().unwrap_or(value)
}

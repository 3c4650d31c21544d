//! Convolutions and matrix products.

use convscope_ops::{Conv2d, ConvPadding, ConvTranspose2d, Linear, Matmul, Operator, Pad, Sides};

use super::geometry::Geometry;
use super::{Array, Computed, Done, EmittedKind, Given, Importer, Source, Value, unsupported};
use crate::attributes::Attributes;
use crate::tensor::Tensor;

impl<'a> Importer<'a> {
    pub(super) fn conv(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let (input, axes) = given.known(0)?;
        let weight = given.required(1)?;
        let Some(&out_channels) = weight.dims.first() else { return unsupported("its weight has no axes") };
        let geometry = Geometry::new(given, axes, weight.dims.get(2..))?;
        let kernel = if geometry.is_line { &geometry.kernel[1..] } else { &geometry.kernel[..] };
        if weight.dims.get(2..) != Some(kernel) {
            return unsupported(format!(
                "its weight has the axes {:?} and its kernel {kernel:?}",
                weight.dims
            ));
        }
        let groups = usize::try_from(given.node.int("group").unwrap_or(1)).unwrap_or(0);
        let (input, pads) = self.with_padding_of_pad(input, geometry.pads);
        let padding = match pads {
            [[top, bottom], [left, right]] if top == bottom && left == right => {
                ConvPadding::Size([top, left].into())
            }
            [[top, bottom], [left, right]] => ConvPadding::Sides(Sides { top, bottom, left, right }),
        };
        if groups == 0 || weight.dims[1].checked_mul(groups) != input.axes.as_ref().map(|axes| axes[0]) {
            return unsupported(format!(
                "a weight of the axes {:?} in {groups} groups for {axes:?}",
                weight.dims
            ));
        }
        let bias = given.constant(2)?;
        let operator = Conv2d {
            stride: geometry.stride.into(),
            padding,
            dilation: geometry.dilation.into(),
            groups,
            bias: bias.is_some(),
            ..Conv2d::new(out_channels, geometry.kernel)
        };
        let mut arrays = vec![("weight", Array::Stored(weight.clone()))];
        arrays.extend(bias.map(|bias| ("bias", Array::Stored(bias.clone()))));
        let input = self.as_image(&input)?;
        let output = self.emit(operator, &[&input], arrays)?;
        self.as_line(output, geometry.is_line)
    }

    /// The value that a node of zeros around it takes, and all zeros together.
    fn with_padding_of_pad(&self, input: &Computed, pads: [[usize; 2]; 2]) -> (Computed, [[usize; 2]; 2]) {
        let as_it_is = (input.clone(), pads);
        let Source::Node(index) = input.from else { return as_it_is };
        let EmittedKind::Operator(operator) = &self.emitted[index].kind else { return as_it_is };
        if operator.name() != "pad" {
            return as_it_is;
        }
        let Ok(pad) = serde_json::from_value::<Pad>(serde_json::Value::Object(operator.arguments().clone()))
        else {
            return as_it_is;
        };
        if pad.mode != Default::default() || pad.value != 0.0 || pad.pad.iter().any(|&side| side < 0) {
            return as_it_is;
        }
        let Some(axes) = input.axes.as_ref().filter(|axes| axes.len() == 3) else { return as_it_is };
        let [left, right, top, bottom] = pad.pad.map(isize::unsigned_abs);
        let inner = vec![axes[0], axes[1] - top - bottom, axes[2] - left - right];
        let computed = Computed { from: self.emitted[index].inputs[0], axes: Some(inner) };
        let [[own_top, own_bottom], [own_left, own_right]] = pads;
        (computed, [[top + own_top, bottom + own_bottom], [left + own_left, right + own_right]])
    }

    pub(super) fn conv_transpose(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let (input, axes) = given.known(0)?;
        let weight = given.required(1)?;
        let mut geometry = Geometry::new(given, axes, weight.dims.get(2..))?;
        let groups = usize::try_from(given.node.int("group").unwrap_or(1)).unwrap_or(0);
        if groups == 0 || weight.dims.len() != axes.len() + 1 || weight.dims[0] != axes[0] {
            return unsupported(format!("a weight of the axes {:?} for {axes:?}", weight.dims));
        }
        let sizes = |name: &str| -> Done<Option<[usize; 2]>> {
            match given.node.ints(name) {
                None => Ok(None),
                Some(ints) => match *ints {
                    [columns] if geometry.is_line && columns >= 0 => Ok(Some([0, columns as usize])),
                    [rows, columns] if rows >= 0 && columns >= 0 => {
                        Ok(Some([rows as usize, columns as usize]))
                    }
                    _ => unsupported(format!("{name} is {ints:?}")),
                },
            }
        };
        let extra = sizes("output_padding")?.unwrap_or([0, 0]);
        let size = if geometry.is_line { [1, axes[1]] } else { [axes[1], axes[2]] };
        let whole = [0, 1].map(|axis| {
            geometry.stride[axis].saturating_mul(size[axis].max(1) - 1).saturating_add(
                geometry.dilation[axis].saturating_mul(geometry.kernel[axis] - 1) + 1 + extra[axis],
            )
        });
        let auto_pad = given.node.text("auto_pad").unwrap_or("NOTSET").to_owned();
        let mut asked = sizes("output_shape")?;
        if asked.is_none() && auto_pad.starts_with("SAME") {
            asked = Some([0, 1].map(|axis| size[axis].saturating_mul(geometry.stride[axis])));
        }
        if let Some(asked) = asked {
            for axis in if geometry.is_line { 1..2 } else { 0..2 } {
                let Some(all) = whole[axis].checked_sub(asked[axis]) else {
                    return unsupported(format!("output_shape is {asked:?}, more than the windows reach"));
                };
                let (less, more) = (all / 2, all - all / 2);
                geometry.pads[axis] = if auto_pad == "SAME_UPPER" { [less, more] } else { [more, less] };
            }
        }
        let even = geometry.even_pads();
        let bias = given.constant(2)?;
        let operator = ConvTranspose2d {
            stride: geometry.stride.into(),
            padding: even.unwrap_or([0, 0]).into(),
            output_padding: extra.into(),
            groups,
            bias: bias.is_some(),
            dilation: geometry.dilation.into(),
            ..ConvTranspose2d::new(weight.dims[1].saturating_mul(groups), geometry.kernel)
        };
        let mut arrays = vec![("weight", Array::Stored(weight.clone()))];
        arrays.extend(bias.map(|bias| ("bias", Array::Stored(bias.clone()))));
        let input = self.as_image(input)?;
        let mut output = self.emit(operator, &[&input], arrays)?;
        if even.is_none() {
            let [[top, bottom], [left, right]] = geometry.pads;
            output = self.emit(
                Pad::new([left, right, top, bottom].map(|side| -(side as isize))),
                &[&output],
                Vec::new(),
            )?;
        }
        self.as_line(output, geometry.is_line)
    }

    pub(super) fn gemm(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let (input, axes) = given.known(0)?;
        let (alpha, beta) =
            (given.node.float("alpha").unwrap_or(1.0), given.node.float("beta").unwrap_or(1.0));
        if given.node.int("transA").unwrap_or(0) != 0 {
            return unsupported("transA exchanges the batch axis");
        }
        let weight = given.required(1)?;
        let (&[rows, columns], 1) = (weight.dims.as_slice(), axes.len()) else {
            return unsupported(format!("a weight of the axes {:?}", weight.dims));
        };
        let is_turned = given.node.int("transB").unwrap_or(0) != 0;
        let out_features = if is_turned { rows } else { columns };
        let mut array =
            if is_turned { Array::Stored(weight.clone()) } else { Array::Transposed(weight.clone()) };
        if alpha != 1.0 {
            let mut values = vec![0.0; weight.len()];
            array.write(&mut values)?;
            array = Array::values(values.into_iter().map(|value| value * alpha).collect());
        }
        let bias = match given.constant(2)? {
            Some(bias) => Some(bias_of(bias, out_features, beta)?),
            None => None,
        };
        let operator = Linear { bias: bias.is_some(), ..Linear::new(out_features) };
        let mut arrays = vec![("weight", array)];
        arrays.extend(bias.map(|bias| ("bias", bias)));
        self.emit(operator, &[input], arrays)
    }

    pub(super) fn matmul(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        match (given.value(0), given.value(1)) {
            (Some(Value::Computed(input)), Some(Value::Constant(weight))) => {
                let &[_, columns] = weight.dims.as_slice() else {
                    return unsupported(format!("a constant of the axes {:?}", weight.dims));
                };
                let operator = Linear { bias: false, ..Linear::new(columns) };
                self.emit(operator, &[input], vec![("weight", Array::Transposed(weight.clone()))])
            }
            (Some(Value::Computed(a)), Some(Value::Computed(b))) => self.emit(Matmul {}, &[a, b], Vec::new()),
            _ => unsupported("a constant on the left"),
        }
    }

    /// Adds a constant to the linear map that computes a value, as its bias; none if it is not one.
    pub(super) fn bias_of_linear(
        &mut self,
        name: &'a str,
        input: &Computed,
        bias: &Tensor,
    ) -> Done<Option<Computed>> {
        let Source::Node(index) = input.from else { return Ok(None) };
        let is_product =
            self.producers.get(name).is_some_and(|&producer| self.graph.node[producer].op_type == "MatMul");
        let emitted = &self.emitted[index];
        let EmittedKind::Operator(operator) = &emitted.kind else { return Ok(None) };
        if !is_product
            || self.uses.get(name) != Some(&1)
            || operator.name() != "linear"
            || emitted.arrays.len() != 1
        {
            return Ok(None);
        }
        let Some(&out_features) = input.axes.as_ref().and_then(|axes| axes.last()) else { return Ok(None) };
        if bias.len() != out_features || bias.dims.last() != Some(&out_features) {
            return Ok(None);
        }
        let emitted = &mut self.emitted[index];
        emitted.kind = EmittedKind::Operator(Operator::from(Linear::new(out_features)));
        emitted.arrays.push(("bias", Array::Stored(bias.clone())));
        self.changed.insert(name);
        Ok(Some(input.clone()))
    }
}

/// The bias of a linear map: a number, or one for each feature.
fn bias_of(bias: &Tensor, features: usize, beta: f32) -> Done<Array> {
    let values = bias.to_floats()?;
    match values.len() {
        _ if bias.dims.iter().rev().skip(1).any(|&len| len != 1) => {
            unsupported(format!("a bias of the axes {:?}, different for each image of the batch", bias.dims))
        }
        1 => Ok(Array::Filled(values[0] * beta)),
        len if len == features && beta == 1.0 => Ok(Array::Stored(bias.clone())),
        len if len == features => Ok(Array::values(values.iter().map(|value| value * beta).collect())),
        _ => unsupported(format!("a bias of the axes {:?} for {features} features", bias.dims)),
    }
}

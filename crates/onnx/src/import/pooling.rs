//! Pooling and means.

use convscope_ops::{
    AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool2d, Flatten, MaxPool2d, Mean, Mul, Reshape,
};

use super::geometry::Geometry;
use super::{Computed, Done, Given, Importer, Stop, unsupported};
use crate::attributes::Attributes;
use crate::tensor::Tensor;

impl<'a> Importer<'a> {
    pub(super) fn max_pool(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let (input, axes) = given.known(0)?;
        if given.node.output.get(1).is_some_and(|name| self.uses.contains_key(name.as_str())) {
            return unsupported("its second output, the places of the maxima, is used");
        }
        let geometry = Geometry::new(given, axes, None)?;
        let fits = |pads: &[usize; 2]| pads[0] <= geometry.kernel[0] / 2 && pads[1] <= geometry.kernel[1] / 2;
        let padding = geometry.even_pads().filter(fits);
        let mut image = self.as_image(input)?;
        if padding.is_none() {
            if geometry.ceil {
                return unsupported("ceil_mode with uneven padding");
            }
            image = self.emit(geometry.pad(f64::from(f32::MIN)), &[&image], Vec::new())?;
        }
        let operator = MaxPool2d {
            stride: Some(geometry.stride.into()),
            padding: padding.unwrap_or([0, 0]).into(),
            dilation: geometry.dilation.into(),
            ceil_mode: geometry.ceil,
            ..MaxPool2d::new(geometry.kernel)
        };
        let output = self.emit(operator, &[&image], Vec::new())?;
        self.as_line(output, geometry.is_line)
    }

    pub(super) fn average_pool(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let (input, axes) = given.known(0)?;
        let geometry = Geometry::new(given, axes, None)?;
        if geometry.dilation != [1, 1] {
            return unsupported(format!("dilations is {:?}", geometry.dilation));
        }
        let counts_padding = given.node.int("count_include_pad").unwrap_or(0) != 0;
        let operator = AvgPool2d {
            stride: Some(geometry.stride.into()),
            ceil_mode: geometry.ceil,
            ..AvgPool2d::new(geometry.kernel)
        };
        let fits = |pads: &[usize; 2]| pads[0] <= geometry.kernel[0] / 2 && pads[1] <= geometry.kernel[1] / 2;
        let image = self.as_image(input)?;
        if let Some(padding) = geometry.even_pads().filter(fits) {
            let operator =
                AvgPool2d { padding: padding.into(), count_include_pad: counts_padding, ..operator };
            let output = self.emit(operator, &[&image], Vec::new())?;
            return self.as_line(output, geometry.is_line);
        }
        if geometry.ceil {
            return unsupported("ceil_mode with uneven padding");
        }
        let size = image.axes.as_ref().map(|axes| [axes[1], axes[2]]).ok_or(Stop::Unknown)?;
        let padded = self.emit(geometry.pad(0.0), &[&image], Vec::new())?;
        if counts_padding {
            let output = self.emit(operator, &[&padded], Vec::new())?;
            return self.as_line(output, geometry.is_line);
        }
        // Sums, each divided by its number of pixels.
        let sums = self.emit(AvgPool2d { divisor_override: Some(1), ..operator }, &[&padded], Vec::new())?;
        let counts = [0, 1].map(|axis| {
            let output = sums.axes.as_ref().map_or(0, |axes| axes[axis + 1]);
            let before = geometry.pads[axis][0];
            let inside = |index: usize| {
                let start = index * geometry.stride[axis];
                let end = (start + geometry.kernel[axis]).min(before + size[axis]);
                end.saturating_sub(start.max(before))
            };
            (0..output).map(inside).collect::<Vec<_>>()
        });
        let factors = counts[0]
            .iter()
            .flat_map(|rows| counts[1].iter().map(move |columns| 1.0 / (rows * columns).max(1) as f32));
        let dims = vec![1, 1, counts[0].len(), counts[1].len()];
        let factors = self.emit_constant(&Tensor::floats(dims, factors.collect()), 3)?;
        let output = self.emit(Mul {}, &[&sums, &factors], Vec::new())?;
        self.as_line(output, geometry.is_line)
    }

    pub(super) fn global_pool(&mut self, given: &Given<'a, '_>, is_mean: bool) -> Done<Computed> {
        let (input, axes) = given.known(0)?;
        let is_line = match axes.len() {
            2 => true,
            3 => false,
            axes => return unsupported(format!("works on values of {} axes", axes + 1)),
        };
        let image = self.as_image(input)?;
        let output = if is_mean {
            self.emit(AdaptiveAvgPool2d::new(1), &[&image], Vec::new())?
        } else {
            self.emit(AdaptiveMaxPool2d { output_size: 1.into() }, &[&image], Vec::new())?
        };
        self.as_line(output, is_line)
    }

    /// Means, sums and maxima over some axes.
    pub(super) fn reduce(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let (input, axes) = given.known(0)?;
        let rank = axes.len();
        let operator = given.node.op_type.as_str();
        let keeps = given.node.int("keepdims").unwrap_or(1) != 0;
        let over = given.ints(1, "axes")?.filter(|over| !over.is_empty());
        let Some(over) = over else {
            if given.node.int("noop_with_empty_axes") == Some(1) {
                return Ok(input.clone());
            }
            return unsupported("takes the images of the batch together");
        };
        let mut over: Vec<usize> = over.into_iter().map(|at| given.axis(at, rank)).collect::<Done<_>>()?;
        over.sort_unstable();
        over.dedup();
        let count: usize = over.iter().map(|&at| axes[at]).product();
        let is_of_image = rank == 3 && over == [1, 2];
        if operator == "ReduceMax" {
            if !is_of_image {
                return unsupported("over other axes than rows and columns");
            }
            let output = self.emit(AdaptiveMaxPool2d { output_size: 1.into() }, &[input], Vec::new())?;
            return if keeps { Ok(output) } else { self.emit(Flatten::default(), &[&output], Vec::new()) };
        }
        let output = if is_of_image {
            let output = self.emit(AdaptiveAvgPool2d::new(1), &[input], Vec::new())?;
            if keeps { output } else { self.emit(Flatten::default(), &[&output], Vec::new())? }
        } else {
            let dim: Vec<isize> = over.iter().map(|&at| at as isize + 1).collect();
            let kept = self.emit(Mean { dim, keepdim: true }, &[input], Vec::new())?;
            if keeps {
                kept
            } else {
                let left = (0..rank).filter(|at| !over.contains(at)).map(|at| axes[at] as isize);
                self.emit(Reshape { shape: left.collect() }, &[&kept], Vec::new())?
            }
        };
        if operator == "ReduceMean" {
            return Ok(output);
        }
        let factor = self.emit_scalar(count as f32, output.axes.as_ref().map_or(0, Vec::len))?;
        self.emit(Mul {}, &[&output, &factor], Vec::new())
    }
}

//! Windows that slide over images, as ONNX describes them.

use convscope_ops::{Pad, Reshape};

use super::{Computed, Done, Given, Importer, Stop, unsupported};
use crate::attributes::Attributes;

/// Kernel, steps and padding along rows and columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) dilation: [usize; 2],
    /// Above and below, left and right.
    pub(super) pads: [[usize; 2]; 2],
    pub(super) ceil: bool,
    /// Whether the value is `[C, L]`, which has one row.
    pub(super) is_line: bool,
}

impl Geometry {
    /// The windows of a node over an input of these axes; the kernel is that of the weight if no attribute has it.
    pub(super) fn new(given: &Given<'_, '_>, axes: &[usize], kernel: Option<&[usize]>) -> Done<Geometry> {
        let node = given.node;
        let is_line = axes.len() == 2;
        let size = match *axes {
            [_, columns] => [1, columns],
            [_, rows, columns] => [rows, columns],
            _ => return unsupported(format!("works on values of {} axes", axes.len() + 1)),
        };
        let pair = |name: &str, ints: Option<Vec<usize>>, default: usize| match ints {
            None => Ok([default; 2]),
            Some(ints) => match *ints {
                [columns] if is_line => Ok([1, columns]),
                [rows, columns] if !is_line => Ok([rows, columns]),
                _ => unsupported(format!("{name} has {} numbers", ints.len())),
            },
        };
        let attribute = |name: &str| match node.ints(name) {
            None => Ok(None),
            Some(ints) => {
                let sizes: Result<Vec<usize>, _> = ints.iter().map(|&int| usize::try_from(int)).collect();
                sizes.map(Some).map_err(|_| Stop::Unsupported(format!("{name} is {ints:?}")))
            }
        };
        let kernel_shape = attribute("kernel_shape")?.or(kernel.map(<[usize]>::to_vec));
        let Some(kernel_shape) = kernel_shape else { return unsupported("has no kernel_shape") };
        let kernel = pair("kernel_shape", Some(kernel_shape), 1)?;
        let stride = pair("strides", attribute("strides")?, 1)?;
        let mut dilation = pair("dilations", attribute("dilations")?, 1)?;
        if is_line {
            dilation[0] = 1;
        }
        let ceil = node.int("ceil_mode").unwrap_or(0) != 0;
        let mut geometry = Geometry { kernel, stride, dilation, pads: [[0; 2]; 2], ceil, is_line };
        let most = 1 << 24;
        if [kernel, stride, dilation].iter().flatten().any(|&number| number == 0 || number > most) {
            return unsupported(format!(
                "kernel_shape is {kernel:?}, strides {stride:?}, dilations {dilation:?}"
            ));
        }
        match node.text("auto_pad").unwrap_or("NOTSET") {
            "NOTSET" | "" => {
                if let Some(pads) = attribute("pads")? {
                    geometry.pads = match *pads {
                        [left, right] if is_line => [[0, 0], [left, right]],
                        [top, left, bottom, right] if !is_line => [[top, bottom], [left, right]],
                        _ => return unsupported(format!("pads is {pads:?}")),
                    };
                }
            }
            "VALID" => {}
            same @ ("SAME_UPPER" | "SAME_LOWER") => {
                for axis in 0..2 {
                    let reach = dilation[axis] * (kernel[axis] - 1) + 1;
                    let last = (size[axis].div_ceil(stride[axis]).max(1) - 1) * stride[axis];
                    let all = (last + reach).saturating_sub(size[axis]);
                    let (less, more) = (all / 2, all - all / 2);
                    geometry.pads[axis] = if same == "SAME_UPPER" { [less, more] } else { [more, less] };
                }
            }
            other => return unsupported(format!("auto_pad is '{other}'")),
        }
        if geometry.pads.iter().flatten().any(|&number| number > most) {
            return unsupported(format!("pads is {:?}", geometry.pads));
        }
        Ok(geometry)
    }

    /// The padding if it is the same on opposite sides.
    pub(super) fn even_pads(&self) -> Option<[usize; 2]> {
        let [[top, bottom], [left, right]] = self.pads;
        (top == bottom && left == right).then_some([top, left])
    }

    /// The padding as a node of its own.
    pub(super) fn pad(&self, value: f64) -> Pad {
        let [[top, bottom], [left, right]] = self.pads;
        Pad { value, ..Pad::new([left, right, top, bottom].map(|side| side as isize)) }
    }
}

impl Importer<'_> {
    /// A value as an image: `[C, L]` has one row.
    pub(super) fn as_image(&mut self, input: &Computed) -> Done<Computed> {
        match input.axes.as_deref().ok_or(Stop::Unknown)? {
            &[channels, columns] => {
                let shape = vec![channels as isize, 1, columns as isize];
                self.emit(Reshape { shape }, &[input], Vec::new())
            }
            _ => Ok(input.clone()),
        }
    }

    /// An image of one row as `[C, L]` again.
    pub(super) fn as_line(&mut self, output: Computed, is_line: bool) -> Done<Computed> {
        match (is_line, output.axes.as_deref()) {
            (true, Some(&[channels, _, columns])) => {
                let shape = vec![channels as isize, columns as isize];
                self.emit(Reshape { shape }, &[&output], Vec::new())
            }
            _ => Ok(output),
        }
    }
}

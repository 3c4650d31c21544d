//! Resizing.

use convscope_ops::{Interpolate, InterpolateMode};

use super::{Computed, Done, Given, Importer, Stop, unsupported};
use crate::attributes::Attributes;

impl<'a> Importer<'a> {
    pub(super) fn resize(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let node = given.node;
        let (input, axes) = given.known(0)?;
        let &[_, rows, columns] = axes else {
            return unsupported(format!("works on values of {} axes", axes.len() + 1));
        };
        if node.ints("axes").is_some() || node.int("antialias").unwrap_or(0) != 0 {
            return unsupported("with axes or antialias");
        }
        if node.text("keep_aspect_ratio_policy").is_some_and(|policy| policy != "stretch") {
            return unsupported("with keep_aspect_ratio_policy");
        }
        // From version 11 on, the region of interest comes before the scales.
        let scales_at = if node.op_type == "Resize" && self.opset >= 11 { 2 } else { 1 };
        let scales = match given.constant(scales_at)? {
            Some(scales) if scales.len() > 0 => Some(scales.to_floats()?.into_owned()),
            _ => node.floats("scales").map(<[f32]>::to_vec),
        };
        let sizes =
            if scales_at == 2 { given.constant(3)?.map(|sizes| sizes.to_ints()).transpose()? } else { None };
        let size = [rows, columns];
        let asked = match (scales, sizes) {
            (Some(scales), _) => {
                let &[1.0, 1.0, by_rows, by_columns] = scales.as_slice() else {
                    return unsupported(format!("scales is {scales:?}"));
                };
                let exact = [0, 1].map(|axis| size[axis] as f32 * [by_rows, by_columns][axis]);
                if exact.iter().any(|&len| !(1.0..1e6).contains(&len) || len.fract() != 0.0) {
                    return unsupported(format!(
                        "scales is {scales:?}, which makes no whole number of {size:?} pixels"
                    ));
                }
                exact.map(|len| len as usize)
            }
            (None, Some(sizes)) => match *sizes {
                [_, channels, rows, columns] if channels == axes[0] as i64 && rows > 0 && columns > 0 => {
                    [rows as usize, columns as usize]
                }
                _ => return unsupported(format!("sizes is {sizes:?}")),
            },
            (None, None) => return unsupported("neither scales nor sizes"),
        };
        let mode = node.text("mode").unwrap_or("nearest");
        let is_old = scales_at == 1;
        let place = if is_old {
            "asymmetric"
        } else {
            node.text("coordinate_transformation_mode").unwrap_or("half_pixel")
        };
        let nearest =
            if is_old { "floor" } else { node.text("nearest_mode").unwrap_or("round_prefer_floor") };
        let whole = (0..2).all(|axis| asked[axis].is_multiple_of(size[axis]));
        let mut operator = Interpolate { size: Some(asked.into()), ..Interpolate::default() };
        match (mode, place, nearest) {
            ("nearest", "asymmetric", "floor") => {}
            // For whole factors the middle of a new pixel lies within the old one.
            ("nearest", "half_pixel" | "pytorch_half_pixel", "round_prefer_floor" | "round_prefer_ceil")
                if whole => {}
            ("linear" | "bilinear", "half_pixel", _) => operator.mode = InterpolateMode::Bilinear,
            ("linear" | "bilinear", "pytorch_half_pixel", _) if asked.iter().all(|&len| len > 1) => {
                operator.mode = InterpolateMode::Bilinear;
            }
            ("linear" | "bilinear", "align_corners", _) => {
                operator.mode = InterpolateMode::Bilinear;
                operator.align_corners = true;
            }
            _ => {
                return unsupported(format!(
                    "mode '{mode}' with coordinate_transformation_mode '{place}' and nearest_mode '{nearest}'"
                ));
            }
        }
        let output = self.emit(operator, &[input], Vec::new())?;
        output.axes.as_ref().ok_or(Stop::Unknown)?;
        Ok(output)
    }
}

//! How large an operator's arrays may be.
//!
//! Sizes come from untrusted files and arguments. These bounds are checked before anything is allocated, and are low
//! enough that no product of two sizes overflows.

use crate::OpError;

/// Most elements of a value for one image, or of one weight: 2^31. Kernels count them in 32 bits.
pub const MOST_ELEMENTS: usize = 1 << 31;

/// Most pixels (rows x columns) to which an operator may enlarge a plane, by padding or upsampling: 2^22, as in
/// 2048x2048, or four times those of its input if that is more.
pub const MOST_ENLARGED_PIXELS: usize = 1 << 22;

/// Most positions in a convolution's kernel (rows x columns), and the limit for the product of its strides: 2^18, as in
/// 512x512.
pub const MOST_TAPS: usize = 1 << 18;

/// Most elements that region pooling may output for all boxes together: 2^28.
pub const MOST_REGION_ELEMENTS: usize = 1 << 28;

/// Fails if an array of these axes would have more than [`MOST_ELEMENTS`].
pub(crate) fn check_elements(operator: &'static str, what: &str, axes: &[usize]) -> Result<(), OpError> {
    at_most(MOST_ELEMENTS, "elements", operator, what, axes)
}

/// Fails if a plane made from an input of `input` rows and columns would be larger than an operator may make it.
pub(crate) fn check_plane(
    operator: &'static str,
    what: &str,
    plane: [usize; 2],
    input: [usize; 2],
) -> Result<(), OpError> {
    let most = input[0].saturating_mul(input[1]).saturating_mul(4).max(MOST_ENLARGED_PIXELS);
    at_most(most, "pixels", operator, what, &plane)
}

/// Fails if a kernel or a stride has more than [`MOST_TAPS`] positions.
pub(crate) fn check_taps(operator: &'static str, what: &str, positions: [usize; 2]) -> Result<(), OpError> {
    at_most(MOST_TAPS, "positions", operator, what, &positions)
}

/// Fails if the output for all boxes would have more than [`MOST_REGION_ELEMENTS`].
pub(crate) fn check_regions(operator: &'static str, output: [usize; 4]) -> Result<(), OpError> {
    at_most(MOST_REGION_ELEMENTS, "elements", operator, "the output", &output)
}

fn at_most(
    most: usize,
    unit: &str,
    operator: &'static str,
    what: &str,
    axes: &[usize],
) -> Result<(), OpError> {
    let product = axes.iter().try_fold(1usize, |product, &axis| product.checked_mul(axis));
    // A zero among the axes must not hide an overflow of the others, on which `ndarray` panics.
    let counted = axes.iter().filter(|&&axis| axis > 0);
    let counted = counted.fold(1usize, |product, &axis| product.saturating_mul(axis));
    if product.is_some() && counted <= most {
        return Ok(());
    }
    Err(OpError::shape(operator, format!("{what} would be {axes:?}, more than {most} {unit}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_axis_does_not_hide_an_overflow() {
        assert!(check_elements("relu", "the output", &[0, 7, 5]).is_ok());
        assert!(check_elements("relu", "the output", &[0, 1 << 62, 8]).is_err());
        assert!(check_elements("relu", "the output", &[1 << 31]).is_ok());
        let error = check_elements("relu", "the output", &[1 << 30, 3]).unwrap_err().to_string();
        assert_eq!(error, "relu: the output would be [1073741824, 3], more than 2147483648 elements");
    }

    #[test]
    fn a_plane_grows_to_a_bound_or_to_four_times_its_input() {
        assert!(check_plane("conv2d", "the padded input", [2048, 2048], [1, 1]).is_ok());
        assert!(check_plane("conv2d", "the padded input", [2048, 2049], [1, 1]).is_err());
        assert!(check_plane("conv2d", "the padded input", [6000, 4000], [3000, 2000]).is_ok());
        assert!(check_plane("conv2d", "the padded input", [6000, 4001], [3000, 2000]).is_err());
    }
}

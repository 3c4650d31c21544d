//! The sum of two values, with what is applied to it.

use crate::simd::{Kernel, LANES, Simd, dispatch};
use crate::threads::{FEWEST_OF_PART, both};
use crate::{Epilogue, Isa};

/// `output = epilogue(a + b)`, on as many threads as are free, but at most `parts`.
pub fn add(isa: Isa, a: &[f32], b: &[f32], epilogue: Epilogue, output: &mut [f32], parts: usize) {
    assert!(a.len() == output.len() && b.len() == output.len());
    if parts < 2 || output.len() < 2 * FEWEST_OF_PART {
        return dispatch(isa, Sum { a, b, epilogue, output });
    }
    let half = (output.len() / 2).next_multiple_of(LANES);
    let (left, right) = output.split_at_mut(half);
    let ((a, more_a), (b, more_b)) = (a.split_at(half), b.split_at(half));
    both(
        || add(isa, a, b, epilogue, left, parts / 2),
        || add(isa, more_a, more_b, epilogue, right, parts - parts / 2),
    );
}

struct Sum<'a> {
    a: &'a [f32],
    b: &'a [f32],
    epilogue: Epilogue,
    output: &'a mut [f32],
}

impl Kernel for Sum<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let inputs = self.a.chunks(LANES).zip(self.b.chunks(LANES));
        for ((a, b), output) in inputs.zip(self.output.chunks_mut(LANES)) {
            let lanes = output.len();
            // SAFETY: `run`'s caller checked the lengths, so each part has as many values as there are lanes.
            unsafe {
                let sum = simd.add(simd.load_lanes(a.as_ptr(), lanes), simd.load_lanes(b.as_ptr(), lanes));
                simd.store_lanes(output.as_mut_ptr(), self.epilogue.apply(simd, sum), lanes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In one part and in several, with a rest that does not fill a vector.
    #[test]
    fn sums_are_the_same_in_any_number_of_parts() {
        for (len, parts) in [(5, 1), (16 * 7 + 3, 4), (5 * FEWEST_OF_PART + 9, 3)] {
            let a: Vec<f32> = (0..len).map(|i| (i * 37 % 101) as f32 - 50.0).collect();
            let b: Vec<f32> = (0..len).map(|i| (i * 53 % 89) as f32 - 44.0).collect();
            for isa in Isa::available() {
                let mut output = vec![f32::NAN; len];
                add(isa, &a, &b, Epilogue::Relu, &mut output, parts);
                assert!(output.iter().zip(a.iter().zip(&b)).all(|(y, (a, b))| *y == (a + b).max(0.0)));
            }
        }
    }
}

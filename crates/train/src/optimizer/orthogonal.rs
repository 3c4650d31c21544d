//! Matrices whose directions all have the same length, for Muon.

use convscope_kernels::conv::{Conv, ConvPass, ConvSize, Epilogue};
use convscope_kernels::{Buffer, Isa};
use convscope_ops::{OutOfMemory, Precision};
use std::sync::{Mutex, PoisonError};

/// Coefficients of the Newton-Schulz iteration, as in `torch.optim.Muon`: singular values `s <- a s + b s^3 + c s^5`.
const COEFFICIENTS: [f32; 3] = [3.4445, -4.775, 2.0315];
/// Steps of the iteration; those in one group run on the square matrix alone.
const STEPS: [usize; 2] = [3, 2];
/// The smallest norm that a matrix is divided by.
const EPS: f32 = 1e-7;

/// Replaces matrices of one size by matrices with the same singular vectors and singular values near 1.
///
/// The iteration `X <- (a + b G + c G^2) X` with `G = X X'` runs on `G`, which has the short side of `X`: with the
/// polynomial `P = a + b G + c G^2`, `G <- P G P`, and the product of the `P` is applied to `X` after some steps. Since
/// `G` contains the squares of the singular values, small ones are lost in rounding, more so the longer it runs.
#[derive(Clone, Debug)]
pub(super) struct Orthogonalizer {
    rows: usize,
    columns: usize,
    gram: Product,
    square: Product,
    apply: Product,
}

/// Working memory for matrices of any of the given sizes, one per requesting thread.
#[derive(Debug)]
pub(super) struct Workspaces {
    lens: Lens,
    free: Mutex<Vec<Workspace>>,
}

/// Most elements of a matrix, of a square of its short side, and of packed factors.
#[derive(Clone, Copy, Debug, Default)]
struct Lens {
    matrix: usize,
    square: usize,
    packed: usize,
}

#[derive(Debug)]
struct Workspace {
    /// The matrix with its short side as rows, then the result.
    wide: Buffer,
    /// Its transpose.
    tall: Buffer,
    gram: Buffer,
    polynomial: Buffer,
    total: Buffer,
    product: Buffer,
    packed: Buffer,
}

impl Orthogonalizer {
    pub(super) fn new([rows, columns]: [usize; 2]) -> Orthogonalizer {
        let (short, long) = (rows.min(columns), rows.max(columns));
        Orthogonalizer {
            rows,
            columns,
            gram: Product::new(short, long),
            square: Product::new(short, short),
            apply: Product::new(long, short),
        }
    }

    /// The number of rows or of columns, whichever is larger.
    pub(super) fn long_side(&self) -> usize {
        self.rows.max(self.columns)
    }

    /// `matrix` is `[rows, columns]`.
    pub(super) fn apply(&self, matrix: &mut [f32], workspaces: &Workspaces) -> Result<(), OutOfMemory> {
        workspaces.lend(|work| self.apply_with(matrix, work))
    }

    fn apply_with(&self, matrix: &mut [f32], work: &mut Workspace) {
        let (short, long) = (self.rows.min(self.columns), self.long_side());
        let square = short * short;
        let (wide, tall) = (&mut work.wide[..matrix.len()], &mut work.tall[..matrix.len()]);
        let (gram, polynomial) = (&mut work.gram[..square], &mut work.polynomial[..square]);
        let (total, product) = (&mut work.total[..square], &mut work.product[..square]);
        let packed = &mut work.packed;

        let norm = matrix.iter().map(|&value| f64::from(value) * f64::from(value)).sum::<f64>().sqrt();
        let scale = 1.0 / (norm as f32).max(EPS);
        matrix.iter_mut().for_each(|value| *value *= scale);
        let is_wide = self.rows <= self.columns;
        if is_wide {
            wide.copy_from_slice(matrix);
            transpose(matrix, self.columns, tall);
        } else {
            tall.copy_from_slice(matrix);
            transpose(matrix, self.columns, wide);
        }

        for (round, steps) in STEPS.into_iter().enumerate() {
            if round > 0 {
                transpose(wide, long, tall);
            }
            self.gram.pack(wide, packed);
            self.gram.multiply(wide, packed, gram);
            for step in 0..steps {
                self.square.pack(gram, packed);
                self.square.multiply(gram, packed, product);
                let [a, b, c] = COEFFICIENTS;
                for ((p, &g), &squared) in polynomial.iter_mut().zip(&*gram).zip(&*product) {
                    *p = b * g + c * squared;
                }
                polynomial.iter_mut().step_by(short + 1).for_each(|p| *p += a);
                self.square.pack(polynomial, packed);
                if step == 0 {
                    total.copy_from_slice(polynomial);
                } else {
                    self.square.multiply(total, packed, product);
                    total.copy_from_slice(product);
                }
                if step + 1 < steps {
                    self.square.multiply(gram, packed, product);
                    self.square.multiply(product, packed, gram);
                    make_symmetric(gram, short);
                }
            }
            self.apply.pack(tall, packed);
            self.apply.multiply(total, packed, wide);
        }
        if is_wide { matrix.copy_from_slice(wide) } else { transpose(wide, self.rows, matrix) }
    }
}

impl Workspaces {
    pub(super) fn new<'a>(sizes: impl IntoIterator<Item = &'a Orthogonalizer>) -> Workspaces {
        let mut lens = Lens::default();
        for size in sizes {
            let short = size.rows.min(size.columns);
            lens.matrix = lens.matrix.max(size.rows * size.columns);
            lens.square = lens.square.max(short * short);
            for product in [&size.gram, &size.square, &size.apply] {
                lens.packed = lens.packed.max(product.conv.forward_len());
            }
        }
        Workspaces { lens, free: Mutex::default() }
    }

    fn lend(&self, work: impl FnOnce(&mut Workspace)) -> Result<(), OutOfMemory> {
        let free = || self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let lent = free().pop();
        let mut workspace = lent.map_or_else(|| Workspace::new(self.lens), Ok)?;
        work(&mut workspace);
        free().push(workspace);
        Ok(())
    }
}

impl Workspace {
    fn new(Lens { matrix, square, packed }: Lens) -> Result<Workspace, OutOfMemory> {
        let lens = [matrix, matrix, square, square, square, square, packed];
        let mut buffers = Buffer::zeros_together(lens)?.into_iter();
        let [wide, tall, gram, polynomial, total, product, packed] =
            std::array::from_fn(|_| buffers.next().expect("there is one buffer for each length"));
        Ok(Workspace { wide, tall, gram, polynomial, total, product, packed })
    }
}

/// `a b'` for matrices `a` `[any, inner]` and `b` `[outer, inner]`.
#[derive(Clone, Debug)]
struct Product {
    inner: usize,
    outer: usize,
    conv: Conv,
}

impl Product {
    fn new(outer: usize, inner: usize) -> Product {
        Product { inner, outer, conv: Conv::new(ConvSize::matrix(outer, inner), Precision::F32) }
    }

    fn pack(&self, b: &[f32], packed: &mut [f32]) {
        self.conv.pack_forward(&b[..self.outer * self.inner], None, &mut packed[..self.conv.forward_len()]);
    }

    fn multiply(&self, a: &[f32], packed: &[f32], output: &mut [f32]) {
        let packed = &packed[..self.conv.forward_len()];
        let rows = a.len() / self.inner;
        self.conv.forward(
            ConvPass { isa: Isa::best(), images: rows, scratch: &mut [] },
            a,
            packed,
            Epilogue::Linear,
            output,
        );
    }
}

/// Products `a b'` equal `a b` only if `b` is symmetric; asymmetry from rounding would grow.
fn make_symmetric(square: &mut [f32], side: usize) {
    for row in 1..side {
        for column in 0..row {
            let (below, above) = (row * side + column, column * side + row);
            let mean = (square[below] + square[above]) / 2.0;
            (square[below], square[above]) = (mean, mean);
        }
    }
}

fn transpose(matrix: &[f32], columns: usize, output: &mut [f32]) {
    let rows = matrix.len() / columns;
    for (row, values) in matrix.chunks_exact(columns).enumerate() {
        for (output, &value) in output[row..].iter_mut().step_by(rows).zip(values) {
            *output = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The iteration by its definition, in `f64`.
    fn oracle(matrix: &[f32], [rows, columns]: [usize; 2]) -> Vec<f64> {
        let mut x: Vec<f64> = matrix.iter().copied().map(f64::from).collect();
        let norm = x.iter().map(|value| value * value).sum::<f64>().sqrt().max(f64::from(EPS));
        x.iter_mut().for_each(|value| *value /= norm);
        let [a, b, c] = COEFFICIENTS.map(f64::from);
        for _ in 0..STEPS.iter().sum() {
            let gram: Vec<f64> = (0..columns * columns)
                .map(|at| {
                    (0..rows).map(|r| x[r * columns + at / columns] * x[r * columns + at % columns]).sum()
                })
                .collect();
            let times = |left: &[f64]| -> Vec<f64> {
                let row = |at: usize| &left[at / columns * columns..][..columns];
                (0..left.len())
                    .map(|at| {
                        row(at).iter().zip(0..).map(|(v, k)| v * gram[k * columns + at % columns]).sum()
                    })
                    .collect()
            };
            let cubed = times(&x);
            let fifth = times(&cubed);
            for (at, value) in x.iter_mut().enumerate() {
                *value = a * *value + b * cubed[at] + c * fifth[at];
            }
        }
        x
    }

    fn worst_error(size: [usize; 2], matrix: Vec<f32>) -> f64 {
        let expected = oracle(&matrix, size);
        let orthogonalizer = Orthogonalizer::new(size);
        let larger = Orthogonalizer::new([50, 60]);
        let workspaces = Workspaces::new([&orthogonalizer, &larger]);
        // Memory is reused.
        larger.apply(&mut [0.5; 3000], &workspaces).unwrap();
        let mut found = matrix;
        orthogonalizer.apply(&mut found, &workspaces).unwrap();
        found.iter().zip(&expected).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn is_the_iteration_of_its_definition() {
        for size in [[3, 4], [5, 2], [1, 6], [6, 1], [16, 27], [20, 20], [40, 18]] {
            let noise = |i: usize| (i as u32).wrapping_mul(2_654_435_769) as f32 / u32::MAX as f32 - 0.5;
            let error = worst_error(size, (0..size[0] * size[1]).map(noise).collect());
            assert!(error < 1e-5, "{size:?}: {error}");
        }
    }

    #[test]
    fn directions_that_are_absent_stay_so() {
        // Shifted sines span two dimensions.
        for size in [[3, 4], [30, 14]] {
            let error = worst_error(size, (0..size[0] * size[1]).map(|i| (i as f32 * 1.7).sin()).collect());
            assert!(error < 1e-5, "{size:?}: {error}");
        }
    }

    #[test]
    fn a_matrix_of_zeros_stays_one() {
        let orthogonalizer = Orthogonalizer::new([3, 2]);
        let mut matrix = [0.0; 6];
        orthogonalizer.apply(&mut matrix, &Workspaces::new([&orthogonalizer])).unwrap();
        assert_eq!(matrix, [0.0; 6]);
    }
}

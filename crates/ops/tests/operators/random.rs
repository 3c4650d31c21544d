//! dropout.

use crate::common::{Run, array, slice};
use convscope_ops::*;

fn run(chunk: usize, isa: Isa, mode: Mode, seed: u64) -> (Vec<f32>, Vec<f32>) {
    let (layer, shapes) = (Dropout { p: 0.3 }, [Shape::image(7, [3, 5])]);
    let run = Run { layer: &layer, shapes: &shapes, images: 5, chunk, mode, isa, seed };
    // All values are one, so their order does not matter.
    let mut passed = run.passes(&[&[1.0; 5 * 105]], &[2.0; 5 * 105], Vec::new());
    (passed.output, passed.d_inputs.remove(0))
}

#[test]
fn the_mask_depends_on_nothing_but_the_sample() {
    let (expected, d) = run(5, Isa::best(), Mode::Training, 1);
    let kept = expected.iter().filter(|&&y| y != 0.0).count();
    // Four standard deviations around 0.7 * 525.
    assert!((325..=410).contains(&kept), "{kept} kept");
    assert!(expected.iter().all(|&y| y == 0.0 || y == 1.0 / 0.7));
    assert!(expected.iter().zip(&d).all(|(y, d)| *d == 2.0 * y));
    for isa in Isa::available() {
        for chunk in [1, 2, 5] {
            assert_eq!(run(chunk, isa, Mode::Training, 1), (expected.clone(), d.clone()));
        }
    }
    assert_ne!(run(5, Isa::best(), Mode::Training, 2).0, expected);
    assert_ne!(expected[..105], expected[105..210], "each image has its own mask");
    assert_eq!(run(2, Isa::best(), Mode::Inference, 1).0, [1.0; 525]);
}

#[test]
fn the_function_draws_the_layers_masks() {
    let (expected, _) = run(5, Isa::best(), Mode::Training, 1);
    let ones = ndarray::ArrayD::ones(vec![5, 3, 5, 7]);
    let sample = Sample { seed: 1, step: 3, ..Sample::default() };
    let y = dropout(ones.view(), 0.3, Mode::Training, sample).unwrap();
    let planes = y.into_dimensionality::<ndarray::Ix4>().unwrap().permuted_axes([0, 3, 1, 2]);
    assert_eq!(planes.iter().copied().collect::<Vec<_>>(), expected);
}

#[test]
fn none_and_all_can_be_dropped() {
    let x = array(1, &[2, 9]);
    let with = |p| dropout(x.view(), p, Mode::Training, Sample::default());
    assert_eq!(with(0.0).unwrap(), x);
    assert!(slice(&with(1.0).unwrap()).iter().all(|&y| y == 0.0));
    assert_eq!(with(1.5).unwrap_err().to_string(), "dropout: p is 1.5, a probability is from 0 to 1");
    assert!(with(f64::NAN).is_err());
    assert!(Dropout { p: -0.1 }.output_shape(&[Shape::vector(3)]).is_err());
}

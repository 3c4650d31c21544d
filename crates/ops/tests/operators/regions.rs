//! roi_pool and roi_align.

use crate::common::{images, slice};
use convscope_ops::*;
use convscope_testkit::regions::{self, Planes};
use convscope_testkit::{assert_close, numeric_gradient, random, to_f64};
use ndarray::{Array2, arr2};
use proptest::prelude::*;

const TOLERANCE: f64 = 1e-6;

fn array(boxes: &[[f32; 5]]) -> Array2<f32> {
    boxes.to_vec().into()
}

fn check_pool(shape: [usize; 4], boxes: &[[f32; 5]], output_size: [usize; 2], spatial_scale: f64) {
    let x = images(1, shape);
    let planes = Planes { channels: shape[1], height: shape[2], width: shape[3] };
    let arguments = RoiPoolArguments { output_size: output_size.into(), spatial_scale };
    let y = roi_pool(x.view(), array(boxes).view(), &arguments).unwrap();
    let forward = |x: &[f64]| regions::roi_pool(x, planes, boxes, output_size, spatial_scale as f32);
    assert_close("output", slice(&y), &forward(&to_f64(slice(&x))), 0.0);
    let dy = images(2, [boxes.len(), shape[1], output_size[0], output_size[1]]);
    let dx = roi_pool_backward(dy.view(), x.view(), array(boxes).view(), &arguments).unwrap();
    let expected = numeric_gradient(slice(&x), slice(&dy), forward);
    assert_close("d_input", slice(&dx), &expected, TOLERANCE);
}

fn check_align(shape: [usize; 4], boxes: &[[f32; 5]], arguments: &RoiAlignArguments) {
    let x = images(1, shape);
    let planes = Planes { channels: shape[1], height: shape[2], width: shape[3] };
    let &RoiAlignArguments { output_size, spatial_scale, sampling_ratio, aligned } = arguments;
    let (size, ratio) = (output_size.array(), sampling_ratio.max(0) as usize);
    let y = roi_align(x.view(), array(boxes).view(), arguments).unwrap();
    let forward = |x: &[f64]| regions::roi_align(x, planes, boxes, size, spatial_scale, ratio, aligned);
    assert_close("output", slice(&y), &forward(&to_f64(slice(&x))), TOLERANCE);
    let dy = images(2, [boxes.len(), shape[1], size[0], size[1]]);
    let dx = roi_align_backward(dy.view(), shape, array(boxes).view(), arguments).unwrap();
    let expected = numeric_gradient(slice(&x), slice(&dy), forward);
    assert_close("d_input", slice(&dx), &expected, TOLERANCE);
}

const BOXES: [[f32; 5]; 6] = [
    [1.0, 0.0, 0.0, 5.0, 3.0],
    [0.0, 1.5, 0.5, 4.5, 2.5],
    // Partly and entirely outside the image.
    [0.0, -3.0, 2.0, 9.0, 12.0],
    [1.0, 20.0, 20.0, 30.0, 30.0],
    // Inverted, and a single point.
    [1.0, 4.0, 3.0, 2.0, 1.0],
    [0.0, 2.0, 2.0, 2.0, 2.0],
];

#[test]
fn boxes_of_every_kind() {
    for output in [[1, 1], [2, 3], [7, 4]] {
        for scale in [1.0, 0.5] {
            check_pool([2, 3, 5, 7], &BOXES, output, scale);
            for (sampling_ratio, aligned) in [(-1, false), (0, true), (2, false), (3, true)] {
                let arguments = RoiAlignArguments {
                    output_size: output.into(),
                    spatial_scale: scale,
                    sampling_ratio,
                    aligned,
                };
                check_align([2, 2, 5, 7], &BOXES, &arguments);
            }
        }
    }
    check_pool([2, 1, 1, 1], &BOXES, [2, 1], 1.0);
    check_align([2, 1, 1, 1], &BOXES, &RoiAlignArguments::new([2, 1]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_box(
        seed in 0u64..10_000, height in 1usize..8, width in 1usize..8, output in [1usize..5, 1usize..5],
        ratio in -1i64..3, aligned: bool, scale in 0.1f64..1.5,
    ) {
        let numbers = random(seed, 12);
        let box_at = |i: usize| {
            let at = |j: usize| numbers[i * 4 + j] * 9.0 + 4.0;
            [(i % 2) as f32, at(0), at(1), at(2), at(3)]
        };
        let boxes = [box_at(0), box_at(1), box_at(2)];
        check_pool([2, 2, height, width], &boxes, output, scale);
        let (output_size, spatial_scale, sampling_ratio) = (output.into(), scale, ratio);
        check_align(
            [2, 1, height, width], &boxes,
            &RoiAlignArguments { output_size, spatial_scale, sampling_ratio, aligned },
        );
    }
}

#[test]
fn a_maximum_passes_over_nan() {
    let mut x = images(1, [1, 1, 1, 2]);
    x[[0, 0, 0, 0]] = f32::NAN;
    let boxes = arr2(&[[0.0, 0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0]]);
    let y = roi_pool(x.view(), boxes.view(), &RoiPoolArguments::new(1)).unwrap();
    assert_eq!(slice(&y), [x[[0, 0, 0, 1]], f32::MIN]);
}

#[test]
fn impossible_boxes_are_named() {
    let x = images(1, [2, 1, 3, 3]);
    let message = |boxes: &[[f32; 5]]| {
        let pool = roi_pool(x.view(), array(boxes).view(), &RoiPoolArguments::new(2)).unwrap_err();
        let align = roi_align(x.view(), array(boxes).view(), &RoiAlignArguments::new(2)).unwrap_err();
        let pool = pool.to_string();
        assert_eq!(pool.replace("roi_pool", "roi_align"), align.to_string());
        pool
    };
    assert_eq!(
        message(&[[1.0, 0.0, 0.0, 1.0, 1.0], [2.0, 0.0, 0.0, 1.0, 1.0]]),
        "roi_pool: boxes names image 2 in row 1, input has 2 images"
    );
    assert!(message(&[[-1.0, 0.0, 0.0, 1.0, 1.0]]).contains("image -1"));
    assert!(message(&[[0.0, f32::NAN, 0.0, 1.0, 1.0]]).contains("not finite in row 0"));
    assert!(message(&[[f32::INFINITY, 0.0, 0.0, 1.0, 1.0]]).contains("not finite"));
    let four = arr2(&[[0.0, 0.0, 1.0, 1.0]]);
    assert_eq!(
        roi_pool(x.view(), four.view(), &RoiPoolArguments::new(2)).unwrap_err().to_string(),
        "roi_pool: boxes has shape [1, 4], not [K, 5]: image, x1, y1, x2, y2"
    );
    let large = [[0.0, 0.0, 0.0, 1e9, 1e9]];
    assert!(roi_align(x.view(), array(&large).view(), &RoiAlignArguments::new(1)).is_err());
    assert!(roi_pool(x.view(), array(&large).view(), &RoiPoolArguments::new(0)).is_err());
    check_pool([2, 1, 3, 3], &large, [3, 2], 1.0);
    let none = Array2::zeros((0, 5));
    assert_eq!(roi_pool(x.view(), none.view(), &RoiPoolArguments::new(2)).unwrap().shape(), [0, 1, 2, 2]);
}

//! Clips the gradients by their global norm.

/// Scales all gradients so that their global Euclidean norm is at most `max_norm`, and returns the norm before scaling.
///
/// As in `torch.nn.utils.clip_grad_norm_`, every gradient is multiplied by `min(1, max_norm / (norm + 1e-6))`. The
/// squares are summed in f64 in a fixed order. A norm that is not finite is returned, so that the caller can stop; the
/// gradients are then unchanged.
///
/// ```
/// let mut gradients = [vec![3.0_f32], vec![0.0, 4.0]];
/// assert_eq!(convscope_train::clip::clip_gradients(&mut gradients, 1.0), 5.0);
/// assert!((gradients[1][1] - 0.8).abs() < 1e-6);
/// ```
pub fn clip_gradients<G>(gradients: &mut [G], max_norm: f64) -> f64
where
    G: AsRef<[f32]> + AsMut<[f32]> + Sync,
{
    let norm = gradient_norm(gradients);
    let coefficient = clip_coefficient(norm, max_norm);
    if coefficient < 1.0 {
        for value in gradients.iter_mut().flat_map(|gradient| gradient.as_mut()) {
            *value *= coefficient;
        }
    }
    norm
}

/// The Euclidean norm of all gradients taken together, summed in f64 in a fixed order, on all threads of the caller's pool.
pub fn gradient_norm<G: AsRef<[f32]> + Sync>(gradients: &[G]) -> f64 {
    squares_of_all(gradients).sqrt()
}

/// The sum of all squares: that of the first half and that of the second, and so on, whoever adds them up.
fn squares_of_all<G: AsRef<[f32]> + Sync>(gradients: &[G]) -> f64 {
    match gradients {
        [] => 0.0,
        [gradient] => sum_of_squares(gradient.as_ref()),
        _ => {
            let (first, others) = gradients.split_at(gradients.len() / 2);
            let (first, others) = rayon::join(|| squares_of_all(first), || squares_of_all(others));
            first + others
        }
    }
}

/// The factor of [`clip_gradients`]: `min(1, max_norm / (norm + 1e-6))`, or 1 if the norm is not finite.
pub fn clip_coefficient(norm: f64, max_norm: f64) -> f32 {
    if norm.is_finite() { (max_norm / (norm + 1e-6)).min(1.0) as f32 } else { 1.0 }
}

/// Eight sums side by side, so that the loop fills vector registers in an order that is the same everywhere.
pub(crate) fn sum_of_squares(values: &[f32]) -> f64 {
    let (chunks, rest) = values.as_chunks::<8>();
    let mut lanes = [0.0_f64; 8];
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane += f64::from(value) * f64::from(value);
        }
    }
    let rest: f64 = rest.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
    lanes.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::reference;

    #[test]
    fn clips_as_pytorch_does() {
        let reference = reference();
        for case in &reference.clip {
            let mut gradients = reference.gradients[0].clone();
            let norm = clip_gradients(&mut gradients, case.max_norm);
            assert!((norm - case.norm).abs() < 1e-6, "{norm} is not {}", case.norm);
            for (ours, theirs) in gradients.iter().flatten().zip(case.clipped.iter().flatten()) {
                assert!((f64::from(*ours) - theirs).abs() < 1e-6, "{ours} is not {theirs}");
            }
        }
    }

    #[test]
    fn the_norm_counts_every_element_of_any_length() {
        for len in [0, 1, 7, 8, 9, 16, 100] {
            let gradients = [vec![2.0_f32; len], vec![1.0; 3]];
            assert_eq!(gradient_norm(&gradients), (4.0 * len as f64 + 3.0).sqrt());
        }
    }

    #[test]
    fn a_norm_that_is_not_finite_is_reported_and_changes_nothing() {
        let mut gradients = [vec![1.0, f32::NAN], vec![3.0]];
        assert!(clip_gradients(&mut gradients, 0.5).is_nan());
        assert_eq!((gradients[0][0], gradients[1][0]), (1.0, 3.0));
        let mut gradients = [vec![f32::INFINITY, 2.0]];
        assert_eq!(clip_gradients(&mut gradients, 0.5), f64::INFINITY);
        assert_eq!(gradients[0][1], 2.0);
    }
}

//! Likelihoods of classes in double precision.

/// `log(sum of exp(logits)) - logits[label]`, in double precision and without overflow.
pub fn cross_entropy(logits: &[f32], label: usize) -> f64 {
    log_sum(logits) - f64::from(logits[label])
}

/// `log(sum of exp(logits))`, in double precision and without overflow.
pub(crate) fn log_sum(logits: &[f32]) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&logit| libm::exp(f64::from(logit - largest))).sum();
    libm::log(sum) + f64::from(largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cross_entropy_bears_large_logits() {
        assert!((cross_entropy(&[1e4, 1e4, 0.0], 1) - 2f64.ln()).abs() < 1e-9);
        assert!((cross_entropy(&[0.0, 1e4], 0) - 1e4).abs() < 1e-6);
        let expected = (1.0 + 1f64.exp() + (-2f64).exp()).ln() - 1.0;
        assert!((cross_entropy(&[0.0, 1.0, -2.0], 1) - expected).abs() < 1e-7);
    }
}

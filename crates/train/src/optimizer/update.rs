//! The loops over one parameter; every number that does not depend on the element is computed beforehand.

use rayon::join;

/// Elements that one thread updates at least, so that handing them over costs little in comparison.
const PART: usize = 1 << 15;

/// One step of Adam or AdamW.
#[derive(Clone, Copy, Debug)]
pub(super) struct AdamStep {
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    step_size: f32,
    correction2_sqrt: f32,
    eps: f32,
    l2: f32,
    keep: f32,
}

impl AdamStep {
    /// Step number `count`, counted from 1.
    pub(super) fn new([beta1, beta2]: [f64; 2], eps: f64, lr: f64, count: u64) -> Self {
        let count = count as f64;
        Self {
            one_minus_beta1: (1.0 - beta1) as f32,
            beta2: beta2 as f32,
            one_minus_beta2: (1.0 - beta2) as f32,
            step_size: (lr / (1.0 - libm::pow(beta1, count))) as f32,
            correction2_sqrt: (1.0 - libm::pow(beta2, count)).sqrt() as f32,
            eps: eps as f32,
            l2: 0.0,
            keep: 1.0,
        }
    }

    pub(super) fn with_l2(self, l2: f64) -> Self {
        Self { l2: l2 as f32, ..self }
    }

    pub(super) fn with_decoupled(self, decay: f64) -> Self {
        Self { keep: (1.0 - decay) as f32, ..self }
    }

    /// Updates a parameter on all threads of the caller's pool.
    pub(super) fn apply_in_parts(
        self,
        parameter: &mut [f32],
        gradient: &[f32],
        mean: &mut [f32],
        square: &mut [f32],
    ) {
        let half = parameter.len() / 2;
        if half < PART {
            return self.apply(parameter, gradient, mean, square);
        }
        let (parameter, more_parameter) = parameter.split_at_mut(half);
        let (gradient, more_gradient) = gradient.split_at(half);
        let (mean, more_mean) = mean.split_at_mut(half);
        let (square, more_square) = square.split_at_mut(half);
        join(
            || self.apply_in_parts(parameter, gradient, mean, square),
            || self.apply_in_parts(more_parameter, more_gradient, more_mean, more_square),
        );
    }

    fn apply(self, parameter: &mut [f32], gradient: &[f32], mean: &mut [f32], square: &mut [f32]) {
        assert!(
            gradient.len() == parameter.len()
                && mean.len() == parameter.len()
                && square.len() == parameter.len()
        );
        for (((w, &g), m), v) in parameter.iter_mut().zip(gradient).zip(mean).zip(square) {
            let g = g + self.l2 * *w;
            *m += self.one_minus_beta1 * (g - *m);
            *v = self.beta2 * *v + self.one_minus_beta2 * g * g;
            let denominator = v.sqrt() / self.correction2_sqrt + self.eps;
            *w = self.keep * *w - self.step_size * *m / denominator;
        }
    }
}

/// One step of stochastic gradient descent.
#[derive(Clone, Copy, Debug)]
pub(super) struct SgdStep {
    lr: f32,
    momentum: f32,
    l2: f32,
    gradient_share: f32,
    buffer_share: f32,
}

impl SgdStep {
    pub(super) fn new(lr: f64, momentum: f64, nesterov: bool, l2: f64) -> Self {
        let (gradient_share, buffer_share) = if nesterov { (1.0, momentum as f32) } else { (0.0, 1.0) };
        Self { lr: lr as f32, momentum: momentum as f32, l2: l2 as f32, gradient_share, buffer_share }
    }

    pub(super) fn apply_plain(self, parameter: &mut [f32], gradient: &[f32]) {
        assert_eq!(gradient.len(), parameter.len());
        for (w, &g) in parameter.iter_mut().zip(gradient) {
            *w -= self.lr * (g + self.l2 * *w);
        }
    }

    pub(super) fn apply_momentum(self, parameter: &mut [f32], gradient: &[f32], buffer: &mut [f32]) {
        assert!(gradient.len() == parameter.len() && buffer.len() == parameter.len());
        for ((w, &g), b) in parameter.iter_mut().zip(gradient).zip(buffer) {
            let g = g + self.l2 * *w;
            *b = self.momentum * *b + g;
            *w -= self.lr * (self.gradient_share * g + self.buffer_share * *b);
        }
    }
}

/// One step of Muon.
#[derive(Clone, Copy, Debug)]
pub(super) struct MuonStep {
    lr: f32,
    one_minus_momentum: f32,
    /// The share of the running mean in the step, besides the gradient.
    mean_share: f32,
    keep: f32,
}

impl MuonStep {
    pub(super) fn new(lr: f64, momentum: f64, nesterov: bool, decay: f64) -> Self {
        Self {
            lr: lr as f32,
            one_minus_momentum: (1.0 - momentum) as f32,
            mean_share: if nesterov { momentum as f32 } else { 1.0 },
            keep: (1.0 - lr * decay) as f32,
        }
    }

    /// The direction before its orthogonalization.
    pub(super) fn aim(self, gradient: &[f32], mean: &mut [f32], direction: &mut [f32]) {
        assert!(gradient.len() == mean.len() && direction.len() == mean.len());
        for ((&g, m), d) in gradient.iter().zip(mean).zip(direction) {
            *m += self.one_minus_momentum * (g - *m);
            *d = g + self.mean_share * (*m - g);
        }
    }

    /// `direction` is orthogonal, `long_side` the larger of its sides.
    pub(super) fn apply(self, parameter: &mut [f32], direction: &[f32], long_side: usize) {
        assert_eq!(parameter.len(), direction.len());
        let rate = self.lr * 0.2 * (long_side as f32).sqrt();
        for (w, &d) in parameter.iter_mut().zip(direction) {
            *w = self.keep * *w - rate * d;
        }
    }
}

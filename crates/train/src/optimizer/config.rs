//! The optimizer and its settings.

use serde::{Deserialize, Serialize};

/// The choice of an optimizer, with PyTorch's names and defaults. The learning rate is not part of it: a
/// [`Schedule`](crate::Schedule) provides it step by step.
///
/// ```
/// # use convscope_train::OptimizerConfig;
/// let config: OptimizerConfig = serde_json::from_str(r#"{"name": "sgd", "momentum": 0.9}"#).unwrap();
/// assert_eq!(config, OptimizerConfig::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 });
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase", deny_unknown_fields)]
pub enum OptimizerConfig {
    /// Adam (Kingma and Ba 2015), with weight decay as an L2 term in the gradient, as in `torch.optim.Adam`:
    ///
    /// `g += weight_decay * w; m += (1 - b1) * (g - m); v = b2 * v + (1 - b2) * g^2;`
    /// `w -= lr / (1 - b1^t) * m / (sqrt(v / (1 - b2^t)) + eps)`
    Adam {
        /// The decay rates of the two running means, in `[0, 1)`; default `[0.9, 0.999]`.
        #[serde(default = "betas")]
        betas: [f64; 2],
        /// Added to the denominator; default `1e-8`.
        #[serde(default = "eps")]
        eps: f64,
        /// The L2 factor; default 0.
        #[serde(default)]
        weight_decay: f64,
    },
    /// AdamW (Loshchilov and Hutter 2019), as in `torch.optim.AdamW`: `w *= 1 - lr * weight_decay` first, then Adam's
    /// step.
    AdamW {
        /// The decay rates of the two running means, in `[0, 1)`; default `[0.9, 0.999]`.
        #[serde(default = "betas")]
        betas: [f64; 2],
        /// Added to the denominator; default `1e-8`.
        #[serde(default = "eps")]
        eps: f64,
        /// The decay per unit of learning rate; default 0.01.
        #[serde(default = "adamw_weight_decay")]
        weight_decay: f64,
    },
    /// Stochastic gradient descent, as in `torch.optim.SGD` with dampening 0:
    ///
    /// `g += weight_decay * w; b = momentum * b + g; w -= lr * b`, and with Nesterov `w -= lr * (g + momentum * b)`
    Sgd {
        /// The share of the last step that is kept, in `[0, 1)`; default 0.
        #[serde(default)]
        momentum: f64,
        /// Whether to look ahead along the momentum, which must then be above 0; default false.
        #[serde(default)]
        nesterov: bool,
        /// The L2 factor; default 0.
        #[serde(default)]
        weight_decay: f64,
    },
    /// Muon (Jordan 2024), as in `torch.optim.Muon` with `adjust_lr_fn="match_rms_adamw"`: all directions of a weight's
    /// step have the same length. A convolution's weight is treated as a matrix `A x B` of its first axis and all
    /// others.
    ///
    /// `b += (1 - momentum) * (g - b); u = b`, and with Nesterov `u = g + momentum * (b - g);`
    /// `w *= 1 - lr * weight_decay; w -= lr * 0.2 * sqrt(max(A, B)) * orthogonal(u)`
    ///
    /// Everything else uses AdamW with the same rate: biases, batch norms, and the classifier's weight, the last of the
    /// network. A step takes the same time for every batch size, so large weights call for large batches.
    Muon {
        /// The share of the running mean that is kept, in `[0, 1)`; default 0.95.
        #[serde(default = "muon_momentum")]
        momentum: f64,
        /// Whether to look ahead along the momentum; default true.
        #[serde(default = "yes")]
        nesterov: bool,
        /// AdamW's decay rates, in `[0, 1)`; default `[0.9, 0.999]`.
        #[serde(default = "betas")]
        betas: [f64; 2],
        /// Added to AdamW's denominator; default `1e-8`.
        #[serde(default = "eps")]
        eps: f64,
        /// The decay per unit of learning rate, for both; default 0.1.
        #[serde(default = "muon_weight_decay")]
        weight_decay: f64,
    },
}

/// Which parameters weight decay shrinks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DecayScope {
    /// Every parameter, as in PyTorch with a single parameter group.
    #[default]
    All,
    /// Weights of convolutions and dense layers only: neither biases nor the scale and shift of batch norms.
    Weights,
}

impl OptimizerConfig {
    /// Every optimizer with its defaults.
    pub(crate) const ALL: [fn() -> OptimizerConfig; 4] = [Self::adam, Self::adamw, Self::sgd, Self::muon];

    /// Adam with its defaults.
    pub fn adam() -> Self {
        Self::Adam { betas: betas(), eps: eps(), weight_decay: 0.0 }
    }

    /// AdamW with its defaults.
    pub fn adamw() -> Self {
        Self::AdamW { betas: betas(), eps: eps(), weight_decay: adamw_weight_decay() }
    }

    /// Plain stochastic gradient descent.
    pub fn sgd() -> Self {
        Self::Sgd { momentum: 0.0, nesterov: false, weight_decay: 0.0 }
    }

    /// Muon with its defaults.
    pub fn muon() -> Self {
        Self::Muon {
            momentum: muon_momentum(),
            nesterov: yes(),
            betas: betas(),
            eps: eps(),
            weight_decay: muon_weight_decay(),
        }
    }

    /// The name in configuration files: `adam`, `adamw`, `sgd` or `muon`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Adam { .. } => "adam",
            Self::AdamW { .. } => "adamw",
            Self::Sgd { .. } => "sgd",
            Self::Muon { .. } => "muon",
        }
    }

    /// The same without weight decay.
    pub(super) fn without_decay(&self) -> Self {
        let mut config = self.clone();
        let (Self::Adam { weight_decay, .. }
        | Self::AdamW { weight_decay, .. }
        | Self::Sgd { weight_decay, .. }
        | Self::Muon { weight_decay, .. }) = &mut config;
        *weight_decay = 0.0;
        config
    }
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self::adam()
    }
}

fn betas() -> [f64; 2] {
    [0.9, 0.999]
}

fn eps() -> f64 {
    1e-8
}

fn adamw_weight_decay() -> f64 {
    0.01
}

fn muon_momentum() -> f64 {
    0.95
}

fn muon_weight_decay() -> f64 {
    0.1
}

fn yes() -> bool {
    true
}

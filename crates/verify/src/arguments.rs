//! The arguments of each operator apart from its tensors, for help texts.

use convscope_ops::{Argument, registered};

const fn given(name: &'static str, about: &'static str) -> Argument {
    Argument::required(name, about)
}

const fn optional(name: &'static str, default: &'static str, about: &'static str) -> Argument {
    Argument::optional(name, default, about)
}

/// The arguments of an operator in PyTorch's order; `None` for an unknown operator.
pub fn arguments(operator: &str) -> Option<&'static [Argument]> {
    Some(match operator {
        "adaptive_avg_pool2d" => ADAPTIVE,
        "avg_pool2d" => AVG_POOL2D,
        "batch_norm" => BATCH_NORM,
        "conv2d" => CONV2D,
        "conv_transpose2d" => CONV_TRANSPOSE2D,
        "cross_entropy" => CROSS_ENTROPY,
        "dropout" => DROPOUT,
        "flatten" => FLATTEN,
        "linear" | "relu" | "sigmoid" => &[],
        "log_softmax" | "softmax" => ALONG,
        "max_pool2d" => MAX_POOL2D,
        "mse_loss" => &[REDUCTION],
        "roi_align" => ROI_ALIGN,
        "roi_pool" => &[ROI_SIZE, ROI_SCALE],
        _ => return registered(operator).map(|operator| operator.arguments),
    })
}

const WINDOW: Argument = given("kernel_size", "rows and columns of a window");
const POOL_STRIDE: Argument = optional("stride", "kernel_size", "steps between windows");
const STRIDE: Argument = optional("stride", "1", "steps between windows");
const DILATION: Argument = optional("dilation", "1", "distance between the taps of a window");
const GROUPS: Argument = optional("groups", "1", "groups of channels that do not see each other");
const CEIL_MODE: Argument =
    optional("ceil_mode", "False", "whether to keep a last window that extends beyond the padded image");
const REDUCTION: Argument = optional("reduction", "mean", "how the losses are reduced: mean, sum or none");
const ROI_SIZE: Argument = given("output_size", "rows and columns of each region's output");
const ROI_SCALE: Argument =
    optional("spatial_scale", "1.0", "pixels of the input for each unit of the boxes");

const ADAPTIVE: &[Argument] = &[given("output_size", "rows and columns of the output")];
const ALONG: &[Argument] = &[given("dim", "the axis whose values sum to one; -1 is the last")];

const AVG_POOL2D: &[Argument] = &[
    WINDOW,
    POOL_STRIDE,
    optional("padding", "0", "rows and columns of zeros added at each side"),
    CEIL_MODE,
    optional("count_include_pad", "True", "whether the zeros of the padding count in the mean"),
    optional("divisor_override", "None", "divides the sums instead of the number of pixels"),
];

const BATCH_NORM: &[Argument] = &[
    optional("training", "False", "whether the batch's own mean and variance are used"),
    optional(
        "momentum",
        "0.1",
        "the batch's share in the new running statistics; None averages over all batches",
    ),
    optional("eps", "1e-5", "added to the variance"),
];

const CONV2D: &[Argument] = &[
    STRIDE,
    optional("padding", "0", "rows and columns added at each side, or same or valid"),
    DILATION,
    GROUPS,
    optional("padding_mode", "zeros", "what the padding holds: zeros, reflect, replicate or circular"),
];

const CONV_TRANSPOSE2D: &[Argument] = &[
    optional("stride", "1", "steps in the output from one input pixel's window to the next"),
    optional("padding", "0", "rows and columns removed at each side of the output"),
    optional("output_padding", "0", "extra rows and columns of the output at the bottom and the right"),
    GROUPS,
    DILATION,
];

const CROSS_ENTROPY: &[Argument] = &[
    optional("ignore_index", "-100", "a class that is ignored"),
    REDUCTION,
    optional("label_smoothing", "0.0", "the share of the target that is spread over all classes"),
];

const DROPOUT: &[Argument] = &[
    optional("p", "0.5", "the probability that a value is set to zero"),
    optional("training", "True", "whether values are set to zero at all"),
];

const FLATTEN: &[Argument] = &[
    optional("start_dim", "0", "the first axis that is joined"),
    optional("end_dim", "-1", "the last axis that is joined"),
];

const MAX_POOL2D: &[Argument] = &[
    WINDOW,
    POOL_STRIDE,
    optional("padding", "0", "rows and columns added at each side"),
    DILATION,
    CEIL_MODE,
];

const ROI_ALIGN: &[Argument] = &[
    ROI_SIZE,
    ROI_SCALE,
    optional(
        "sampling_ratio",
        "-1",
        "points per bin along each axis; -1 takes as many as the bin has pixels",
    ),
    optional(
        "aligned",
        "False",
        "whether a box's coordinates start at the corner of the first pixel, not its centre",
    ),
];

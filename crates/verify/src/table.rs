//! How each operator is called by name.

use convscope_ops::*;
use ndarray::{ArrayD, ArrayViewD, Ix2, Ix4, arr0};
use serde::Deserialize;

use crate::VerifyError;
use crate::given::Given;
use crate::tensor::Tensor;

/// An operator by its name.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    /// The tensors it takes.
    pub(crate) tensors: &'static [&'static str],
    pub(crate) run: fn(&Given<'_>) -> Results,
}

type Values<'a> = ArrayViewD<'a, f32>;
type Results = Result<Vec<(&'static str, Tensor)>, VerifyError>;

const fn entry(
    name: &'static str,
    tensors: &'static [&'static str],
    run: fn(&Given<'_>) -> Results,
) -> Entry {
    Entry { name, tensors, run }
}

pub(crate) const TABLE: &[Entry] = &[
    entry("adaptive_avg_pool2d", &["input"], run_adaptive_avg_pool2d),
    entry("avg_pool2d", &["input"], run_avg_pool2d),
    entry(
        "batch_norm",
        &["input", "running_mean", "running_var", "weight", "bias", "num_batches_tracked"],
        run_batch_norm,
    ),
    entry("conv2d", &["input", "weight", "bias"], run_conv2d),
    entry("conv_transpose2d", &["input", "weight", "bias"], run_conv_transpose2d),
    entry("cross_entropy", &["input", "target", "weight"], run_cross_entropy),
    entry("dropout", &["input"], run_dropout),
    entry("flatten", &["input"], run_flatten),
    entry("linear", &["input", "weight", "bias"], run_linear),
    entry("log_softmax", &["input"], |given| along_an_axis(given, log_softmax, log_softmax_backward)),
    entry("max_pool2d", &["input"], run_max_pool2d),
    entry("mse_loss", &["input", "target"], run_mse_loss),
    entry("relu", &["input"], |given| of_each_value(given, relu, relu_backward)),
    entry("roi_align", &["input", "boxes"], run_roi_align),
    entry("roi_pool", &["input", "boxes"], run_roi_pool),
    entry("sigmoid", &["input"], |given| of_each_value(given, sigmoid, sigmoid_backward)),
    entry("softmax", &["input"], |given| along_an_axis(given, softmax, softmax_backward)),
];

fn run_adaptive_avg_pool2d(given: &Given<'_>) -> Results {
    let AdaptiveAvgPool2d { output_size } = given.arguments(&[])?;
    let input = given.images("input")?;
    let output = adaptive_avg_pool2d(input.array.view(), output_size)?;
    let mut results = vec![("output", input.like(output).into())];
    if let Some(d) = given.d_images(&input)? {
        let d = adaptive_avg_pool2d_backward(d.view(), input.array.dim().into(), output_size)?;
        results.push(("grad.input", input.like(d).into()));
    }
    Ok(results)
}

fn run_avg_pool2d(given: &Given<'_>) -> Results {
    let arguments: AvgPool2d = given.arguments(&[])?;
    let input = given.images("input")?;
    let output = avg_pool2d(input.array.view(), &arguments)?;
    let mut results = vec![("output", input.like(output).into())];
    if let Some(d) = given.d_images(&input)? {
        let d = avg_pool2d_backward(d.view(), input.array.dim().into(), &arguments)?;
        results.push(("grad.input", input.like(d).into()));
    }
    Ok(results)
}

fn run_max_pool2d(given: &Given<'_>) -> Results {
    // The indices are always returned.
    let arguments: MaxPool2d = given.arguments(&["return_indices"])?;
    let input = given.images("input")?;
    let (output, indices) = max_pool2d_with_indices(input.array.view(), &arguments)?;
    let mut results = vec![("output", input.like(output).into()), ("indices", input.like(indices).into())];
    if let Some(d) = given.d_images(&input)? {
        let d = max_pool2d_backward(d.view(), input.array.view(), &arguments)?;
        results.push(("grad.input", input.like(d).into()));
    }
    Ok(results)
}

fn run_conv2d(given: &Given<'_>) -> Results {
    let arguments: Conv2dArguments = given.arguments(&[])?;
    let (input, weight) = (given.images("input")?, given.axes::<Ix4>("weight")?);
    let bias = given.vector("bias")?;
    let mut results = Vec::new();
    if given.wants_output() {
        let output = conv2d(input.array.view(), weight.view(), bias, &arguments)?;
        results.push(("output", input.like(output).into()));
    }
    if let Some(d) = given.d_images(&input)? {
        let d = conv2d_backward(d.view(), input.array.view(), weight.view(), &arguments)?;
        results.push(("grad.input", input.like(d.d_input).into()));
        results.push(("grad.weight", d.d_weight.into_dyn().into()));
        if bias.is_some() {
            results.push(("grad.bias", d.d_bias.into_dyn().into()));
        }
    }
    Ok(results)
}

fn run_conv_transpose2d(given: &Given<'_>) -> Results {
    let arguments: ConvTranspose2dArguments = given.arguments(&[])?;
    let (input, weight) = (given.images("input")?, given.axes::<Ix4>("weight")?);
    let bias = given.vector("bias")?;
    let mut results = Vec::new();
    if given.wants_output() {
        let output = conv_transpose2d(input.array.view(), weight.view(), bias, &arguments)?;
        results.push(("output", input.like(output).into()));
    }
    if let Some(d) = given.d_images(&input)? {
        let d = conv_transpose2d_backward(d.view(), input.array.view(), weight.view(), &arguments)?;
        results.push(("grad.input", input.like(d.d_input).into()));
        results.push(("grad.weight", d.d_weight.into_dyn().into()));
        if bias.is_some() {
            results.push(("grad.bias", d.d_bias.into_dyn().into()));
        }
    }
    Ok(results)
}

fn run_linear(given: &Given<'_>) -> Results {
    let NoArguments {} = given.arguments(&[])?;
    let (input, weight) = (given.values("input")?, given.axes::<Ix2>("weight")?);
    let bias = given.vector("bias")?;
    let mut results = Vec::new();
    if given.wants_output() {
        results.push(("output", linear(input.view(), weight.view(), bias)?.into()));
    }
    if let Some(d) = given.d_output() {
        let d = linear_backward(d.view(), input.view(), weight.view())?;
        results.push(("grad.input", d.d_input.into()));
        results.push(("grad.weight", d.d_weight.into_dyn().into()));
        if bias.is_some() {
            results.push(("grad.bias", d.d_bias.into_dyn().into()));
        }
    }
    Ok(results)
}

/// PyTorch's arguments of `batch_norm`; without a momentum, the share depends on `num_batches_tracked`.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct BatchNormByName {
    training: bool,
    momentum: Option<f64>,
    eps: f64,
}

impl Default for BatchNormByName {
    fn default() -> Self {
        BatchNormByName { training: false, momentum: Some(0.1), eps: 1e-5 }
    }
}

fn run_batch_norm(given: &Given<'_>) -> Results {
    let BatchNormByName { training, momentum, eps } = given.arguments(&[])?;
    let input = given.values("input")?;
    let [mut mean, mut var] = [given.vector("running_mean")?, given.vector("running_var")?]
        .map(|vector| vector.map(|v| v.to_owned()));
    let [weight, bias] = [given.vector("weight")?, given.vector("bias")?];
    let mut results = Vec::new();
    let momentum = match momentum {
        Some(share) => share,
        None => {
            let tracked = given.integers("num_batches_tracked")?.sum() + 1;
            results.push(("num_batches_tracked", arr0(tracked).into_dyn().into()));
            Momentum::Cumulative.share(tracked.max(0) as u64)
        }
    };
    let mode = if training { Mode::Training } else { Mode::Inference };
    let arguments = BatchNormArguments { mode, momentum, eps };
    if let Some(d) = given.d_output() {
        let (mean, var) = (mean.as_ref().map(|mean| mean.view()), var.as_ref().map(|var| var.view()));
        let d = batch_norm_backward(d.view(), input.view(), mean, var, weight, &arguments)?;
        results.push(("grad.input", d.d_input.into()));
        if weight.is_some() {
            results.push(("grad.weight", d.d_weight.into_dyn().into()));
        }
        if bias.is_some() {
            results.push(("grad.bias", d.d_bias.into_dyn().into()));
        }
    }
    let output = batch_norm(
        input.view(),
        mean.as_mut().map(|mean| mean.view_mut()),
        var.as_mut().map(|var| var.view_mut()),
        weight,
        bias,
        &arguments,
    )?;
    results.push(("output", output.into()));
    results.extend(mean.map(|mean| ("running_mean", mean.into_dyn().into())));
    results.extend(var.map(|var| ("running_var", var.into_dyn().into())));
    Ok(results)
}

fn run_cross_entropy(given: &Given<'_>) -> Results {
    let arguments: CrossEntropyArguments = given.arguments(&[])?;
    let (input, weight) = (given.values("input")?, given.vector("weight")?);
    let target = match given.tensor("target")? {
        Tensor::I64(classes) => Target::Classes(classes.view()),
        _ => Target::Probabilities(given.values("target")?.view()),
    };
    let output = cross_entropy(input.view(), target.clone(), weight, &arguments)?;
    let mut results = vec![("output", output.into())];
    if let Some(d) = given.d_output() {
        let d = cross_entropy_backward(d.view(), input.view(), target, weight, &arguments)?;
        results.push(("grad.input", d.into()));
    }
    Ok(results)
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct MseLossByName {
    reduction: Reduction,
}

fn run_mse_loss(given: &Given<'_>) -> Results {
    let MseLossByName { reduction } = given.arguments(&[])?;
    let (input, target) = (given.values("input")?, given.values("target")?);
    let mut results = vec![("output", mse_loss(input.view(), target.view(), reduction)?.into())];
    if let Some(d) = given.d_output() {
        let d = mse_loss_backward(d.view(), input.view(), target.view(), reduction)?;
        results.push(("grad.target", d.mapv(|d| -d).into()));
        results.push(("grad.input", d.into()));
    }
    Ok(results)
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DropoutByName {
    p: f64,
    training: bool,
}

impl Default for DropoutByName {
    fn default() -> Self {
        DropoutByName { p: 0.5, training: true }
    }
}

fn run_dropout(given: &Given<'_>) -> Results {
    let DropoutByName { p, training } = given.arguments(&[])?;
    let mode = if training { Mode::Training } else { Mode::Inference };
    let input = given.values("input")?;
    let mut results = vec![("output", dropout(input.view(), p, mode, given.sample())?.into())];
    if let Some(d) = given.d_output() {
        results.push(("grad.input", dropout_backward(d.view(), p, mode, given.sample())?.into()));
    }
    Ok(results)
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FlattenByName {
    start_dim: isize,
    end_dim: isize,
}

impl Default for FlattenByName {
    fn default() -> Self {
        FlattenByName { start_dim: 0, end_dim: -1 }
    }
}

fn run_flatten(given: &Given<'_>) -> Results {
    let FlattenByName { start_dim, end_dim } = given.arguments(&[])?;
    let input = given.values("input")?;
    let mut results = vec![("output", flatten(input.view(), start_dim, end_dim)?.into())];
    if let Some(d) = given.d_output() {
        results.push(("grad.input", flatten_backward(d.view(), input.shape(), start_dim, end_dim)?.into()));
    }
    Ok(results)
}

fn run_roi_pool(given: &Given<'_>) -> Results {
    let arguments: RoiPoolArguments = given.arguments(&[])?;
    let (input, boxes) = (given.axes::<Ix4>("input")?, given.axes::<Ix2>("boxes")?);
    let output = roi_pool(input.view(), boxes.view(), &arguments)?;
    let mut results = vec![("output", output.into_dyn().into())];
    if let Some(d) = given.d_axes::<Ix4>()? {
        let d = roi_pool_backward(d.view(), input.view(), boxes.view(), &arguments)?;
        results.push(("grad.input", d.into_dyn().into()));
    }
    Ok(results)
}

fn run_roi_align(given: &Given<'_>) -> Results {
    let arguments: RoiAlignArguments = given.arguments(&[])?;
    let (input, boxes) = (given.axes::<Ix4>("input")?, given.axes::<Ix2>("boxes")?);
    let output = roi_align(input.view(), boxes.view(), &arguments)?;
    let mut results = vec![("output", output.into_dyn().into())];
    if let Some(d) = given.d_axes::<Ix4>()? {
        let d = roi_align_backward(d.view(), input.dim().into(), boxes.view(), &arguments)?;
        results.push(("grad.input", d.into_dyn().into()));
    }
    Ok(results)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoArguments {}

fn of_each_value(
    given: &Given<'_>,
    forward: fn(Values<'_>) -> ArrayD<f32>,
    backward: fn(Values<'_>, Values<'_>) -> Result<ArrayD<f32>, OpError>,
) -> Results {
    let NoArguments {} = given.arguments(&[])?;
    let output = forward(given.values("input")?.view());
    let mut results = Vec::new();
    if let Some(d) = given.d_output() {
        results.push(("grad.input", backward(d.view(), output.view())?.into()));
    }
    results.push(("output", output.into()));
    Ok(results)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Along {
    dim: isize,
}

fn along_an_axis(
    given: &Given<'_>,
    forward: fn(Values<'_>, isize) -> Result<ArrayD<f32>, OpError>,
    backward: fn(Values<'_>, Values<'_>, isize) -> Result<ArrayD<f32>, OpError>,
) -> Results {
    let Along { dim } = given.arguments(&[])?;
    let output = forward(given.values("input")?.view(), dim)?;
    let mut results = Vec::new();
    if let Some(d) = given.d_output() {
        results.push(("grad.input", backward(d.view(), output.view(), dim)?.into()));
    }
    results.push(("output", output.into()));
    Ok(results)
}

# Written by tools/stubs.py.
from collections.abc import Sequence
from typing import Any, Literal, Optional, Union, overload

import numpy as np

from ._arrays import FloatArray

Size = Union[int, Sequence[int]]

def conv2d(
    input: FloatArray,
    weight: FloatArray,
    bias: Optional[FloatArray] = None,
    stride: Size = 1,
    padding: Union[Size, str] = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    padding_mode: str = 'zeros',
) -> FloatArray: ...
def conv2d_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    weight: FloatArray,
    bias: Optional[FloatArray] = None,
    stride: Size = 1,
    padding: Union[Size, str] = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    padding_mode: str = 'zeros',
) -> dict[str, FloatArray]: ...
def conv_transpose2d(
    input: FloatArray,
    weight: FloatArray,
    bias: Optional[FloatArray] = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> FloatArray: ...
def conv_transpose2d_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    weight: FloatArray,
    bias: Optional[FloatArray] = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> dict[str, FloatArray]: ...
@overload
def max_pool2d(
    input: FloatArray,
    kernel_size: Size,
    stride: Optional[Size] = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
) -> FloatArray: ...
@overload
def max_pool2d(
    input: FloatArray,
    kernel_size: Size,
    stride: Optional[Size] = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    *, return_indices: Literal[True],
) -> tuple[FloatArray, np.ndarray[Any, np.dtype[np.int64]]]: ...
def max_pool2d_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    kernel_size: Size,
    stride: Optional[Size] = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> dict[str, FloatArray]: ...
def avg_pool2d(
    input: FloatArray,
    kernel_size: Size,
    stride: Optional[Size] = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: Optional[int] = None,
) -> FloatArray: ...
def avg_pool2d_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    kernel_size: Size,
    stride: Optional[Size] = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: Optional[int] = None,
) -> dict[str, FloatArray]: ...
def adaptive_avg_pool2d(
    input: FloatArray,
    output_size: Union[int, Sequence[Optional[int]]],
) -> FloatArray: ...
def adaptive_avg_pool2d_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    output_size: Union[int, Sequence[Optional[int]]],
) -> dict[str, FloatArray]: ...
@overload
def adaptive_max_pool2d(
    input: FloatArray,
    output_size: Union[int, Sequence[Optional[int]]],
    return_indices: Literal[False] = False,
) -> FloatArray: ...
@overload
def adaptive_max_pool2d(
    input: FloatArray,
    output_size: Union[int, Sequence[Optional[int]]],
    *, return_indices: Literal[True],
) -> tuple[FloatArray, np.ndarray[Any, np.dtype[np.int64]]]: ...
def adaptive_max_pool2d_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    output_size: Union[int, Sequence[Optional[int]]],
) -> dict[str, FloatArray]: ...
def mean(
    input: FloatArray,
    dim: Union[int, Sequence[int], None] = None,
    keepdim: bool = False,
) -> FloatArray: ...
def mean_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    dim: Union[int, Sequence[int], None] = None,
    keepdim: bool = False,
) -> dict[str, FloatArray]: ...
def roi_pool(
    input: FloatArray,
    boxes: Union[FloatArray, Sequence[FloatArray]],
    output_size: Size,
    spatial_scale: float = 1.0,
) -> FloatArray: ...
def roi_pool_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    boxes: Union[FloatArray, Sequence[FloatArray]],
    output_size: Size,
    spatial_scale: float = 1.0,
) -> dict[str, FloatArray]: ...
def roi_align(
    input: FloatArray,
    boxes: Union[FloatArray, Sequence[FloatArray]],
    output_size: Size,
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> FloatArray: ...
def roi_align_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    boxes: Union[FloatArray, Sequence[FloatArray]],
    output_size: Size,
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> dict[str, FloatArray]: ...
def linear(
    input: FloatArray,
    weight: FloatArray,
    bias: Optional[FloatArray] = None,
) -> FloatArray: ...
def linear_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    weight: FloatArray,
    bias: Optional[FloatArray] = None,
) -> dict[str, FloatArray]: ...
def matmul(
    input: FloatArray,
    other: FloatArray,
) -> FloatArray: ...
def matmul_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    other: FloatArray,
) -> dict[str, FloatArray]: ...
def flatten(
    input: FloatArray,
    start_dim: int = 0,
    end_dim: int = -1,
) -> FloatArray: ...
def flatten_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    start_dim: int = 0,
    end_dim: int = -1,
) -> dict[str, FloatArray]: ...
def reshape(
    input: FloatArray,
    shape: Sequence[int],
) -> FloatArray: ...
def reshape_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    shape: Sequence[int],
) -> dict[str, FloatArray]: ...
def permute(
    input: FloatArray,
    dims: Sequence[int],
) -> FloatArray: ...
def permute_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    dims: Sequence[int],
) -> dict[str, FloatArray]: ...
def slice(
    input: FloatArray,
    dim: int = 0,
    start: Optional[int] = None,
    end: Optional[int] = None,
    step: int = 1,
) -> FloatArray: ...
def slice_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    dim: int = 0,
    start: Optional[int] = None,
    end: Optional[int] = None,
    step: int = 1,
) -> dict[str, FloatArray]: ...
def channel_shuffle(
    input: FloatArray,
    groups: int,
) -> FloatArray: ...
def channel_shuffle_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    groups: int,
) -> dict[str, FloatArray]: ...
def pixel_shuffle(
    input: FloatArray,
    upscale_factor: int,
) -> FloatArray: ...
def pixel_shuffle_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    upscale_factor: int,
) -> dict[str, FloatArray]: ...
def pad(
    input: FloatArray,
    pad: Sequence[int],
    mode: str = 'constant',
    value: Optional[float] = None,
) -> FloatArray: ...
def pad_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    pad: Sequence[int],
    mode: str = 'constant',
    value: Optional[float] = None,
) -> dict[str, FloatArray]: ...
def interpolate(
    input: FloatArray,
    size: Optional[Size] = None,
    scale_factor: Union[float, Sequence[float], None] = None,
    mode: str = 'nearest',
    align_corners: Optional[bool] = None,
    recompute_scale_factor: Optional[bool] = None,
    antialias: bool = False,
) -> FloatArray: ...
def interpolate_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    size: Optional[Size] = None,
    scale_factor: Union[float, Sequence[float], None] = None,
    mode: str = 'nearest',
    align_corners: Optional[bool] = None,
    recompute_scale_factor: Optional[bool] = None,
    antialias: bool = False,
) -> dict[str, FloatArray]: ...
def add(
    input: FloatArray,
    other: Union[FloatArray, float],
    *,
    alpha: float = 1,
) -> FloatArray: ...
def add_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    other: Union[FloatArray, float],
    *,
    alpha: float = 1,
) -> dict[str, FloatArray]: ...
def mul(
    input: FloatArray,
    other: Union[FloatArray, float],
) -> FloatArray: ...
def mul_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    other: Union[FloatArray, float],
) -> dict[str, FloatArray]: ...
def concat(
    tensors: Sequence[FloatArray],
    dim: int = 0,
) -> FloatArray: ...
def concat_backward(
    grad_output: FloatArray,
    /,
    tensors: Sequence[FloatArray],
    dim: int = 0,
) -> dict[str, FloatArray]: ...
def batch_norm(
    input: FloatArray,
    running_mean: Optional[FloatArray],
    running_var: Optional[FloatArray],
    weight: Optional[FloatArray] = None,
    bias: Optional[FloatArray] = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> FloatArray: ...
def batch_norm_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    running_mean: Optional[FloatArray],
    running_var: Optional[FloatArray],
    weight: Optional[FloatArray] = None,
    bias: Optional[FloatArray] = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> dict[str, FloatArray]: ...
def layer_norm(
    input: FloatArray,
    normalized_shape: Sequence[int],
    weight: Optional[FloatArray] = None,
    bias: Optional[FloatArray] = None,
    eps: float = 1e-05,
) -> FloatArray: ...
def layer_norm_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    normalized_shape: Sequence[int],
    weight: Optional[FloatArray] = None,
    bias: Optional[FloatArray] = None,
    eps: float = 1e-05,
) -> dict[str, FloatArray]: ...
def group_norm(
    input: FloatArray,
    num_groups: int,
    weight: Optional[FloatArray] = None,
    bias: Optional[FloatArray] = None,
    eps: float = 1e-05,
) -> FloatArray: ...
def group_norm_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    num_groups: int,
    weight: Optional[FloatArray] = None,
    bias: Optional[FloatArray] = None,
    eps: float = 1e-05,
) -> dict[str, FloatArray]: ...
def instance_norm(
    input: FloatArray,
    running_mean: Optional[FloatArray] = None,
    running_var: Optional[FloatArray] = None,
    weight: Optional[FloatArray] = None,
    bias: Optional[FloatArray] = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> FloatArray: ...
def instance_norm_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    running_mean: Optional[FloatArray] = None,
    running_var: Optional[FloatArray] = None,
    weight: Optional[FloatArray] = None,
    bias: Optional[FloatArray] = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> dict[str, FloatArray]: ...
def local_response_norm(
    input: FloatArray,
    size: int,
    alpha: float = 0.0001,
    beta: float = 0.75,
    k: float = 1.0,
) -> FloatArray: ...
def local_response_norm_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    size: int,
    alpha: float = 0.0001,
    beta: float = 0.75,
    k: float = 1.0,
) -> dict[str, FloatArray]: ...
def relu(
    input: FloatArray,
    inplace: bool = False,
) -> FloatArray: ...
def relu_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
) -> dict[str, FloatArray]: ...
def relu6(
    input: FloatArray,
    inplace: bool = False,
) -> FloatArray: ...
def relu6_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
) -> dict[str, FloatArray]: ...
def leaky_relu(
    input: FloatArray,
    negative_slope: float = 0.01,
    inplace: bool = False,
) -> FloatArray: ...
def leaky_relu_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    negative_slope: float = 0.01,
) -> dict[str, FloatArray]: ...
def prelu(
    input: FloatArray,
    weight: FloatArray,
) -> FloatArray: ...
def prelu_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    weight: FloatArray,
) -> dict[str, FloatArray]: ...
def elu(
    input: FloatArray,
    alpha: float = 1.0,
    inplace: bool = False,
) -> FloatArray: ...
def elu_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    alpha: float = 1.0,
) -> dict[str, FloatArray]: ...
def silu(
    input: FloatArray,
    inplace: bool = False,
) -> FloatArray: ...
def silu_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
) -> dict[str, FloatArray]: ...
def gelu(
    input: FloatArray,
    approximate: str = 'none',
) -> FloatArray: ...
def gelu_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    approximate: str = 'none',
) -> dict[str, FloatArray]: ...
def mish(
    input: FloatArray,
    inplace: bool = False,
) -> FloatArray: ...
def mish_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
) -> dict[str, FloatArray]: ...
def hardswish(
    input: FloatArray,
    inplace: bool = False,
) -> FloatArray: ...
def hardswish_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
) -> dict[str, FloatArray]: ...
def hardsigmoid(
    input: FloatArray,
    inplace: bool = False,
) -> FloatArray: ...
def hardsigmoid_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
) -> dict[str, FloatArray]: ...
def hardtanh(
    input: FloatArray,
    min_val: float = -1.0,
    max_val: float = 1.0,
    inplace: bool = False,
) -> FloatArray: ...
def hardtanh_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    min_val: float = -1.0,
    max_val: float = 1.0,
) -> dict[str, FloatArray]: ...
def softplus(
    input: FloatArray,
    beta: float = 1.0,
    threshold: float = 20.0,
) -> FloatArray: ...
def softplus_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    beta: float = 1.0,
    threshold: float = 20.0,
) -> dict[str, FloatArray]: ...
def sigmoid(
    input: FloatArray,
) -> FloatArray: ...
def sigmoid_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
) -> dict[str, FloatArray]: ...
def tanh(
    input: FloatArray,
) -> FloatArray: ...
def tanh_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
) -> dict[str, FloatArray]: ...
def softmax(
    input: FloatArray,
    dim: int,
) -> FloatArray: ...
def softmax_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    dim: int,
) -> dict[str, FloatArray]: ...
def log_softmax(
    input: FloatArray,
    dim: int,
) -> FloatArray: ...
def log_softmax_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    dim: int,
) -> dict[str, FloatArray]: ...
def dropout(
    input: FloatArray,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    seed: int = 0,
) -> FloatArray: ...
def dropout_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    p: float = 0.5,
    training: bool = True,
    *,
    seed: int = 0,
) -> dict[str, FloatArray]: ...
def dropout2d(
    input: FloatArray,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    seed: int = 0,
) -> FloatArray: ...
def dropout2d_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    p: float = 0.5,
    training: bool = True,
    *,
    seed: int = 0,
) -> dict[str, FloatArray]: ...
def stochastic_depth(
    input: FloatArray,
    p: float,
    mode: str,
    training: bool = True,
    *,
    seed: int = 0,
) -> FloatArray: ...
def stochastic_depth_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    p: float,
    mode: str,
    training: bool = True,
    *,
    seed: int = 0,
) -> dict[str, FloatArray]: ...
def cross_entropy(
    input: FloatArray,
    target: Any,
    weight: Optional[FloatArray] = None,
    *,
    ignore_index: int = -100,
    reduction: str = 'mean',
    label_smoothing: float = 0.0,
) -> Union[np.float32, FloatArray]: ...
def cross_entropy_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    target: Any,
    weight: Optional[FloatArray] = None,
    *,
    ignore_index: int = -100,
    reduction: str = 'mean',
    label_smoothing: float = 0.0,
) -> dict[str, FloatArray]: ...
def mse_loss(
    input: FloatArray,
    target: FloatArray,
    *,
    reduction: str = 'mean',
) -> Union[np.float32, FloatArray]: ...
def mse_loss_backward(
    grad_output: FloatArray,
    /,
    input: FloatArray,
    target: FloatArray,
    *,
    reduction: str = 'mean',
) -> dict[str, FloatArray]: ...

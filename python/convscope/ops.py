"""Operators on NumPy's arrays, with the names, arguments and defaults of `torch.nn.functional`.

Each operator `f` has a backward pass `f_backward`, which takes the gradient with respect to the output and then the same
arguments, and returns a dict with the gradient with respect to each array by the name of its argument:

>>> import numpy as np
>>> from convscope import ops
>>> x = np.arange(12, dtype=np.float32).reshape(1, 1, 3, 4)
>>> w = np.ones((2, 1, 3, 3), dtype=np.float32)
>>> ops.conv2d(x, w, padding=1).shape
(1, 2, 3, 4)
>>> grads = ops.conv2d_backward(np.ones((1, 2, 3, 4), dtype=np.float32), x, w, padding=1)
>>> {name: grad.shape for name, grad in grads.items()}
{'input': (1, 1, 3, 4), 'weight': (2, 1, 3, 3)}

Arrays are float32 in any memory layout, contiguous or not; tensors of PyTorch are taken too. Any other type of values
raises `TypeError`; shapes and arguments that do not fit raise `ValueError` with the numbers. Results are new arrays. No
operator changes its inputs, except with `inplace=True`, and except that `batch_norm` and `instance_norm` update running
statistics, as PyTorch's do.

A call that takes longer than a few hundred microseconds lets other Python threads run meanwhile, on copies of its arrays.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, Optional, Union

import numpy as np

from . import _convscope
from ._arrays import FloatArray, floats, integers, plain

__all__: list[str] = []

Size = Union[int, Sequence[int]]


def _same(array: Any) -> Any:
    return array


class _Call:
    """An operator's name with its arrays and arguments, and how its results get the form that the caller expects."""

    __slots__ = ("name", "tensors", "arguments", "shapes", "out", "grad", "training", "seed", "finish", "after", "into")

    def __init__(
        self,
        name: str,
        tensors: dict[str, Any],
        arguments: Optional[dict[str, Any]] = None,
        training: bool = False,
        seed: int = 0,
    ) -> None:
        self.name = name
        self.tensors = {key: floats(name, key, value) for key, value in tensors.items() if value is not None}
        self.arguments = arguments or {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.out: Callable[[Any], Any] = _same
        self.grad: Callable[[Any], Any] = _same
        self.training = training
        self.seed = seed
        self.finish: Optional[Callable[[dict[str, Any]], Any]] = None
        self.after: Callable[[dict[str, FloatArray]], dict[str, FloatArray]] = _same
        self.into: Any = None

    def in_place_of(self, input: Any, inplace: bool) -> _Call:
        """With the output written to the input, if that is asked for."""
        self.into = input if inplace else None
        return self

    def lifted(self, *names: str) -> _Call:
        """With a batch axis of one image, for these arrays and the output."""
        for name in names:
            array = self.tensors[name]
            self.shapes[name] = array.shape
            self.tensors[name] = array[None]
        self.out = lambda output: output[0]
        self.grad = lambda d_output: d_output[None]
        return self

    def with_axes(self, axes: int) -> _Call:
        """Lifted if the input has fewer axes than this."""
        return self.lifted("input") if self.tensors["input"].ndim < axes else self

    def value_by_value(self) -> _Call:
        """With all values in one row."""
        shape = self.tensors["input"].shape
        self.shapes["input"] = shape
        self.tensors["input"] = self.tensors["input"].reshape(1, -1)
        self.out = lambda output: output.reshape(shape)

        def grad(d_output: Any) -> Any:
            if d_output.shape != shape:
                raise ValueError(f"{self.name}: output has shape {list(shape)}, its gradient {list(d_output.shape)}")
            return d_output.reshape(1, -1)

        self.grad = grad
        return self

    def forward(self) -> Any:
        results = _convscope.run(self.name, self.tensors, self.arguments, None, self.training, self.seed)
        if self.finish is not None:
            return self.finish(results)
        output = self.out(results["output"])
        if self.into is None:
            return output
        plain(self.into)[...] = output
        return self.into

    def backward(self, grad_output: Any) -> dict[str, FloatArray]:
        d_output = self.grad(floats(self.name, "grad_output", grad_output))
        results = _convscope.run(self.name, self.tensors, self.arguments, d_output, self.training, self.seed)
        grads = {}
        # In the order of the arguments.
        for name in self.tensors:
            grad = results.get(f"grad.{name}")
            if grad is not None:
                shape = self.shapes.get(name)
                grads[name] = grad if shape is None else grad.reshape(shape)
        return self.after(grads)


def _operator(describe: Callable[..., _Call]) -> Callable[..., Any]:
    """Adds an operator, described by a function with its signature, and its backward pass to this module."""
    name = describe.__name__

    @functools.wraps(describe)
    def forward(*args: Any, **kwargs: Any) -> Any:
        return describe(*args, **kwargs).forward()

    def backward(grad_output: Any, /, *args: Any, **kwargs: Any) -> dict[str, FloatArray]:
        return describe(*args, **kwargs).backward(grad_output)

    first = inspect.Parameter("grad_output", inspect.Parameter.POSITIONAL_ONLY, annotation=FloatArray)
    signature = inspect.signature(describe)
    parameters = [parameter for key, parameter in signature.parameters.items() if key not in ("return_indices", "inplace")]
    backward.__signature__ = signature.replace(parameters=[first, *parameters])  # type: ignore[attr-defined]
    backward.__name__ = backward.__qualname__ = f"{name}_backward"
    backward.__doc__ = (
        f"The gradients of `{name}` by the name of each array, from `grad_output`, that by its output.\n\n"
        f"The other arguments are those of `{name}`."
    )
    globals()[backward.__name__] = backward
    __all__.extend([name, backward.__name__])
    return forward


# Convolution


@_operator
def conv2d(
    input: FloatArray,
    weight: FloatArray,
    bias: Optional[FloatArray] = None,
    stride: Size = 1,
    padding: Union[Size, str] = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    padding_mode: str = "zeros",
) -> _Call:
    """Convolves `input` `[N, C, H, W]` with `weight` `[O, C / groups, rows, columns]` into `[N, O, H', W']`.

    `H' = (H + 2 * padding - dilation * (rows - 1) - 1) / stride + 1`, rounded down, and likewise `W'`. `padding` may be
    `"same"` or `"valid"`; `padding_mode` is that of `torch.nn.Conv2d`: `zeros`, `reflect`, `replicate`, `circular`.

    >>> x = np.array([[[[1, 2, 3]]]], dtype=np.float32)
    >>> w = np.array([[[[10, 1]]]], dtype=np.float32)
    >>> conv2d(x, w, np.array([0.5], dtype=np.float32))
    array([[[[12.5, 23.5]]]], dtype=float32)
    """
    return _Call(
        "conv2d",
        {"input": input, "weight": weight, "bias": bias},
        {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "padding_mode": padding_mode},
    )


@_operator
def conv_transpose2d(
    input: FloatArray,
    weight: FloatArray,
    bias: Optional[FloatArray] = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> _Call:
    """The transposed convolution of `input` `[N, C, H, W]` with `weight` `[C, O / groups, rows, columns]`.

    `H' = (H - 1) * stride - 2 * padding + dilation * (rows - 1) + output_padding + 1`, and likewise `W'`.

    >>> x = np.array([[[[1, 2]]]], dtype=np.float32)
    >>> conv_transpose2d(x, np.array([[[[3, 1]]]], dtype=np.float32), stride=2)
    array([[[[3., 1., 6., 2.]]]], dtype=float32)
    """
    return _Call(
        "conv_transpose2d",
        {"input": input, "weight": weight, "bias": bias},
        {
            "stride": stride,
            "padding": padding,
            "output_padding": output_padding,
            "groups": groups,
            "dilation": dilation,
        },
    )


# Pooling


@_operator
def max_pool2d(
    input: FloatArray,
    kernel_size: Size,
    stride: Optional[Size] = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> _Call:
    """The largest value of each window of `input` `[N, C, H, W]` or `[C, H, W]`.

    The windows are `stride` apart, by default as far as they are long. With `return_indices`, returns the output and the
    position of each value in its plane.

    >>> max_pool2d(np.array([[[1, 5, 2, 4]]], dtype=np.float32), (1, 2), return_indices=True)
    (array([[[5., 4.]]], dtype=float32), array([[[1, 3]]]))
    """
    call = _Call(
        "max_pool2d",
        {"input": input},
        {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode},
    )
    if return_indices:
        call.finish = lambda results: (results["output"], results["indices"])
    return call


@_operator
def avg_pool2d(
    input: FloatArray,
    kernel_size: Size,
    stride: Optional[Size] = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: Optional[int] = None,
) -> _Call:
    """The mean of each window of `input` `[N, C, H, W]` or `[C, H, W]`.

    >>> avg_pool2d(np.array([[[1, 5, 2, 4]]], dtype=np.float32), (1, 2))
    array([[[3., 3.]]], dtype=float32)
    """
    return _Call(
        "avg_pool2d",
        {"input": input},
        {
            "kernel_size": kernel_size,
            "stride": stride,
            "padding": padding,
            "ceil_mode": ceil_mode,
            "count_include_pad": count_include_pad,
            "divisor_override": divisor_override,
        },
    )


@_operator
def adaptive_avg_pool2d(input: FloatArray, output_size: Union[int, Sequence[Optional[int]]]) -> _Call:
    """The means of as many regions of `input` `[N, C, H, W]` as `output_size` has rows and columns.

    >>> adaptive_avg_pool2d(np.array([[[1, 5, 2, 4]]], dtype=np.float32), (1, 2))
    array([[[3., 3.]]], dtype=float32)
    """
    return _Call("adaptive_avg_pool2d", {"input": input}, {"output_size": output_size})


@_operator
def adaptive_max_pool2d(
    input: FloatArray, output_size: Union[int, Sequence[Optional[int]]], return_indices: bool = False
) -> _Call:
    """The largest values of as many regions of `input` `[N, C, H, W]` as `output_size` has rows and columns.

    With `return_indices`, returns the output and the position of each value in its plane.

    >>> adaptive_max_pool2d(np.array([[[1, 5, 2, 4]]], dtype=np.float32), (1, 2), return_indices=True)
    (array([[[5., 4.]]], dtype=float32), array([[[1, 3]]]))
    """
    call = _Call("adaptive_max_pool2d", {"input": input}, {"output_size": output_size}).with_axes(4)
    if return_indices:
        images, out = call.tensors["input"], call.out
        call.finish = lambda results: (out(results["output"]), out(_places(images, results["output"].shape[2:])))
    return call


def _places(images: FloatArray, sizes: tuple[int, int]) -> Any:
    """The position of the largest value of each region in its plane."""
    height, width = images.shape[2:]
    rows, columns = sizes
    places = np.empty((*images.shape[:2], rows, columns), np.int64)
    for row in range(rows):
        top, bottom = row * height // rows, -(-(row + 1) * height // rows)
        for column in range(columns):
            left, right = column * width // columns, -(-(column + 1) * width // columns)
            region = images[:, :, top:bottom, left:right].reshape(*images.shape[:2], -1)
            down, along = np.divmod(region.argmax(axis=2), right - left)
            places[:, :, row, column] = (top + down) * width + left + along
    return places


@_operator
def mean(input: FloatArray, dim: Union[int, Sequence[int], None] = None, keepdim: bool = False) -> _Call:
    """The mean along some axes of `input`; without `dim`, along all.

    >>> mean(np.array([[1, 2], [3, 6]], dtype=np.float32), 1)
    array([1.5, 4.5], dtype=float32)
    """
    call = _Call("mean", {"input": input})
    axes = call.tensors["input"].ndim
    dims = range(axes) if dim is None else [dim] if isinstance(dim, int) else dim
    dims = [_axis("mean", one, axes) for one in dims]
    if 0 in dims:
        call.lifted("input")
        dims = [one + 1 for one in dims]
    call.arguments = {"dim": dims, "keepdim": keepdim}
    return call


# Regions of interest, as in torchvision.ops


def _boxes(name: str, boxes: Any) -> FloatArray:
    if not isinstance(boxes, (list, tuple)):
        return floats(name, "boxes", boxes)
    rows = [floats(name, "boxes", each) for each in boxes]
    numbered = [np.insert(each, 0, np.float32(image), axis=1) for image, each in enumerate(rows)]
    return np.concatenate(numbered) if numbered else np.zeros((0, 5), np.float32)


@_operator
def roi_pool(
    input: FloatArray, boxes: Union[FloatArray, Sequence[FloatArray]], output_size: Size, spatial_scale: float = 1.0
) -> _Call:
    """The largest values in each region of `input` `[N, C, H, W]`, as `torchvision.ops.roi_pool`.

    `boxes` is `[K, 5]` with the image's index, left, top, right and bottom, or a list with an array `[L, 4]` for each
    image.

    >>> x = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    >>> roi_pool(x, np.array([[0, 0, 0, 3, 3]], dtype=np.float32), 2)
    array([[[[ 5.,  7.],
             [13., 15.]]]], dtype=float32)
    """
    tensors = {"input": input, "boxes": _boxes("roi_pool", boxes)}
    return _Call("roi_pool", tensors, {"output_size": output_size, "spatial_scale": spatial_scale})


@_operator
def roi_align(
    input: FloatArray,
    boxes: Union[FloatArray, Sequence[FloatArray]],
    output_size: Size,
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> _Call:
    """Means of interpolated values in each region of `input` `[N, C, H, W]`, as `torchvision.ops.roi_align`.

    >>> x = np.ones((1, 1, 4, 4), dtype=np.float32)
    >>> roi_align(x, [np.array([[0, 0, 2, 2]], dtype=np.float32)], 1)
    array([[[[1.]]]], dtype=float32)
    """
    return _Call(
        "roi_align",
        {"input": input, "boxes": _boxes("roi_align", boxes)},
        {
            "output_size": output_size,
            "spatial_scale": spatial_scale,
            "sampling_ratio": sampling_ratio,
            "aligned": aligned,
        },
    )


# Dense layers and other axes


@_operator
def linear(input: FloatArray, weight: FloatArray, bias: Optional[FloatArray] = None) -> _Call:
    """`input @ weight.T + bias` for `input` `[..., I]` and `weight` `[O, I]`.

    >>> x, w = np.array([[1, 2]], dtype=np.float32), np.array([[3, 4], [5, 6]], dtype=np.float32)
    >>> linear(x, w)
    array([[11., 17.]], dtype=float32)
    """
    return _Call("linear", {"input": input, "weight": weight, "bias": bias})


@_operator
def matmul(input: FloatArray, other: FloatArray) -> _Call:
    """The matrix product of `input` `[..., T, K]` and `other` `[..., K, M]`, whose first axes are repeated to fit.

    A vector as `input` is a row, one as `other` a column; the output does not have its axis.

    >>> matmul(np.array([[1, 2]], dtype=np.float32), np.array([[3], [4]], dtype=np.float32))
    array([[11.]], dtype=float32)
    """
    call = _Call("matmul", {"input": input, "other": other})
    a, b = call.tensors["input"], call.tensors["other"]
    if not a.ndim or not b.ndim:
        raise ValueError(f"matmul: arrays of shapes {list(a.shape)} and {list(b.shape)} are not matrices")
    left, right = a[None] if a.ndim == 1 else a, b[:, None] if b.ndim == 1 else b
    try:
        batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    except ValueError:
        raise ValueError(
            f"matmul: the first axes of shapes {list(a.shape)} and {list(b.shape)} do not fit"
        ) from None
    count = int(np.prod(batch, dtype=np.int64))
    whole = {"input": (*batch, *left.shape[-2:]), "other": (*batch, *right.shape[-2:])}
    for name, array in (("input", left), ("other", right)):
        call.tensors[name] = np.broadcast_to(array, whole[name]).reshape(count, *array.shape[-2:])
    rows, columns = left.shape[-2:-1] * (a.ndim > 1), right.shape[-1:] * (b.ndim > 1)
    call.out = lambda output: output.reshape((*batch, *rows, *columns))

    def grad(d_output: Any) -> Any:
        if d_output.shape != (*batch, *rows, *columns):
            shapes = f"{[*batch, *rows, *columns]}, its gradient {list(d_output.shape)}"
            raise ValueError(f"matmul: output has shape {shapes}")
        return d_output.reshape(count, left.shape[-2], right.shape[-1])

    call.grad = grad
    given = {"input": (left, a), "other": (right, b)}
    call.after = lambda grads: {
        name: _summed(grad.reshape(whole[name]), given[name][0].shape).reshape(given[name][1].shape)
        for name, grad in grads.items()
    }
    return call


def _summed(grad: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """The gradient of an array of this shape, which was repeated to that of `grad`."""
    extra = grad.ndim - len(shape)
    axes = [*range(extra), *(extra + axis for axis, length in enumerate(shape) if length != grad.shape[extra + axis])]
    return grad.sum(axis=tuple(axes)).reshape(shape) if axes else grad


@_operator
def flatten(input: FloatArray, start_dim: int = 0, end_dim: int = -1) -> _Call:
    """Joins the axes from `start_dim` to `end_dim`.

    >>> flatten(np.zeros((2, 3, 4), dtype=np.float32), 1).shape
    (2, 12)
    """
    return _Call("flatten", {"input": input}, {"start_dim": start_dim, "end_dim": end_dim})


@_operator
def reshape(input: FloatArray, shape: Sequence[int]) -> _Call:
    """The same values in another shape, one of whose axes may be -1.

    >>> reshape(np.arange(6, dtype=np.float32), (2, -1))
    array([[0., 1., 2.],
           [3., 4., 5.]], dtype=float32)
    """
    call = _Call("reshape", {"input": input})
    own, wanted = call.tensors["input"].shape, list(shape)
    if own and wanted and wanted[0] == own[0]:
        call.arguments = {"shape": wanted[1:]}
        return call
    call.arguments = {"shape": wanted}
    return call.lifted("input")


@_operator
def permute(input: FloatArray, dims: Sequence[int]) -> _Call:
    """The same values with the axes in another order.

    >>> permute(np.zeros((2, 3, 4), dtype=np.float32), (0, 2, 1)).shape
    (2, 4, 3)
    """
    call = _Call("permute", {"input": input})
    axes = call.tensors["input"].ndim
    order = [_axis("permute", dim, axes, "dims") for dim in dims]
    if order and order[0] != 0:
        call.lifted("input")
        order = [0, *(dim + 1 for dim in order)]
    call.arguments = {"dims": order}
    return call


@_operator
def slice(
    input: FloatArray, dim: int = 0, start: Optional[int] = None, end: Optional[int] = None, step: int = 1
) -> _Call:
    """The elements from `start` to before `end` along an axis, as `torch.ops.aten.slice`.

    >>> slice(np.arange(6, dtype=np.float32)[None], 1, 1, -1, 2)
    array([[1., 3.]], dtype=float32)
    """
    call = _Call("slice", {"input": input})
    axis = _axis("slice", dim, call.tensors["input"].ndim)
    if axis == 0:
        call.lifted("input")
        axis = 1
    call.arguments = {"dim": axis, "start": start or 0, "end": end, "step": step}
    return call


@_operator
def channel_shuffle(input: FloatArray, groups: int) -> _Call:
    """Deals out the channels of `input` `[N, C, ...]` to groups, one by one.

    >>> channel_shuffle(np.arange(4, dtype=np.float32).reshape(1, 4, 1, 1), 2).ravel()
    array([0., 2., 1., 3.], dtype=float32)
    """
    return _Call("channel_shuffle", {"input": input}, {"groups": groups})


@_operator
def pixel_shuffle(input: FloatArray, upscale_factor: int) -> _Call:
    """Turns `input` `[N, C * r * r, H, W]` into `[N, C, H * r, W * r]`.

    >>> pixel_shuffle(np.arange(4, dtype=np.float32).reshape(1, 4, 1, 1), 2)[0, 0]
    array([[0., 1.],
           [2., 3.]], dtype=float32)
    """
    return _Call("pixel_shuffle", {"input": input}, {"upscale_factor": upscale_factor}).with_axes(4)


@_operator
def pad(input: FloatArray, pad: Sequence[int], mode: str = "constant", value: Optional[float] = None) -> _Call:
    """Adds rows and columns to `input` `[N, C, H, W]` or `[C, H, W]`, or takes them away where `pad` is negative.

    `pad` is left, right, and if they change too, top and bottom. `mode` is `constant`, `reflect`, `replicate` or
    `circular`.

    >>> pad(np.ones((1, 1, 2), dtype=np.float32), (1, 0), value=7.0)
    array([[[7., 1., 1.]]], dtype=float32)
    """
    sides = [*pad, 0, 0] if len(pad) == 2 else list(pad)
    if len(sides) != 4:
        raise ValueError(f"pad: pad has {len(pad)} numbers, must have 2 or 4: left, right, top, bottom")
    return _Call("pad", {"input": input}, {"pad": sides, "mode": mode, "value": value or 0.0}).with_axes(4)


@_operator
def interpolate(
    input: FloatArray,
    size: Optional[Size] = None,
    scale_factor: Union[float, Sequence[float], None] = None,
    mode: str = "nearest",
    align_corners: Optional[bool] = None,
    recompute_scale_factor: Optional[bool] = None,
    antialias: bool = False,
) -> _Call:
    """Resizes `input` `[N, C, H, W]` to `size` or by `scale_factor`; `mode` is `nearest`, `nearest-exact` or `bilinear`.

    With `recompute_scale_factor`, positions follow from the sizes instead of the factor. `antialias` is not supported.

    >>> interpolate(np.array([[[[1, 2]]]], dtype=np.float32), scale_factor=2)[0, 0]
    array([[1., 1., 2., 2.],
           [1., 1., 2., 2.]], dtype=float32)
    """
    if antialias:
        raise ValueError("interpolate: antialias is True, must be False")
    if recompute_scale_factor and scale_factor is not None:
        sides = plain(input).shape[2:]
        factors = [scale_factor] * len(sides) if isinstance(scale_factor, (int, float)) else scale_factor
        size, scale_factor = [int(side * factor) for side, factor in zip(sides, factors)], None
    given = {"size": size, "scale_factor": scale_factor, "mode": mode, "align_corners": align_corners}
    return _Call("interpolate", {"input": input}, {key: value for key, value in given.items() if value is not None})


# Joining


@_operator
def add(input: FloatArray, other: Union[FloatArray, float], *, alpha: float = 1) -> _Call:
    """`input + alpha * other`; axes of length 1 are repeated. `other` may be a number.

    >>> add(np.array([1, 2], dtype=np.float32), np.array([3, 4], dtype=np.float32))
    array([4., 6.], dtype=float32)
    """
    call = _join("add", input, other)
    if alpha != 1:
        factor = np.float32(alpha)
        call.tensors["other"] = call.tensors["other"] * factor
        call.after = lambda grads: {**grads, "other": grads["other"] * factor}
    return call


@_operator
def mul(input: FloatArray, other: Union[FloatArray, float]) -> _Call:
    """`input * other`; axes of length 1 are repeated. `other` may be a number.

    >>> mul(np.array([1, 2], dtype=np.float32), np.array([3, 4], dtype=np.float32))
    array([3., 8.], dtype=float32)
    """
    return _join("mul", input, other)


def _join(name: str, input: Any, other: Any) -> _Call:
    other = np.float32(other) if isinstance(other, (int, float)) else other
    call = _Call(name, {"input": input, "other": other})
    axes = max(array.ndim for array in call.tensors.values())
    for key, array in call.tensors.items():
        # PyTorch aligns shapes at their ends.
        call.shapes[key] = array.shape
        call.tensors[key] = array.reshape((1,) * (axes - array.ndim) + array.shape)
    shapes = dict(call.shapes)
    call.lifted("input", "other")
    call.shapes = shapes
    return call


@_operator
def concat(tensors: Sequence[FloatArray], dim: int = 0) -> _Call:
    """Joins arrays along an axis. The backward pass names the gradients `0`, `1` and so on.

    >>> concat([np.array([[1]], dtype=np.float32), np.array([[2, 3]], dtype=np.float32)], dim=1)
    array([[1., 2., 3.]], dtype=float32)
    """
    arrays = [floats("concat", f"tensors[{index}]", array) for index, array in enumerate(tensors)]
    if len(arrays) < 2:
        raise ValueError(f"concat: takes two arrays or more, not {len(arrays)}")
    first = arrays[0]
    axis = _axis("concat", dim, first.ndim)
    for array in arrays[1:]:
        others = [shape[:axis] + shape[axis + 1 :] for shape in (first.shape, array.shape)]
        if array.ndim != first.ndim or others[0] != others[1]:
            raise ValueError(
                f"concat: arrays of shapes {list(first.shape)} and {list(array.shape)} differ beside axis {axis}"
            )
    # As channels of images, whatever the axis.
    outer = int(np.prod(first.shape[:axis], dtype=np.int64))
    rows = [array.reshape(outer, array.shape[axis], -1) for array in arrays]
    names = ["input", "other", *(f"other_{index}" for index in range(2, len(arrays)))]
    call = _Call("concat", dict(zip(names, rows)))
    length = sum(array.shape[axis] for array in arrays)
    shape = (*first.shape[:axis], length, *first.shape[axis + 1 :])
    call.out = lambda output: output.reshape(shape)
    call.grad = lambda d_output: d_output.reshape(outer, length, -1)
    call.shapes = {name: array.shape for name, array in zip(names, arrays)}
    call.after = lambda grads: {str(index): grads[name] for index, name in enumerate(names)}
    return call


# Normalisation


@_operator
def batch_norm(
    input: FloatArray,
    running_mean: Optional[FloatArray],
    running_var: Optional[FloatArray],
    weight: Optional[FloatArray] = None,
    bias: Optional[FloatArray] = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> _Call:
    """`(input - mean) / sqrt(var + eps) * weight + bias` for each channel of `input` `[N, C, ...]`.

    In training, mean and variance are those of the batch, and `running_mean` and `running_var` are updated in place;
    otherwise they are the running ones.

    >>> x = np.array([[1.0], [3.0]], dtype=np.float32)
    >>> mean, var = np.zeros(1, np.float32), np.ones(1, np.float32)
    >>> batch_norm(x, mean, var, training=True, momentum=0.5, eps=0.0).ravel(), mean, var
    (array([-1.,  1.], dtype=float32), array([1.], dtype=float32), array([1.5], dtype=float32))
    """
    tensors = {
        "input": input,
        "running_mean": running_mean,
        "running_var": running_var,
        "weight": weight,
        "bias": bias,
    }
    call = _Call("batch_norm", tensors, {"training": training, "momentum": momentum, "eps": eps})

    def update(results: dict[str, Any]) -> Any:
        for name, running in (("running_mean", running_mean), ("running_var", running_var)):
            if training and running is not None:
                plain(running)[...] = results[name]
        return results["output"]

    call.finish = update
    return call


@_operator
def layer_norm(
    input: FloatArray,
    normalized_shape: Sequence[int],
    weight: Optional[FloatArray] = None,
    bias: Optional[FloatArray] = None,
    eps: float = 1e-5,
) -> _Call:
    """Normalises over the last axes of `input`, those of `normalized_shape`.

    >>> layer_norm(np.array([[1, 3]], dtype=np.float32), (2,), eps=0.0)
    array([[-1.,  1.]], dtype=float32)
    """
    shape = list(normalized_shape)
    arguments = {"normalized_shape": shape, "eps": eps}
    call = _affine("layer_norm", "elementwise_affine", input, weight, bias, shape, arguments)
    return call.lifted("input") if call.tensors["input"].ndim == len(shape) else call


@_operator
def group_norm(
    input: FloatArray,
    num_groups: int,
    weight: Optional[FloatArray] = None,
    bias: Optional[FloatArray] = None,
    eps: float = 1e-5,
) -> _Call:
    """Normalises each group of channels of each image of `input` `[N, C, ...]`.

    >>> group_norm(np.array([[1, 3, 5, 9]], dtype=np.float32), 2, eps=0.0)
    array([[-1.,  1., -1.,  1.]], dtype=float32)
    """
    channels = [plain(input).shape[1]] if plain(input).ndim > 1 else []
    return _affine("group_norm", "affine", input, weight, bias, channels, {"num_groups": num_groups, "eps": eps})


@_operator
def instance_norm(
    input: FloatArray,
    running_mean: Optional[FloatArray] = None,
    running_var: Optional[FloatArray] = None,
    weight: Optional[FloatArray] = None,
    bias: Optional[FloatArray] = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> _Call:
    """Normalises each channel of each image of `input` `[N, C, ...]`.

    The running statistics, where given, are updated in place by the means over the images. Without `use_input_stats`,
    they normalise instead.

    >>> instance_norm(np.array([[[[1, 3]]]], dtype=np.float32), eps=0.0)
    array([[[[-1.,  1.]]]], dtype=float32)
    """
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise ValueError("instance_norm: without use_input_stats, running_mean and running_var are needed")
        names = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
        return _Call("batch_norm", {"input": input, **names}, {"training": False, "eps": eps})
    channels = [plain(input).shape[1]] if plain(input).ndim > 1 else []
    call = _affine("instance_norm", "affine", input, weight, bias, channels, {"eps": eps})

    def update(results: dict[str, Any]) -> Any:
        images = call.tensors["input"].astype(np.float64).reshape(*call.tensors["input"].shape[:2], -1)
        share = images.shape[2] / max(1, images.shape[2] - 1)
        found = {"mean": images.mean(axis=2).mean(axis=0), "var": images.var(axis=2).mean(axis=0) * share}
        for name, running in (("mean", running_mean), ("var", running_var)):
            if running is not None:
                place = plain(running)
                place[...] = (1 - momentum) * place + momentum * found[name]
        return results["output"]

    if running_mean is not None or running_var is not None:
        call.finish = update
    return call


def _affine(
    name: str, switch: str, input: Any, weight: Any, bias: Any, shape: list[int], arguments: dict[str, Any]
) -> _Call:
    """A normalisation, whose weight is all ones and whose bias is all zeros if only the other one is given."""
    given = {"weight": weight, "bias": bias}
    if weight is None and bias is None:
        return _Call(name, {"input": input}, {**arguments, switch: False})
    filled = {
        "weight": np.ones(shape, np.float32) if weight is None else weight,
        "bias": np.zeros(shape, np.float32) if bias is None else bias,
    }
    call = _Call(name, {"input": input, **filled}, {**arguments, switch: True})
    missing = [key for key, value in given.items() if value is None]
    # Without the gradients of arrays that the caller did not give.
    call.after = lambda grads: {key: grad for key, grad in grads.items() if key not in missing}
    return call


@_operator
def local_response_norm(
    input: FloatArray, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> _Call:
    """`input / (k + alpha * mean of squares of size channels around) ** beta` for `input` `[N, C, ...]`.

    >>> local_response_norm(np.array([[[[2.0]]]], dtype=np.float32), 1, alpha=1.0, beta=1.0, k=0.0)
    array([[[[0.5]]]], dtype=float32)
    """
    return _Call("local_response_norm", {"input": input}, {"size": size, "alpha": alpha, "beta": beta, "k": k})


# Activation


@_operator
def relu(input: FloatArray, inplace: bool = False) -> _Call:
    """`max(0, x)` for each value.

    >>> relu(np.array([-1, 2], dtype=np.float32))
    array([0., 2.], dtype=float32)
    """
    return _Call("relu", {"input": input}).in_place_of(input, inplace)


@_operator
def relu6(input: FloatArray, inplace: bool = False) -> _Call:
    """`min(max(0, x), 6)` for each value.

    >>> relu6(np.array([-1, 2, 7], dtype=np.float32))
    array([0., 2., 6.], dtype=float32)
    """
    return _Call("relu6", {"input": input}).value_by_value().in_place_of(input, inplace)


@_operator
def leaky_relu(input: FloatArray, negative_slope: float = 0.01, inplace: bool = False) -> _Call:
    """`x` where it is positive, otherwise `negative_slope * x`.

    >>> leaky_relu(np.array([-1, 2], dtype=np.float32), 0.5)
    array([-0.5,  2. ], dtype=float32)
    """
    return _Call("leaky_relu", {"input": input}, {"negative_slope": negative_slope}).value_by_value().in_place_of(input, inplace)


@_operator
def prelu(input: FloatArray, weight: FloatArray) -> _Call:
    """`x` where it is positive, otherwise `weight * x`; one weight, or one for each channel of `input` `[N, C, ...]`.

    >>> prelu(np.array([[-1, -1]], dtype=np.float32), np.array([0.5, 0.25], dtype=np.float32))
    array([[-0.5 , -0.25]], dtype=float32)
    """
    return _Call("prelu", {"input": input, "weight": weight}, {"num_parameters": int(plain(weight).size)}).with_axes(2)


@_operator
def elu(input: FloatArray, alpha: float = 1.0, inplace: bool = False) -> _Call:
    """`x` where it is positive, otherwise `alpha * (exp(x) - 1)`.

    >>> elu(np.array([0, 2], dtype=np.float32))
    array([0., 2.], dtype=float32)
    """
    return _Call("elu", {"input": input}, {"alpha": alpha}).value_by_value().in_place_of(input, inplace)


@_operator
def silu(input: FloatArray, inplace: bool = False) -> _Call:
    """`x * sigmoid(x)` for each value.

    >>> silu(np.array([0, 50], dtype=np.float32))
    array([ 0., 50.], dtype=float32)
    """
    return _Call("silu", {"input": input}).value_by_value().in_place_of(input, inplace)


@_operator
def gelu(input: FloatArray, approximate: str = "none") -> _Call:
    """`x * Phi(x)` with the normal distribution's `Phi`, or its approximation by a hyperbolic tangent (`tanh`).

    >>> gelu(np.array([0, 50], dtype=np.float32))
    array([ 0., 50.], dtype=float32)
    """
    return _Call("gelu", {"input": input}, {"approximate": approximate}).value_by_value()


@_operator
def mish(input: FloatArray, inplace: bool = False) -> _Call:
    """`x * tanh(softplus(x))` for each value.

    >>> mish(np.array([0, 50], dtype=np.float32))
    array([ 0., 50.], dtype=float32)
    """
    return _Call("mish", {"input": input}).value_by_value().in_place_of(input, inplace)


@_operator
def hardswish(input: FloatArray, inplace: bool = False) -> _Call:
    """`x * relu6(x + 3) / 6` for each value.

    >>> hardswish(np.array([-4, 3], dtype=np.float32))
    array([-0.,  3.], dtype=float32)
    """
    return _Call("hardswish", {"input": input}).value_by_value().in_place_of(input, inplace)


@_operator
def hardsigmoid(input: FloatArray, inplace: bool = False) -> _Call:
    """`relu6(x + 3) / 6` for each value.

    >>> hardsigmoid(np.array([-4, 0, 3], dtype=np.float32))
    array([0. , 0.5, 1. ], dtype=float32)
    """
    return _Call("hardsigmoid", {"input": input}).value_by_value().in_place_of(input, inplace)


@_operator
def hardtanh(input: FloatArray, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> _Call:
    """`x` between `min_val` and `max_val`, otherwise the nearer of both.

    >>> hardtanh(np.array([-4, 0.5], dtype=np.float32))
    array([-1. ,  0.5], dtype=float32)
    """
    return _Call("hardtanh", {"input": input}, {"min_val": min_val, "max_val": max_val}).value_by_value().in_place_of(input, inplace)


@_operator
def softplus(input: FloatArray, beta: float = 1.0, threshold: float = 20.0) -> _Call:
    """`log(1 + exp(beta * x)) / beta`, and `x` where `beta * x` is above `threshold`.

    >>> softplus(np.array([0, 30], dtype=np.float32)).round(4)
    array([ 0.6931, 30.    ], dtype=float32)
    """
    return _Call("softplus", {"input": input}, {"beta": beta, "threshold": threshold}).value_by_value()


@_operator
def sigmoid(input: FloatArray) -> _Call:
    """`1 / (1 + exp(-x))` for each value.

    >>> sigmoid(np.array([0], dtype=np.float32))
    array([0.5], dtype=float32)
    """
    return _Call("sigmoid", {"input": input})


@_operator
def tanh(input: FloatArray) -> _Call:
    """The hyperbolic tangent of each value.

    >>> tanh(np.array([0, 50], dtype=np.float32))
    array([0., 1.], dtype=float32)
    """
    return _Call("tanh", {"input": input}).value_by_value()


@_operator
def softmax(input: FloatArray, dim: int) -> _Call:
    """`exp(x) / sum of exp(x)` along an axis.

    >>> softmax(np.array([[0, 0]], dtype=np.float32), -1)
    array([[0.5, 0.5]], dtype=float32)
    """
    return _Call("softmax", {"input": input}, {"dim": dim})


@_operator
def log_softmax(input: FloatArray, dim: int) -> _Call:
    """The logarithm of `softmax`, without its loss of precision.

    >>> log_softmax(np.array([[0, 0]], dtype=np.float32), -1).round(4)
    array([[-0.6931, -0.6931]], dtype=float32)
    """
    return _Call("log_softmax", {"input": input}, {"dim": dim})


# At random


@_operator
def dropout(
    input: FloatArray, p: float = 0.5, training: bool = True, inplace: bool = False, *, seed: int = 0
) -> _Call:
    """Sets values to zero with probability `p` and divides the others by `1 - p`.

    The same `seed` drops the same values, so the backward pass needs the seed of the forward pass. PyTorch drops others.

    >>> bool(np.isin(dropout(np.ones((4, 5), dtype=np.float32), 0.75, seed=3), [0, 4]).all())
    True
    """
    return _Call("dropout", {"input": input}, {"p": p, "training": training}, seed=seed).in_place_of(input, inplace)


@_operator
def dropout2d(
    input: FloatArray, p: float = 0.5, training: bool = True, inplace: bool = False, *, seed: int = 0
) -> _Call:
    """Sets whole channels of `input` `[N, C, H, W]` to zero with probability `p`, as `dropout` does values.

    >>> dropout2d(np.ones((1, 2, 1, 1), dtype=np.float32), training=False).ravel()
    array([1., 1.], dtype=float32)
    """
    return _Call("dropout2d", {"input": input}, {"p": p}, training, seed).with_axes(4).in_place_of(input, inplace)


@_operator
def stochastic_depth(
    input: FloatArray, p: float, mode: str, training: bool = True, *, seed: int = 0
) -> _Call:
    """Sets whole images (`mode` `row`) or all of them (`batch`) to zero, as `torchvision.ops.stochastic_depth`.

    >>> stochastic_depth(np.ones((2, 1), dtype=np.float32), 0.5, "row", training=False).ravel()
    array([1., 1.], dtype=float32)
    """
    return _Call("stochastic_depth", {"input": input}, {"p": p, "mode": mode}, training, seed)


# Losses


@_operator
def cross_entropy(
    input: FloatArray,
    target: Any,
    weight: Optional[FloatArray] = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> _Call:
    """The cross-entropy of logits `input` `[N, C]` or `[N, C, ...]` and `target`.

    `target` has classes, whole numbers `[N]` or `[N, ...]`, or probabilities in the shape of `input`. `reduction` is
    `mean`, `sum` or `none`.

    >>> round(float(cross_entropy(np.array([[0, 0]], dtype=np.float32), np.array([1]))), 4)
    0.6931
    """
    call = _Call(
        "cross_entropy",
        {"input": input, "weight": weight},
        {"ignore_index": ignore_index, "reduction": reduction, "label_smoothing": label_smoothing},
    )
    array = plain(target)
    of_type = floats if array.dtype.kind == "f" else integers
    call.tensors["target"] = of_type("cross_entropy", "target", array)
    return _as_number(call)


@_operator
def mse_loss(input: FloatArray, target: FloatArray, *, reduction: str = "mean") -> _Call:
    """The mean of `(input - target) ** 2`; `reduction` is `mean`, `sum` or `none`.

    >>> float(mse_loss(np.array([1, 2], dtype=np.float32), np.array([1, 4], dtype=np.float32)))
    2.0
    """
    return _as_number(_Call("mse_loss", {"input": input, "target": target}, {"reduction": reduction}))


def _as_number(call: _Call) -> _Call:
    """With an output that is a number instead of an array without axes."""
    call.out = lambda output: output[()]
    return call


def _axis(name: str, dim: int, axes: int, argument: str = "dim") -> int:
    """An axis counted from the front."""
    if not -axes <= dim < axes:
        raise ValueError(f"{name}: {argument} is {dim}, an input of {axes} axes takes {-axes} to {axes - 1}")
    return dim % axes if axes else 0

"""The operators: PyTorch's recorded answers, NumPy's arithmetic, any layout in memory, errors with numbers."""

import doctest
import inspect

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from convscope import _convscope, ops
from recorded import Case, cases

OPERATORS = _convscope.operators()


def test_every_operator_has_a_function_and_a_backward_pass() -> None:
    expected = {name for operator in OPERATORS for name in (operator, f"{operator}_backward")}
    assert set(ops.__all__) == expected
    for name in ops.__all__:
        assert inspect.signature(getattr(ops, name)).parameters, name
        assert inspect.getdoc(getattr(ops, name)), name


def test_the_examples_in_the_documentation_run() -> None:
    found = doctest.testmod(ops)
    assert found.failed == 0 and found.attempted > len(OPERATORS)


def call(case: Case) -> tuple[list, dict]:
    """The case's arguments for the function: those of layers that follow from the arrays are left out."""
    tensors = {name: array for name, array in case.tensors.items() if "expect." not in name and name != "grad_output"}
    arguments = {
        name: value
        for name, value in case.arguments.items()
        if name not in ("elementwise_affine", "affine", "bias", "num_parameters", "data_format")
    }
    if case.operator == "concat":
        return [[tensors["input"], tensors["other"]]], arguments or {"dim": 1}
    if case.operator == "reshape":
        arguments["shape"] = [len(tensors["input"]), *arguments["shape"]]
    if case.operator == "batch_norm":
        tensors.setdefault("running_mean", None)
        tensors.setdefault("running_var", None)
        if arguments.get("momentum", 0.1) is None:
            arguments["momentum"] = 1 / (int(tensors["num_batches_tracked"]) + 1)
        tensors.pop("num_batches_tracked", None)
    if case.operator in ("dropout2d", "stochastic_depth"):
        arguments["training"] = False
    for name in ("running_mean", "running_var"):
        if tensors.get(name) is not None:
            tensors[name] = tensors[name].copy()
    return [], {**tensors, **arguments}


@pytest.mark.parametrize("operator", OPERATORS)
def test_pytorchs_recorded_answers(operator: str) -> None:
    seen = 0
    for case in cases(operator):
        # The layer for channels first has no function in PyTorch.
        if case.arguments.get("data_format", "channels_last") != "channels_last":
            continue
        positional, named = call(case)
        output = getattr(ops, operator)(*positional, **named)
        compare(case, "expect.output", output)
        for name in ("running_mean", "running_var"):
            if f"expect.{name}" in case.tensors:
                compare(case, f"expect.{name}", named[name])
        if "grad_output" in case.tensors:
            positional, named = call(case)
            grads = getattr(ops, f"{operator}_backward")(case.tensors["grad_output"], *positional, **named)
            names = [name for name in case.tensors if name.startswith("expect.grad.")]
            assert names, case.name
            numbered = {"input": "0", "other": "1"} if operator == "concat" else {}
            for name in names:
                key = name.removeprefix("expect.grad.")
                compare(case, name, grads[numbered.get(key, key)])
        seen += 1
    assert seen >= 15, seen


def compare(case: Case, name: str, found: np.ndarray) -> None:
    expected = case.tensors[name]
    found = np.asarray(found)
    assert found.shape == expected.shape, (case.name, name)
    if expected.dtype == np.int64:
        assert (found == expected).all(), (case.name, name)
        return
    finite = np.isfinite(expected)
    assert (np.isfinite(found) == finite).all(), (case.name, name)
    largest = max(1.0, float(np.abs(expected[finite]).max(initial=0.0)))
    error = float(np.abs(found[finite] - expected[finite]).max(initial=0.0))
    assert error <= case.tolerance * largest, (case.name, name, error)


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def test_convolution_is_a_sum_of_products() -> None:
    x, w, b = random(2, 4, 9, 7), random(6, 2, 3, 2, seed=1), random(6, seed=2)
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (1, 1)))
    windows = sliding_window_view(padded, (3, 2), (2, 3))[:, :, ::2, ::1]
    halves = [
        np.einsum("ncyxrs,ocrs->noyx", windows[:, 2 * g : 2 * g + 2].astype(np.float64), w[3 * g : 3 * g + 3])
        for g in (0, 1)
    ]
    expected = np.concatenate(halves, axis=1) + b[:, None, None]
    np.testing.assert_allclose(ops.conv2d(x, w, b, (2, 1), (2, 1), groups=2), expected, rtol=0, atol=1e-5)


def test_pooling_and_softmax_and_matrix_products() -> None:
    x = random(2, 3, 6, 9)
    windows = x.reshape(2, 3, 3, 2, 3, 3)
    np.testing.assert_array_equal(ops.max_pool2d(x, (2, 3)), windows.max(axis=(3, 5)))
    np.testing.assert_allclose(ops.avg_pool2d(x, (2, 3)), windows.mean(axis=(3, 5)), atol=1e-6)
    powers = np.exp(x.astype(np.float64))
    np.testing.assert_allclose(ops.softmax(x, 2), powers / powers.sum(axis=2, keepdims=True), atol=1e-6)
    a, b = random(2, 4, 5), random(2, 5, 3, seed=1)
    np.testing.assert_allclose(ops.matmul(a, b), a @ b, atol=1e-5)
    np.testing.assert_allclose(ops.mean(x, (0, -1), keepdim=True), x.mean(axis=(0, 3), keepdims=True), atol=1e-6)


def test_a_gradient_is_the_slope() -> None:
    x, w, d = random(1, 3, 5, 6), random(4, 3, 3, 3, seed=1), random(1, 4, 5, 6, seed=2)
    grads = ops.conv2d_backward(d, x, w, padding=1)
    assert list(ops.conv2d_backward(d, x, w, np.zeros(4, np.float32), padding=1)) == ["input", "weight", "bias"]
    for name, array in (("input", x), ("weight", w)):
        change = random(*array.shape, seed=5)
        step = 1e-2
        moved = {"input": x, "weight": w}
        ends = []
        for sign in (1, -1):
            moved[name] = array + np.float32(sign * step) * change
            ends.append(float((ops.conv2d(moved["input"], moved["weight"], padding=1).astype(np.float64) * d).sum()))
        slope = (ends[0] - ends[1]) / (2 * step)
        assert slope == pytest.approx(float((grads[name].astype(np.float64) * change).sum()), rel=1e-3)


def layouts(array: np.ndarray) -> dict[str, np.ndarray]:
    """The same values, in memory in every other way."""
    padded = np.zeros(tuple(2 * axis for axis in array.shape), np.float32)
    every_other = padded[tuple(slice(None, None, 2) for _ in array.shape)]
    every_other[...] = array
    backwards = np.ascontiguousarray(array[..., ::-1])[..., ::-1]
    bytes_ = np.zeros(array.nbytes + 1, np.uint8)
    unaligned = bytes_[1:].view(np.float32).reshape(array.shape)
    unaligned[...] = array
    frozen = array.copy()
    frozen.flags.writeable = False
    assert not unaligned.flags.aligned and backwards.strides[-1] < 0
    last = np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)
    return {
        "fortran": np.asfortranarray(array),
        "channels last": last,
        "every other": every_other,
        "backwards": backwards,
        "unaligned": unaligned,
        "read-only": frozen,
        "big-endian": array.astype(">f4"),
        "repeated": np.broadcast_to(array, (1, *array.shape))[0],
    }


def test_any_layout_gives_the_same_bits() -> None:
    x, w = random(2, 3, 7, 6), random(5, 3, 3, 2, seed=1)
    d = random(2, 5, 5, 5, seed=2)
    expected, grads = ops.conv2d(x, w), ops.conv2d_backward(d, x, w)
    rows = ops.softmax(x, 1)
    xs, ws, ds = layouts(x), layouts(w), layouts(d)
    for name in xs:
        np.testing.assert_array_equal(ops.conv2d(xs[name], ws[name]), expected, name)
        np.testing.assert_array_equal(ops.softmax(xs[name], 1), rows, name)
        found = ops.conv2d_backward(ds[name], xs[name], ws[name])
        for key in grads:
            np.testing.assert_array_equal(found[key], grads[key], name)


def test_repeated_values_share_memory() -> None:
    x = np.broadcast_to(np.float32(2.0), (1, 1, 4, 4))
    np.testing.assert_array_equal(ops.relu(x), np.full((1, 1, 4, 4), 2.0))


@pytest.mark.parametrize(
    ("error", "text", "run"),
    [
        (TypeError, "input has dtype float64, must be float32", lambda x, w: ops.relu(x.astype(np.float64))),
        (TypeError, "weight has dtype int64", lambda x, w: ops.conv2d(x, np.zeros((1, 3, 2, 2), np.int64))),
        (TypeError, "input has dtype object", lambda x, w: ops.relu(None or object())),
        (TypeError, "target has dtype bool", lambda x, w: ops.cross_entropy(x[0, 0], np.zeros(7, bool))),
        (TypeError, "strides", lambda x, w: ops.conv2d(x, w, strides=2)),
        (ValueError, "input has 3 channels", lambda x, w: ops.conv2d(x, np.zeros((4, 2, 3, 3), np.float32))),
        (ValueError, r"stride is \[0, 1\]", lambda x, w: ops.conv2d(x, w, stride=(0, 1))),
        (ValueError, r"\[9, 9\].*\[7, 6\]", lambda x, w: ops.max_pool2d(x, 9)),
        (ValueError, "weight has 5 output channels, bias has 4", lambda x, w: ops.conv2d(x, w, np.zeros(4, np.float32))),
        (ValueError, r"\[2, 5, 5, 5\], its gradient \[2, 5, 5, 6\]", lambda x, w: ops.conv2d_backward(random(2, 5, 5, 6), x, w)),
        (ValueError, "dim is 4", lambda x, w: ops.softmax(x, 4)),
        (ValueError, "NaN is not finite", lambda x, w: ops.leaky_relu(x, float("nan"))),
        (ValueError, r"\[2, 3, 7, 6\] and \[2, 3, 7, 5\] differ beside axis 1", lambda x, w: ops.concat([x, x[..., :5]], 1)),
        (ValueError, r"\[2, 7, 3\] and \[4, 3, 2\] do not fit", lambda x, w: ops.matmul(random(2, 7, 3), random(4, 3, 2))),
        (ValueError, "antialias is True", lambda x, w: ops.interpolate(x, 3, antialias=True)),
        (ValueError, "running_mean and running_var are needed", lambda x, w: ops.instance_norm(x, use_input_stats=False)),
        (ValueError, "p is 1.5", lambda x, w: ops.dropout(x, 1.5)),
    ],
)
def test_errors_have_the_numbers(error, text, run) -> None:
    with pytest.raises(error, match=text):
        run(random(2, 3, 7, 6), random(5, 3, 3, 2, seed=1))


def test_inputs_stay_as_they_are() -> None:
    x, w = random(2, 3, 7, 6), random(5, 3, 3, 2, seed=1)
    before = x.copy(), w.copy()
    ops.conv2d(x, w)
    ops.conv2d_backward(random(2, 5, 5, 5), x, w)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(w, before[1])


def test_the_memory_of_a_copy_is_used_again_without_a_trace() -> None:
    large, small = random(4, 32, 40, 40), random(2, 32, 40, 40, seed=1)
    for x in (large, small, large[:, :, ::-1], small):
        np.testing.assert_array_equal(ops.relu(x), np.maximum(x, 0))
    output = ops.relu(large)
    ops.relu(small)
    np.testing.assert_array_equal(output, np.maximum(large, 0))


def test_the_output_may_replace_the_input() -> None:
    x = random(2, 3, 7, 6)
    kept, view = x.copy(), x.transpose(0, 2, 3, 1)
    assert ops.relu(view, inplace=True) is view
    np.testing.assert_array_equal(x, ops.relu(kept))
    assert ops.dropout(x, training=False, inplace=True) is x
    frozen = np.zeros(3, np.float32)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        ops.silu(frozen, inplace=True)


def test_running_statistics_change_in_place() -> None:
    x, mean, var = random(8, 3, 2, 2), np.zeros(3, np.float32), np.ones(3, np.float32)
    ops.batch_norm(x, mean, var, training=False)
    assert not mean.any()
    ops.batch_norm(x, mean, var, training=True, momentum=1.0)
    np.testing.assert_allclose(mean, x.mean(axis=(0, 2, 3)), atol=1e-6)
    np.testing.assert_allclose(var, x.var(axis=(0, 2, 3), ddof=1), atol=1e-5)
    frozen = np.zeros(3, np.float32)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        ops.batch_norm(x, frozen, var, training=True)


def test_the_seed_decides_what_is_dropped() -> None:
    x = np.ones((4, 3, 5, 5), np.float32)
    kept = ops.dropout(x, 0.5, seed=1)
    np.testing.assert_array_equal(kept, ops.dropout(x, 0.5, seed=1))
    np.testing.assert_array_equal(kept, ops.dropout_backward(x, x, 0.5, seed=1)["input"])
    assert (kept != ops.dropout(x, 0.5, seed=2)).any()
    channels = ops.dropout2d(x, 0.5, seed=1)
    assert set(np.unique(channels)) == {0.0, 2.0} and (channels == channels[:, :, :1, :1]).all()
    np.testing.assert_array_equal(channels, ops.dropout2d_backward(x, x, 0.5, seed=1)["input"])
    images = ops.stochastic_depth(x, 0.5, "row", seed=3)
    assert set(np.unique(images)) == {0.0, 2.0} and (images == images[:, :1, :1, :1]).all()


def test_axes_that_layers_leave_alone_may_change() -> None:
    x = random(2, 3, 4)
    np.testing.assert_array_equal(ops.permute(x, (2, 0, 1)), x.transpose(2, 0, 1))
    np.testing.assert_array_equal(ops.reshape(x, (4, -1)), x.reshape(4, -1))
    np.testing.assert_array_equal(ops.slice(x, 0, 1), x[1:])
    np.testing.assert_array_equal(ops.concat([x, x, x[:1]]), np.concatenate([x, x, x[:1]]))
    grads = ops.concat_backward(np.concatenate([x, 2 * x, 3 * x[:1]]), [x, x, x[:1]])
    np.testing.assert_array_equal(grads["1"], 2 * x)
    np.testing.assert_array_equal(grads["2"], 3 * x[:1])
    np.testing.assert_array_equal(ops.add(x, x[0, 0]), x + x[0, 0])
    assert ops.mul_backward(x, x, x[0, 0])["other"].shape == (4,)
    np.testing.assert_allclose(ops.mean(x), x.mean(), atol=1e-6)
    assert ops.relu(np.float32(-1.0)).shape == () == ops.silu(np.float32(-1.0)).shape

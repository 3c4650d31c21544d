"""PyTorch on this machine: tensors as arrays, exports that it loads, modules to look inside."""

import inspect

import numpy as np
import pytest

import convscope
from conftest import stripes
from convscope import ops

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
F = torch.nn.functional


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


#: What PyTorch deprecates, types of results, and what python/README.md names.
LEFT_OUT = {"dtype", "_stacklevel", "size_average", "reduce"}
ALSO = {"mse_loss": {"weight"}}


@pytest.mark.parametrize("name", [name for name in ops.__all__ if not name.endswith("_backward")])
def test_arguments_and_defaults_are_pytorchs(name) -> None:
    theirs = getattr(F, name, None)
    try:
        theirs = inspect.signature(getattr(theirs, "__wrapped__", theirs)).parameters
    except (TypeError, ValueError):
        pytest.skip("PyTorch gives no signature")
    ours = inspect.signature(getattr(ops, name)).parameters
    if list(theirs) == ["args", "kwargs"]:
        pytest.skip("PyTorch dispatches by a flag")
    wanted = [key for key in theirs if key not in LEFT_OUT | ALSO.get(name, set())]
    positional = [key for key in ours if ours[key].kind is not inspect.Parameter.KEYWORD_ONLY]
    assert [key for key in positional if key in wanted] == [key for key in wanted if key in positional]
    for key in wanted:
        assert key in ours, key
        # A softmax without an axis is deprecated.
        if not (key == "dim" and name.endswith("softmax")):
            assert ours[key].default == theirs[key].default, key


def both(name, arrays, theirs, **arguments) -> None:
    """Compares output and gradients."""
    tensors = [torch.from_numpy(array).requires_grad_() for array in arrays]
    expected = theirs(*tensors, **arguments)
    d_output = random(*expected.shape, seed=9)
    expected.backward(torch.from_numpy(d_output))
    np.testing.assert_allclose(getattr(ops, name)(*arrays, **arguments), expected.detach(), atol=1e-5)
    grads = getattr(ops, f"{name}_backward")(d_output, *arrays, **arguments)
    for grad, tensor in zip(grads.values(), tensors, strict=True):
        np.testing.assert_allclose(grad, tensor.grad, atol=1e-5)


@pytest.mark.parametrize(
    ("left", "right"),
    [((4, 5), (5, 3)), ((2, 4, 5), (5, 3)), ((2, 1, 4, 5), (3, 5, 2)), ((5,), (5,)), ((5,), (2, 5, 3)), ((2, 4, 5), (5,))],
)
def test_matrix_products_repeat_the_first_axes(left, right) -> None:
    both("matmul", [random(*left), random(*right, seed=1)], torch.matmul)


def test_sums_take_factors_and_numbers() -> None:
    both("add", [random(2, 3, 4), random(1, 4, seed=1)], torch.add, alpha=-0.5)
    x = random(2, 3)
    np.testing.assert_array_equal(ops.add(x, 2, alpha=3), torch.add(torch.from_numpy(x), 2, alpha=3))
    np.testing.assert_array_equal(ops.mul(x, 0.1), torch.from_numpy(x) * 0.1)


def test_positions_of_the_largest_values() -> None:
    x = random(2, 3, 7, 5)
    for size in (1, 3, (4, None), (2, 5)):
        ours = ops.adaptive_max_pool2d(x, size, return_indices=True)
        theirs = F.adaptive_max_pool2d(torch.from_numpy(x), size, return_indices=True)
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a, b)


def test_instance_norm_keeps_running_statistics() -> None:
    x, weight, bias = random(4, 3, 5, 6), random(3, seed=1), random(3, seed=2)
    ours, theirs = [np.zeros(3, np.float32), np.ones(3, np.float32)], [torch.zeros(3), torch.ones(3)]
    w, b = torch.from_numpy(weight), torch.from_numpy(bias)
    for use in (True, True, False):
        expected = F.instance_norm(torch.from_numpy(x), *theirs, w, b, use, 0.3)
        np.testing.assert_allclose(ops.instance_norm(x, *ours, weight, bias, use, 0.3), expected, atol=1e-5)
        for a, c in zip(ours, theirs):
            np.testing.assert_allclose(a, c, atol=1e-6)


def test_positions_follow_from_sizes_on_request() -> None:
    x = random(1, 2, 5, 7)
    for recompute in (None, True):
        arguments = {"scale_factor": 1.7, "mode": "bilinear", "recompute_scale_factor": recompute}
        both("interpolate", [x], F.interpolate, **arguments)


def test_tensors_are_taken() -> None:
    x, w = torch.from_numpy(random(2, 3, 8, 8)).requires_grad_(), torch.from_numpy(random(4, 3, 3, 3, seed=1))
    expected = F.conv2d(x, w, padding=1).detach().numpy()
    np.testing.assert_allclose(ops.conv2d(x, w, padding=1), expected, atol=1e-5)
    last = x.detach().to(memory_format=torch.channels_last)
    np.testing.assert_array_equal(ops.conv2d(last, w), ops.conv2d(x, w))
    with pytest.raises(TypeError, match="float64"):
        ops.relu(x.double())


def test_running_statistics_of_tensors_change_in_place() -> None:
    x, ours, theirs = torch.from_numpy(random(4, 3, 5, 5)), [torch.zeros(3), torch.ones(3)], [torch.zeros(3), torch.ones(3)]
    expected = F.batch_norm(x, *theirs, training=True)
    np.testing.assert_allclose(ops.batch_norm(x, *ours, training=True), expected, atol=1e-5)
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_state_dict_is_loaded(run) -> None:
    state = {key: torch.from_numpy(array) for key, array in run.state_dict().items()}
    norm = torch.nn.BatchNorm2d(8)
    norm.load_state_dict({key.split(".")[1]: value for key, value in state.items() if key.startswith("batch_norm")})
    images = stripes(3)[0]
    first = torch.from_numpy(run.activations(images, "conv2d"))
    with torch.no_grad():
        np.testing.assert_allclose(norm.eval()(first), run.activations(images, "batch_normalization"), atol=1e-5)


class Small(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 4, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(4)
        self.dense = torch.nn.Linear(4, 2)

    def forward(self, x):
        return self.dense(torch.relu(self.norm(self.conv(x))).mean((2, 3)))


def test_a_module_is_looked_into() -> None:
    pytest.importorskip("onnx")
    torch.manual_seed(1)
    module = Small()
    module.norm.running_mean += 0.25
    images, labels = random(9, 1, 12, 12), np.arange(9) % 2
    look = convscope.inspect(module, images, labels, classes=["a", "b"])
    assert module.training, "left as it was"
    assert look.classes == ["a", "b"] and "batch_normalization" in look.layers["type"]
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(images)).softmax(1)
    np.testing.assert_allclose(look.predict(images).probabilities, expected, atol=1e-5)
    assert look.name == "small" and look.accuracy == pytest.approx(float((expected.argmax(1).numpy() == labels).mean()))
    assert look.grad_cam(images[0], "b").class_name == "b"
    with pytest.raises(TypeError, match="torch.nn.Module"):
        convscope.inspect(object(), images)

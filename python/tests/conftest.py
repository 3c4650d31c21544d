"""Images that are quick to learn, and a run that has learned them."""

import numpy as np
import pytest

import convscope

Data = tuple[np.ndarray, np.ndarray]


def stripes(count: int, size: int = 12, seed: int = 0) -> Data:
    """Images `[N, 1, size, size]` of bytes with stripes along rows or columns, in classes 0 and 1."""
    random = np.random.default_rng(seed)
    rows = np.arange(size) % 2 * 200
    both = [np.broadcast_to(rows[:, None], (size, size)), np.broadcast_to(rows, (size, size))]
    labels = np.arange(count) % 2
    noise = random.integers(0, 50, (count, 1, size, size))
    return (np.stack([both[label] for label in labels])[:, None] + noise).astype(np.uint8), labels


NETWORK = [
    {"op": "conv2d", "out_channels": 8, "kernel_size": 3, "padding": "same", "activation": "relu"},
    {"op": "batch_norm"},
    {"op": "conv2d", "out_channels": 6, "kernel_size": 3, "activation": "relu"},
    {"op": "adaptive_avg_pool2d", "output_size": 2},
    "flatten",
    {"op": "linear", "out_features": "classes"},
]


@pytest.fixture(scope="session")
def data() -> Data:
    return stripes(80)


@pytest.fixture(scope="session")
def run(data: Data) -> convscope.Run:
    splits = {"train": data, "val": stripes(20, seed=1), "test": stripes(30, seed=2)}
    return convscope.train(
        splits, NETWORK, epochs=6, batch_size=16, lr=0.02, classes=["rows", "columns"], progress=False
    )

"""A convolution, its gradients, and a check of them by small steps."""

import numpy as np

from convscope import ops


def main() -> None:
    random = np.random.default_rng(1)
    x = random.standard_normal((1, 2, 5, 5), dtype=np.float32)
    weight = random.standard_normal((3, 2, 3, 3), dtype=np.float32)
    output = ops.conv2d(x, weight, padding="same")
    grads = ops.conv2d_backward(np.ones_like(output), x, weight, padding="same")
    moved = weight.copy()
    moved[0, 0, 0, 0] += 0.01
    slope = (ops.conv2d(x, moved, padding="same").sum() - output.sum()) / 0.01
    print(f"gradient {grads['weight'][0, 0, 0, 0]:.3f}, by a small step {slope:.3f}")
    pooled, places = ops.max_pool2d(output, 2, return_indices=True)
    print(pooled.shape, places.dtype)


if __name__ == "__main__":
    main()

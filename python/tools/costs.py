"""Measures what a call from Python and the import of the package cost.

    python tools/costs.py
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from convscope import ops


def seconds(work: Callable[[], object], count: int, rounds: int = 9) -> float:
    """The time of one call: the smallest mean of some rounds."""
    means = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(count):
            work()
        means.append((time.perf_counter() - start) / count)
    return min(means)


def import_seconds(code: str) -> float:
    """The time of a fresh interpreter that runs this."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


def main() -> None:
    """Prints a line for each."""
    both = [(import_seconds("import numpy"), import_seconds("import numpy, convscope")) for _ in range(15)]
    alone = statistics.median(alone for alone, _ in both)
    more = statistics.median(more - alone for alone, more in both)
    print(f"import numpy                    {alone * 1e3:8.1f} ms")
    print(f"import convscope after it       {more * 1e3:8.1f} ms")
    x, w = np.ones((1, 1, 4, 4), np.float32), np.ones((1, 1, 3, 3), np.float32)
    print(f"ops.relu, 16 values             {seconds(lambda: ops.relu(x), 20000) * 1e6:8.1f} us")
    print(f"ops.conv2d, [1, 1, 4, 4]        {seconds(lambda: ops.conv2d(x, w), 20000) * 1e6:8.1f} us")
    x, w = np.ones((32, 64, 56, 56), np.float32), np.ones((64, 64, 3, 3), np.float32)
    print(f"ops.conv2d, [32, 64, 56, 56]    {seconds(lambda: ops.conv2d(x, w, padding=1), 1) * 1e3:8.1f} ms")
    copies = statistics.median(seconds(x.copy, 1) for _ in range(3))
    print(f"a copy of its input             {copies * 1e3:8.1f} ms")


if __name__ == "__main__":
    main()

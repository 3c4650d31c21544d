"""A forked child has none of its parent's threads: it must neither hang nor give other results."""

import multiprocessing
import os
import signal
import sys

import numpy as np
import pytest

import convscope
from conftest import NETWORK, stripes
from convscope import ops

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def in_a_child(work) -> str:
    """What `work` returns in a forked process, which is killed after a minute."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        try:
            os.write(writer, work().encode())
            os._exit(0)
        except BaseException as error:
            os.write(writer, repr(error).encode())
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader) as file:
        text = file.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, (status, text)
    return text


def digest(arrays) -> str:
    return " ".join(str(float(np.asarray(array, np.float64).sum())) for array in arrays)


def test_a_child_predicts_looks_inside_and_trains(run, data) -> None:
    images = data[0][:6]
    maps = run.feature_maps(images[0])
    x, w = np.ones((4, 8, 40, 40), np.float32), np.ones((8, 8, 3, 3), np.float32)

    def work() -> str:
        again = convscope.train(stripes(80), NETWORK, epochs=1, progress=False)
        return digest([run.predict(images).probabilities, *run.feature_maps(images[0]).values(), ops.conv2d(x, w), *again.state_dict().values()])

    trained = convscope.train(stripes(80), NETWORK, epochs=1, progress=False)
    expected = digest([run.predict(images).probabilities, *maps.values(), ops.conv2d(x, w), *trained.state_dict().values()])
    assert in_a_child(work) == expected


def test_a_child_of_a_callback(data, run) -> None:
    found = []

    def callback(metrics) -> None:
        found.append(in_a_child(lambda: run.predict(data[0][:2]).names[0]))

    convscope.train(data, NETWORK, epochs=1, callbacks=[callback], progress=False)
    assert found == ["rows"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_pool_of_processes(method) -> None:
    if method == "fork" and sys.platform == "darwin":
        pytest.skip("macOS forks nothing safely")
    with multiprocessing.get_context(method).Pool(2) as pool:
        rows = [np.array([[0, value]], np.float32) for value in (1, 2)]
        found = pool.starmap_async(ops.softmax, [(row, 1) for row in rows]).get(timeout=60)
    np.testing.assert_array_equal(found, [ops.softmax(row, 1) for row in rows])

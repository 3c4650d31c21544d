"""Trains convolutional networks on images and shows what happens inside them.

>>> import convscope, numpy
>>> images = numpy.random.default_rng(1).random((64, 3, 16, 16), dtype=numpy.float32)
>>> run = convscope.train((images, numpy.arange(64) % 2), epochs=2, progress=False)
>>> run.feature_maps(images[0])["conv2d_3"].shape
(32, 8, 8)

- `ops`: the operators on NumPy's arrays, forward and backward, named as in PyTorch;
- `train` trains and returns a `Run`, `load` opens one again, `tune` searches for settings;
- `inspect` looks inside a network of another program;
- `Network` describes a network.
"""

from __future__ import annotations

from . import ops
from ._convscope import VERSION as __version__
from .inspection import Inspection, inspect
from .network import Network
from .results import Evaluation, FeatureMaps, HeatMap, Prediction, Report
from .run import Run, load, train
from .tuning import Tuning, tune

__all__ = [
    "Evaluation",
    "FeatureMaps",
    "HeatMap",
    "Inspection",
    "Network",
    "Prediction",
    "Report",
    "Run",
    "Tuning",
    "__version__",
    "inspect",
    "load",
    "ops",
    "train",
    "tune",
]

"""Training, and what comes out of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Optional, Union

from . import _convscope
from ._data import open_images
from ._progress import Progress
from .inspection import Columns, Inspection
from .network import Layer, Network
from .results import Evaluation, Path

Callback = Callable[[dict[str, Any]], Any]


class Run(Inspection):
    """A training and the network that came out of it. `train` and `load` return one.

    >>> import numpy as np
    >>> from convscope import train
    >>> images = np.random.default_rng(1).random((60, 1, 16, 16), dtype=np.float32)
    >>> images[::2, :, :8] = 0
    >>> run = train((images, np.arange(60) % 2), epochs=2, classes=["half", "full"], progress=False)
    >>> run.metrics["epoch"], len(run.layers["layer"]) == len(set(run.channels["layer"]))
    (array([1, 2]), True)
    >>> int(run.evaluate(split="val").confusion.sum()), run.predict(images[:3]).probabilities.shape
    (12, (3, 2))
    >>> run.activations(images[:5], layer="conv2d_1").shape, run.feature_maps(images[0])["conv2d_1"].shape
    ((5, 16, 16, 16), (16, 16, 16))
    >>> run.grad_cam(images[0], target="full").values.shape, run.saliency(images[0]).values.shape
    ((2, 2), (16, 16))
    >>> run.state_dict()["conv2d.weight"].shape, run.report()._repr_html_()[:15]
    ((16, 1, 3, 3), '<iframe srcdoc=')
    """

    def __init__(
        self,
        model: _convscope.Model,
        images: Optional[_convscope.Images],
        history: _convscope.History,
        path: Optional[str] = None,
    ) -> None:
        super().__init__(model, images)
        self._course = history
        self._takes_unit = model.takes_bytes
        #: The run directory, if there is one.
        self.path = path

    @property
    def metrics(self) -> Columns:
        """A row for each epoch, by columns: losses, accuracies, learning rate, time."""
        return self._course.metrics()

    @property
    def layer_metrics(self) -> Columns:
        """A row for each layer in each epoch, by columns: norms of gradients and weights, and how far steps went."""
        return self._course.layer_metrics()

    @property
    def summary(self) -> Optional[dict[str, Any]]:
        """The figures at the end; none of a run that is not over."""
        return self._course.summary()

    @property
    def ending(self) -> str:
        """`completed`, `stopped_early` or `interrupted`."""
        return self._course.ending

    @property
    def config(self) -> str:
        """All settings, as the text of a configuration file."""
        return self._course.config()

    @property
    def findings(self) -> Columns:
        """What stands out in the network and in the course of its training, by columns."""
        inside = super().findings
        course = _convscope.course_findings(self._course, self._images())
        joined = {}
        for name, column in inside.items():
            joined[name] = [*column, *course[name]]
        return joined

    def evaluate(self, data: Any = None, split: Optional[str] = None) -> Evaluation:
        if data is None and split in (None, "test"):
            known = self._course.evaluation("test")
            if known is not None:
                return Evaluation(**known, classes=self.classes)
        return super().evaluate(data, split)

    evaluate.__doc__ = Inspection.evaluate.__doc__

    def _images(self) -> _convscope.Images:
        if self._own_images is None and self.path is not None:
            if "source = \"arrays\"" in self.config:
                raise ValueError(f"{self.path}: this run was trained on arrays; load it with data=(images, labels)")
            self._own_images = _convscope.Images.of_run(self.path)
        return super()._images()

    def _history(self) -> _convscope.History:
        return self._course

    def __repr__(self) -> str:
        epochs = len(self.metrics["epoch"])
        done = "1 epoch" if epochs == 1 else f"{epochs} epochs"
        figures = self.summary or {}
        name = "" if self._own_images is None else f" on {self._own_images.name}"
        accuracy = next(
            (
                f", {word} accuracy {figures[key]:.2%}"
                for key, word in (("test_accuracy", "test"), ("val_accuracy", "validation"))
                if figures.get(key) is not None
            ),
            "",
        )
        ending = {"completed": "", "stopped_early": "stopped early ", "interrupted": "interrupted "}[self.ending]
        place = f", in {self.path}" if self.path else ""
        return f"Run({self.name}{name}, {ending}after {done}{accuracy}{place})"


def train(
    data: Any = "shapes",
    model: Union[str, os.PathLike[str], Network, Sequence[Layer]] = "plain8",
    epochs: Optional[int] = None,
    *,
    out: Optional[Path] = None,
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
    classes: Optional[Sequence[str]] = None,
    **settings: Any,
) -> Run:
    """Trains a network on images, and returns the `Run`.

    `data` is the path of a folder of pictures, a name (`shapes`, `cifar10`), a pair `(images, labels)` of arrays, or a
    dict of such pairs named `train`, `val` and `test`. Images are `[N, C, H, W]` or `[N, H, W]`, uint8 or float32; labels
    are whole numbers or names, and `classes` names the former. A fifth of a pair becomes validation images, unless
    `val_fraction` says otherwise.

    `model` is a preset, a model file (`net.toml`), an ONNX file, a `Network`, or a list of layers for one.

    All settings of the command are keyword arguments with the names of the configuration's keys: `batch_size`, `lr`,
    `optimizer="sgd"` with `momentum`, `schedule="cosine"`, `augment="flip,shift=0.1"`, `weight_decay`, `patience`,
    `seed`, `image_size`, `model_options={"width": 0.5}`, ... `recipe` and `config` start from those of a recipe or a file.
    The same settings give the same weights, bit for bit, as the command `convscope train`.

    `out` is a new folder for everything that the command writes; without it, nothing is written. Each of `callbacks` is
    called with a dict of metrics after each epoch, and ends the training by returning `False`. Ctrl-C ends it too, and
    the run so far is returned.

    >>> import numpy as np
    >>> from convscope import train
    >>> rows = np.arange(12) % 2
    >>> stripes = np.stack([np.tile(rows, (12, 1)), np.tile(rows[:, None], (1, 12))]).astype(np.float32)
    >>> images = np.tile(stripes, (40, 1, 1)) + np.linspace(0, 1, 80, dtype=np.float32)[:, None, None]
    >>> run = train((images, np.arange(80) % 2), epochs=8, lr=0.01, batch_size=8, classes=["columns", "rows"], progress=False)
    >>> run.predict(images[:2, None]).names
    ['columns', 'rows']
    """
    settings = {name: value for name, value in settings.items() if value is not None}
    if epochs is not None:
        settings["epochs"] = epochs
    network = model if isinstance(model, Network) else None
    if not isinstance(model, (str, os.PathLike, Network)):
        network = Network(model)
    if network is None:
        settings["model"] = os.fspath(model)  # type: ignore[arg-type]
    opening = dict(settings)
    if network is not None and network.input is not None and isinstance(data, (str, os.PathLike)):
        channels, height, width = network.input
        opening = {"image_size": f"{width}x{height}", "channels": channels, **settings}
        settings = opening
    images = open_images(data, opening, classes)
    if isinstance(data, (str, os.PathLike)):
        settings["data"] = os.fspath(data)
    else:
        settings["data"] = images.name
        settings.pop("split_seed", None)
        settings.pop("val_fraction", None)
    described = None
    if network is not None:
        shape = images.shape
        described = network._for((shape[0], shape[1], shape[2]), len(images.classes))
    shown = Progress() if progress else None

    def tell(event: dict[str, Any]) -> bool:
        if event["event"] != "epoch":
            if shown is not None:
                getattr(shown, event["event"])(event)
            return True
        metrics = event["metrics"]
        if shown is not None:
            shown.epoch(metrics)
        if event["phase"] == "teacher":
            return True
        # All of them are called, also after one that wants to stop.
        return all([callback(dict(metrics)) is not False for callback in callbacks])

    place = None if out is None else os.fspath(out)
    trained, history = _convscope.train(images, settings, described, place, tell)
    run = Run(trained, images, history, place)
    if shown is not None:
        shown.end("interrupted; the run so far is kept" if run.ending == "interrupted" else "")
    return run


def load(path: Path, data: Any = None) -> Run:
    """Opens a run directory again, with the images that it was trained on, or those of `data` if they have moved.

    >>> import os, tempfile
    >>> import numpy as np
    >>> from convscope import load, train
    >>> data = np.random.default_rng(1).random((20, 1, 8, 8), dtype=np.float32), np.arange(20) % 2
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = train(data, epochs=1, out=os.path.join(folder, "run"), progress=False)
    ...     load(run.path, data).metrics["epoch"].tolist()
    [1]
    """
    place = os.fspath(path)
    history = _convscope.History.load(place)
    model = _convscope.Model.load(place)
    images = None
    if isinstance(data, (str, os.PathLike)):
        images = _convscope.Images.of_run(place, os.fspath(data))
    elif data is not None:
        data = {"train": data} if isinstance(data, tuple) else data
        images = open_images(data, {}, model.classes)
    return Run(model, images, history, place)

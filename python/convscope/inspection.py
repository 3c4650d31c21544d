"""Looking inside a network."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt

from . import _convscope
from ._arrays import FloatArray, plain
from ._data import batch, open_images
from .network import Network
from .results import Evaluation, FeatureMaps, HeatMap, Path, Prediction, Report

#: A table by columns, which `pandas.DataFrame` and `polars.DataFrame` take as it is.
Columns = dict[str, Any]


class Inspection:
    """A network with images: what it predicts, what its layers compute, and what stands out.

    An image is an array `[C, H, W]`, a path, an index of a test image, or a pair of a split and an index. Values are on
    the scale of the images that the network was trained on: bytes, or for bytes divided by 255 numbers from 0 to 1.
    """

    def __init__(
        self,
        model: _convscope.Model,
        images: Optional[_convscope.Images],
        *,
        split: str = "train",
        limit: Optional[int] = None,
        is_labelled: bool = True,
    ) -> None:
        self._model = model
        self._own_images = images
        self._split = split
        self._limit = limit
        self._is_labelled = is_labelled
        self._survey: Optional[dict[str, Any]] = None
        #: Whether numbers far above 1 are a mistake.
        self._takes_unit = False

    @property
    def name(self) -> str:
        """The network's name; that of a file without its folder."""
        stem, extension = os.path.splitext(os.path.basename(self._model.name))
        return stem if extension == ".onnx" else self._model.name

    @property
    def classes(self) -> list[str]:
        """Names of the classes, in the order of the labels."""
        return self._model.classes

    @property
    def network(self) -> Network:
        """The network without its weights."""
        shape = self._model.shape
        input = None if shape is None else (shape[0], shape[1], shape[2])
        return Network.from_toml(self._model.network().to_toml(), input=input, classes=len(self.classes))

    @property
    def layers(self) -> Columns:
        """The layer table over the images: a row for each layer, by columns.

        Shapes, numbers of parameters, sizes of weights, and of activations mean, deviation, range, zeros, dead channels
        and effective rank. Computed on first use.
        """
        return dict(self._surveyed()["layers"])

    @property
    def channels(self) -> Columns:
        """A row for each channel of each layer, by columns."""
        return dict(self._surveyed()["channels"])

    @property
    def findings(self) -> Columns:
        """What stands out, in words, with the number and the threshold that it passed; by columns."""
        return dict(self._surveyed()["findings"])

    @property
    def accuracy(self) -> Optional[float]:
        """The share of the images that it gets right; none without labels."""
        return float(self._surveyed()["accuracy"]) if self._is_labelled else None

    def _images(self) -> _convscope.Images:
        if self._own_images is None:
            raise ValueError("there are no images to look at; pass some")
        return self._own_images

    def _surveyed(self) -> dict[str, Any]:
        if self._survey is None:
            self._survey = _convscope.survey(self._model, self._images(), self._split, self._limit)
        return self._survey

    def evaluate(self, data: Any = None, split: Optional[str] = None) -> Evaluation:
        """Loss, accuracy and confusion on a split: by default the test images, or the validation images without any.

        `data` is other images, as for `train`: a path, `(images, labels)`, or a dict of splits. A pair is evaluated as a
        whole.
        """
        images = self._images() if data is None else self._open(data)
        if split is None:
            split = next((name for name in ("test", "val") if images.count(name)), "train")
        found = self._model.evaluate(images, split)
        return Evaluation(**found, classes=self.classes)

    def _open(self, data: Any) -> _convscope.Images:
        if isinstance(data, tuple):
            data = {"train": data}
        if isinstance(data, Mapping):
            first = next(iter(data.values()), None)
            data = data if "train" in data else {"train": first, **data}
            return open_images(data, {}, self.classes)
        settings: dict[str, Any] = {}
        if self._model.shape is not None:
            channels, height, width = self._model.shape
            settings = {"image_size": f"{width}x{height}", "channels": channels}
        return open_images(data, settings)

    def predict(self, images: Any) -> Prediction:
        """The probability of each class for an array `[N, C, H, W]` or `[C, H, W]`, a path, or a list of paths."""
        if isinstance(images, (str, os.PathLike)):
            images = [images]
        if isinstance(images, (list, tuple)) and images and isinstance(images[0], (str, os.PathLike)):
            rows = self._model.predict_files([os.fspath(path) for path in images])
            return Prediction(np.array(rows, np.float32), self.classes)
        return Prediction(self._model.predict_images(self._batch(images)), self.classes)

    def activations(self, images: Any, layer: str) -> FloatArray:
        """What a layer computes for images `[N, C, H, W]`: an array `[N, ...]`."""
        return self._model.activations(self._batch(images), layer)

    def feature_maps(self, image: Any) -> FeatureMaps:
        """What each layer computes for an image: `feature_maps(image)["conv2d_3"]` is an array `[C, H, W]`."""
        return FeatureMaps(_convscope.feature_maps(self._model, self._image(image), self._own_images))

    def grad_cam(self, image: Any, target: Union[int, str, None] = None, layer: Optional[str] = None) -> HeatMap:
        """Grad-CAM: which positions of a layer speak for a class.

        `target` is a class, by its name or place; by default the predicted one. `layer` is by default the last one with
        more than one pixel that everything passes through.
        """
        return self._heat_map("grad_cam", image, target, layer)

    def saliency(self, image: Any, target: Union[int, str, None] = None) -> HeatMap:
        """How strongly the class's logit depends on each pixel."""
        return self._heat_map("saliency", image, target, None)

    def occlusion(self, image: Any, target: Union[int, str, None] = None) -> HeatMap:
        """How much the class's probability drops where a square of the image is covered."""
        return self._heat_map("occlusion", image, target, None)

    def _heat_map(self, method: str, image: Any, target: Union[int, str, None], layer: Optional[str]) -> HeatMap:
        if isinstance(target, str):
            if target not in self.classes:
                raise ValueError(f"no class is called {target}; there are {', '.join(self.classes)}")
            target = self.classes.index(target)
        elif target is not None and not 0 <= target < len(self.classes):
            raise ValueError(f"target is {target}, there are {len(self.classes)} classes")
        found = _convscope.heat_map(self._model, method, self._image(image), target, layer, self._own_images)
        return HeatMap(method=method, **found)

    def report(self, path: Optional[Path] = None, *, limit: Optional[int] = None) -> Report:
        """The page of this network: curves, layers, findings, images in detail.

        A notebook shows it in a frame; `path` saves it as a file. At most `limit` images of each split are used.
        """
        title = f"{self.name} on {self._images().name}"
        limit = self._limit if limit is None else limit
        page = _convscope.report(self._model, self._images(), self._history(), self._split, limit, title)
        report = Report(page, title)
        if path is not None:
            report.save(path)
        return report

    def _history(self) -> Optional[_convscope.History]:
        return None

    def export_onnx(self, path: Path, *, normalization: bool = False, softmax: bool = False) -> None:
        """Writes the network as an ONNX file for batches of any size.

        With `normalization`, it takes pixels from 0 to 255 and prepares them itself; with `softmax`, it gives
        probabilities instead of logits.
        """
        self._model.export_onnx(os.fspath(path), normalization, softmax)

    def save(self, path: Path) -> None:
        """Writes a safetensors file with PyTorch's names, which `load` and the command read."""
        self._model.save(os.fspath(path))

    def state_dict(self) -> dict[str, npt.NDArray[Any]]:
        """Copies of the network's arrays by PyTorch's keys; `torch.from_numpy` takes them as they are."""
        return self._model.state_dict()

    def _batch(self, images: Any) -> FloatArray:
        array = plain(images)
        if array.ndim == 3 and self._model.shape is not None and len(array) == self._model.shape[0]:
            array = array[None]
        return self._scaled(batch(array))

    def _scaled(self, array: npt.NDArray[Any]) -> FloatArray:
        if array.dtype == np.uint8:
            scale = np.float32(255.0 if self._model.takes_bytes else 1.0)
            return array.astype(np.float32) / scale
        if self._takes_unit and array.size and array.max() > 2.0:
            raise ValueError(
                f"values go up to {array.max():.4g}, but this network takes numbers from 0 to 1; "
                "pass bytes as uint8, or divide by 255"
            )
        return np.require(array, np.float32, "A")

    def _image(self, image: Any) -> Any:
        if isinstance(image, (int, np.integer)) and not isinstance(image, bool):
            images = self._images()
            split = next((name for name in ("test", "val") if images.count(name)), "train")
            return (split, int(image))
        if isinstance(image, (str, os.PathLike)):
            return os.fspath(image)
        if isinstance(image, tuple):
            return image
        if hasattr(image, "convert"):
            image = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
        array = plain(image)
        array = array[0] if array.ndim == 4 and len(array) == 1 else array
        if array.ndim == 2:
            array = array[None]
        if array.ndim != 3:
            raise ValueError(f"the image has shape {list(array.shape)}, must be [C, H, W]")
        return self._scaled(batch(array[None]))[0]

    def __repr__(self) -> str:
        images = "" if self._own_images is None else f" on {self._own_images.name}"
        return f"Inspection({self.name}{images})"


def inspect(
    model: Any,
    images: Any,
    labels: Any = None,
    *,
    limit: Optional[int] = None,
    classes: Optional[Sequence[str]] = None,
    normalize: Optional[str] = None,
    mean: Optional[Sequence[float]] = None,
    std: Optional[Sequence[float]] = None,
    resize: Union[str, int, None] = None,
    size: Optional[tuple[int, int]] = None,
    channel_order: str = "rgb",
    output: Optional[str] = None,
) -> Inspection:
    """Looks inside a network: a `Run`, the path of a run, weights or ONNX file, or a `torch.nn.Module`.

    `images` is an array `[N, C, H, W]` with `labels`, which may be missing, or the name of a data set. A module of PyTorch
    is exported behind the scenes, with its batch normalisations; this needs the packages torch and onnx.

    What is not in an ONNX file: `classes` names the outputs. `normalize` says how pixels are scaled: `unit` to 0 to 1,
    `tf` to -1 to 1, `imagenet` by mean and deviation of ImageNet; or `mean` and `std` do, for values from 0 to 1. By
    default, the file says it, and otherwise images are taken as they are. `resize` says what happens to pictures of another
    aspect ratio: `squash`, `pad`, `crop`, or the length of the shorter side; `size` is rows and columns where the file leaves
    them open, `channel_order` may be `bgr`, and `output` names the output that classifies.

    >>> import numpy as np
    >>> from convscope import inspect, train
    >>> images = np.random.default_rng(1).random((40, 1, 12, 12), dtype=np.float32)
    >>> run = train((images, np.arange(40) % 2), epochs=1, progress=False)
    >>> look = inspect(run, images[:8])
    >>> look.layers["layer"][:2]
    ['conv2d', 'conv2d_1']
    """
    given = {
        "normalize": normalize,
        "mean": None if mean is None else [float(value) for value in mean],
        "std": None if std is None else [float(value) for value in std],
        "resize": None if resize is None else str(resize),
        "classes": None if classes is None else [str(name) for name in classes],
        "size": None if size is None else [int(side) for side in size],
        "output": output,
        "bgr": _is_bgr(channel_order) or None,
    }
    with contextlib.ExitStack() as stack:
        opened = _model(model, images, {key: value for key, value in given.items() if value is not None}, stack)
    arrays = not isinstance(images, (str, os.PathLike))
    look = Inspection(opened, None, limit=limit, is_labelled=labels is not None or not arrays)
    look._takes_unit = isinstance(model, Inspection) and model._takes_unit
    if arrays:
        prepared = batch(images)
        if labels is None:
            labels = np.zeros(len(prepared), np.int64)
        look._own_images = open_images({"train": (prepared, labels)}, {}, opened.classes)
    elif labels is not None:
        raise ValueError("labels are those of arrays; a data set has its own")
    else:
        look._own_images = look._open(images)
    return look


def _is_bgr(channel_order: str) -> bool:
    if channel_order not in ("rgb", "bgr"):
        raise ValueError(f"channel_order is {channel_order}, must be rgb or bgr")
    return channel_order == "bgr"


def _model(model: Any, images: Any, given: dict[str, Any], stack: contextlib.ExitStack) -> _convscope.Model:
    """The network with its weights; `given` is what an ONNX file does not say."""
    if isinstance(model, Inspection):
        _refuse(given, "a run")
        return model._model
    if not isinstance(model, (str, os.PathLike)):
        model = stack.enter_context(_exported(model, images, given.get("size")))
    path = os.fspath(model)
    if not path.lower().endswith(".onnx"):
        _refuse(given, path)
        return _convscope.Model.load(path)
    return _convscope.Model.of_onnx(path, **given)


def _refuse(given: dict[str, Any], what: str) -> None:
    if given:
        raise ValueError(f"{', '.join(given)}: for ONNX files and modules of PyTorch; {what} knows how its images are prepared")


@contextlib.contextmanager
def _exported(module: Any, images: Any, size: Optional[Sequence[int]]) -> Iterator[str]:
    """A module of PyTorch as an ONNX file, for as long as it is read."""
    if not hasattr(module, "state_dict"):
        raise TypeError(f"model has type {type(module).__name__}, must be a Run, a path, or a torch.nn.Module")
    try:
        import torch  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise ImportError(
            f"model has type {type(module).__name__}: to look inside a torch.nn.Module, install torch and onnx "
            "(pip install torch onnx), or export it to an ONNX file and name that"
        ) from None
    if isinstance(images, (str, os.PathLike)):
        rows, columns = size or (224, 224)
        shape = (3, rows, columns)
    else:
        shape = batch(images).shape[1:]
    device = next((parameter.device for parameter in module.parameters()), torch.device("cpu"))
    example = torch.zeros((1, *shape), device=device)
    was_training = module.training
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, f"{type(module).__name__.lower()}.onnx")
        try:
            module.eval()
            torch.onnx.export(
                module,
                (example,),
                path,
                dynamo=False,
                training=torch.onnx.TrainingMode.PRESERVE,
                do_constant_folding=False,
                input_names=["image"],
                output_names=["logits"],
                dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
            )
        finally:
            module.train(was_training)
        yield path

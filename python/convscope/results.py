"""What a network says, and what is seen inside it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt

from ._arrays import FloatArray
from ._pictures import image, png, tiles

Path = Union[str, "os.PathLike[str]"]


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Prediction:
    """The classes of some images: a row of `probabilities` `[N, classes]` for each."""

    probabilities: FloatArray
    classes: list[str]

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """The most probable class of each image, as its place in `classes`: `[N]`."""
        labels: npt.NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return labels

    @property
    def names(self) -> list[str]:
        """The most probable class of each image, by its name."""
        return [self.classes[label] for label in self.labels]

    def __len__(self) -> int:
        return len(self.probabilities)

    def __repr__(self) -> str:
        first = [f"{name} {row.max():.1%}" for name, row in zip(self.names, self.probabilities[:5])]
        more = f", and {len(self) - 5} more" if len(self) > 5 else ""
        return f"Prediction({', '.join(first)}{more})"


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Evaluation:
    """How well a network does on a split: mean cross-entropy, accuracy, and `confusion` `[label, prediction]`."""

    split: str
    images: int
    loss: float
    accuracy: float
    confusion: npt.NDArray[np.int64]
    classes: list[str]

    def __repr__(self) -> str:
        return f"Evaluation({self.split}: {self.images} images, loss {self.loss:.4f}, accuracy {self.accuracy:.2%})"

    def _repr_html_(self) -> str:
        import html

        heads = "".join(f"<th>{html.escape(name)}</th>" for name in self.classes)
        rows = "".join(
            f"<tr><th>{html.escape(name)}</th>" + "".join(f"<td>{count}</td>" for count in row) + "</tr>"
            for name, row in zip(self.classes, self.confusion)
        )
        return f"<p>{html.escape(repr(self))}</p><table><tr><th>label</th>{heads}</tr>{rows}</table>"


class FeatureMaps(Mapping[str, FloatArray]):
    """What each layer computes for an image: an array `[C, H, W]` by the layer's name, `[C, 1, 1]` of a vector."""

    def __init__(self, maps: Mapping[str, FloatArray]) -> None:
        self._maps = dict(maps)

    def __getitem__(self, layer: str) -> FloatArray:
        try:
            return self._maps[layer]
        except KeyError:
            raise KeyError(f"no layer is called {layer}; there are {', '.join(self._maps)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._maps)

    def __len__(self) -> int:
        return len(self._maps)

    def __repr__(self) -> str:
        shapes = [f"{name} {list(maps.shape)}" for name, maps in self._maps.items()]
        return "FeatureMaps(" + ",\n            ".join(shapes) + ")"

    def _repr_html_(self) -> str:
        import html

        rows = []
        for name, maps in self._maps.items():
            if maps.shape[1] > 1:
                picture = tiles(maps)
                shown = image(picture, min(900, max(picture.shape[1], 640)))
            else:
                shown = ", ".join(f"{value:.3g}" for value in maps.ravel()[:8])
            rows.append(f"<tr><td>{html.escape(name)}<br>{list(maps.shape)}</td><td>{shown}</td></tr>")
        return "<table>" + "".join(rows) + "</table>"


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class HeatMap:
    """Where a network looks in an image: `values` `[H, W]`, which cover the whole image whatever their number."""

    method: str
    values: FloatArray
    #: The class that was asked about, its name, and the layer of a Grad-CAM.
    target: int
    class_name: str
    layer: Optional[str]
    #: The class that the network predicts, and with which probability.
    prediction: str
    probability: float
    #: The image `[H, W, 3]` of bytes, and the map over it.
    picture: npt.NDArray[np.uint8]
    sheet: npt.NDArray[np.uint8]

    def __array__(self, dtype: Any = None, copy: Optional[bool] = None) -> npt.NDArray[Any]:
        array = self.values if dtype is None else self.values.astype(dtype)
        return array.copy() if copy and array is self.values else array

    def save(self, path: Path) -> None:
        """Writes the map over the image as a PNG file."""
        with open(path, "wb") as file:
            file.write(png(self.sheet))

    def __repr__(self) -> str:
        at = f" at {self.layer}" if self.layer else ""
        size = " x ".join(str(side) for side in self.values.shape)
        return f"HeatMap({self.method}{at} for {self.class_name}, {size}, largest {self.values.max():.4g})"

    def _repr_png_(self) -> bytes:
        return png(self.sheet)


class Report:
    """The page of a network, as `html`: one file without anything to load, shown in a frame by a notebook."""

    def __init__(self, page: str, title: str) -> None:
        self.html = page
        self.title = title

    def save(self, path: Path) -> None:
        """Writes the page to a file, which opens with a double-click."""
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.html)

    def __repr__(self) -> str:
        return f"Report({self.title}, {len(self.html) / 1e6:.1f} MB of HTML; .save(path) writes it)"

    def _repr_html_(self) -> str:
        import html

        page = html.escape(self.html, quote=True)
        frame = "width: 100%; height: 800px; border: 1px solid #ccc"
        return f'<iframe srcdoc="{page}" style="{frame}" title="{html.escape(self.title)}"></iframe>'

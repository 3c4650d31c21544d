"""What callers name as data: paths, arrays, splits of arrays."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from . import _convscope
from ._arrays import plain

SPLITS = ("train", "val", "test")


def open_images(data: Any, settings: Mapping[str, Any], classes: Optional[Sequence[str]] = None) -> _convscope.Images:
    """The images that `data` names: a path or a name, `(images, labels)`, or a dict of such pairs by split."""
    if isinstance(data, _convscope.Images):
        return data
    if isinstance(data, (str, os.PathLike)):
        if classes is not None:
            raise ValueError("classes names those of arrays; a folder has them in the names of its folders")
        return _convscope.Images.open({**settings, "data": os.fspath(data)})
    share = settings.get("val_fraction")
    if isinstance(data, Mapping):
        for name in data:
            if name not in SPLITS:
                raise ValueError(f"data has a split {name}; there are {', '.join(SPLITS)}")
        given = {name: _pair(part) for name, part in data.items()}
        share = 0.0 if share is None else share
    elif isinstance(data, tuple) and len(data) == 2:
        given = {"train": _pair(data)}
    else:
        raise TypeError(
            f"data has type {type(data).__name__}, must be a path, a name, (images, labels), "
            "or a dict of such pairs named train, val and test"
        )
    parts, names = _numbered(given, classes)
    return _convscope.Images.of_arrays(parts, names, share, {"split_seed": settings.get("split_seed")})


def _pair(part: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    try:
        images, labels = part
    except (TypeError, ValueError):
        raise TypeError(f"a split must be (images, labels), not {type(part).__name__}") from None
    return batch(images), plain(labels)


def batch(images: Any) -> npt.NDArray[Any]:
    """Images as an array `[N, C, H, W]` of uint8 or float32; `[N, H, W]` are images in grey."""
    array = plain(images)
    if array.dtype not in (np.uint8, np.float32):
        raise TypeError(f"images have dtype {array.dtype}, must be uint8 or float32")
    if array.ndim == 3:
        array = array[:, None]
    if array.ndim != 4:
        raise ValueError(f"images have shape {list(array.shape)}, must be [N, C, H, W] or [N, H, W]")
    if array.shape[3] in (1, 3, 4) and array.shape[1] > 4:
        raise ValueError(
            f"images have shape {list(array.shape)}, which has its channels last; "
            "images.transpose(0, 3, 1, 2) puts them after the first axis"
        )
    return array


def _numbered(
    parts: dict[str, tuple[Any, Any]], classes: Optional[Sequence[str]]
) -> tuple[dict[str, tuple[Any, Any]], Optional[list[str]]]:
    """Labels as whole numbers. Names become their places in the sorted list of all of them."""
    names = None if classes is None else [str(name) for name in classes]
    if all(labels.dtype.kind in "iu" for _, labels in parts.values()):
        return {key: (images, labels.astype(np.int64).tolist()) for key, (images, labels) in parts.items()}, names
    if not all(labels.dtype.kind in "UO" for _, labels in parts.values()):
        kinds = sorted({str(labels.dtype) for _, labels in parts.values()})
        raise TypeError(f"labels have dtype {', '.join(kinds)}, must be whole numbers or names")
    if names is None:
        names = sorted({str(label) for _, labels in parts.values() for label in labels})
    places = {name: place for place, name in enumerate(names)}
    found = {}
    for key, (images, labels) in parts.items():
        unknown = [str(label) for label in labels if str(label) not in places]
        if unknown:
            raise ValueError(f"label {unknown[0]} is none of the classes {', '.join(names)}")
        found[key] = (images, [places[str(label)] for label in labels])
    return found, names

"""What callers hand over as arrays, as NumPy's arrays of the type that the operators take."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


def floats(owner: str, name: str, value: Any) -> FloatArray:
    """`value` as an array of float32, whatever its layout in memory; a tensor of PyTorch is taken as it is.

    Raises `TypeError` for any other type of values: conversion would hide a loss of precision or of time.
    """
    array = plain(value)
    if array.dtype == np.float32:
        return np.require(array, requirements="A")
    if array.dtype.kind == "f" and array.dtype.itemsize == 4:
        return array.astype(np.float32)
    raise TypeError(
        f"{owner}: {name} has dtype {array.dtype}, must be float32; convert it with .astype(numpy.float32)"
    )


def integers(owner: str, name: str, value: Any) -> npt.NDArray[np.int64]:
    """`value` as an array of int64; whole numbers of any type are taken."""
    array = plain(value)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{owner}: {name} has dtype {array.dtype}, must be whole numbers")
    return np.require(array, dtype=np.int64, requirements="A")


def plain(value: Any) -> npt.NDArray[Any]:
    """`value` as an array, without the history that a tensor of PyTorch keeps for its gradients."""
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return np.asarray(value)

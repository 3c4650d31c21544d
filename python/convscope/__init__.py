"""The operators of convolutional networks on NumPy's arrays: `convscope.ops`."""

from __future__ import annotations

from . import ops
from ._convscope import VERSION as __version__

__all__ = ["__version__", "ops"]

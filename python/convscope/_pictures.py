"""Pictures as PNG, for notebooks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def png(picture: npt.NDArray[np.uint8]) -> bytes:
    """A picture `[H, W]` or `[H, W, 3]` of bytes as a PNG file."""
    import struct
    import zlib

    height, width = picture.shape[:2]
    colour = 2 if picture.ndim == 3 else 0
    rows = picture.reshape(height, -1)
    unfiltered = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    body = zlib.compress(unfiltered.tobytes())
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def image(picture: npt.NDArray[np.uint8], width: int) -> str:
    """A picture as an element of HTML."""
    import base64

    data = base64.b64encode(png(picture)).decode()
    return f'<img src="data:image/png;base64,{data}" width="{width}" style="image-rendering: pixelated">'


def tiles(channels: npt.NDArray[Any], most: int = 8) -> npt.NDArray[np.uint8]:
    """The first channels of `[C, H, W]` side by side in grey, each from its smallest value to its largest."""
    shown = []
    for channel in channels[:most]:
        finite = channel[np.isfinite(channel)]
        low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
        scaled = np.nan_to_num((channel - low) / (high - low)) if high > low else np.zeros(channel.shape)
        shown.append(np.pad((scaled * 255).clip(0, 255).astype(np.uint8), ((0, 0), (0, 1)), constant_values=255))
    return np.concatenate(shown, axis=1)

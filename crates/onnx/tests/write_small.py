"""Writes recorded/small.onnx, a network for images of 3 x 12 x 10 with six classes in its metadata, and its answers.

    python write_small.py recorded

Needs torch, onnx and onnxruntime. The network has what exporters write as several nodes: silu, gelu, hard swish, a channel
shuffle, layer normalisation of older versions, and axes computed from shapes.
"""

import sys
from pathlib import Path

import numpy
import onnx
import onnxruntime
import torch
from torch import nn


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.norm1 = nn.LayerNorm(8)
        self.widen = nn.Linear(8, 12)
        self.squeeze = nn.Conv2d(12, 4, 1)
        self.expand = nn.Conv2d(4, 12, 1)
        self.head = nn.Linear(12, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.silu(self.norm(self.stem(x)))
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        x = x + nn.functional.relu6(self.grouped(nn.functional.pad(x, (0, 1, 1, 0))[:, :, 1:, :-1]))
        x = self.widen(self.norm1(x.permute(0, 2, 3, 1)))
        x = nn.functional.gelu(x).permute(0, 3, 1, 2)
        gate = self.expand(nn.functional.hardswish(self.squeeze(x.mean((2, 3), keepdim=True))))
        x = x * torch.sigmoid(gate)
        return torch.softmax(self.head(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1)), 1)


def write(array: numpy.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(onnx.numpy_helper.from_array(array).SerializeToString())


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    torch.manual_seed(3)
    model = Small()
    with torch.no_grad():
        model(torch.randn(16, 3, 12, 10))
    model.eval()
    image = torch.randn(2, 3, 12, 10)
    for opset in (9, 13, 18):
        case = folder / f"small-opset{opset}"
        case.mkdir(parents=True, exist_ok=True)
        path = case / "model.onnx"
        options = {"opset_version": opset, "dynamo": False, "do_constant_folding": opset != 13}
        torch.onnx.export(model, (image,), str(path), training=torch.onnx.TrainingMode.PRESERVE, **options)
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        answer = session.run(None, {session.get_inputs()[0].name: image.numpy()})[0]
        write(image.numpy(), case / "test_data_set_0" / "input_0.pb")
        write(answer, case / "test_data_set_0" / "output_0.pb")
    # With a batch of any size, for which the axes are computed from shapes.
    path = folder / "small.onnx"
    axes = {"images": {0: "batch"}}
    torch.onnx.export(model, (image,), str(path), dynamo=False, input_names=["images"], dynamic_axes=axes)
    named = onnx.load(path)
    onnx.helper.set_model_props(named, {"names": "{0: 'cat', 1: 'dog', 2: 'cow', 3: 'hen', 4: 'fox', 5: 'owl'}"})
    onnx.save(named, path)

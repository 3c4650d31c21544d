"""Loads a run's weights into the module that `convscope summary --torch` printed, and prints the class probabilities of a picture."""

import json
import sys

import numpy
import torch
from safetensors import safe_open
from safetensors.torch import load_file

weights, pixels = sys.argv[1:]
sys.path.insert(0, ".")
from network import Network  # noqa: E402

network = Network()
network.load_state_dict(load_file(weights))
network.eval()
with safe_open(weights, "pt") as file:
    treatment = json.loads(file.metadata()["convscope.input"])
image = torch.from_numpy(numpy.load(pixels)).float() * treatment["scale"]
image = (image - torch.tensor(treatment["mean"])) / torch.tensor(treatment["std"])
with torch.no_grad():
    print(json.dumps(torch.softmax(network(image.movedim(2, 0)[None]), 1)[0].tolist()))

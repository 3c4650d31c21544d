"""Runs a network with onnxruntime: python -c CODE FILE, with a line of JSON and then bytes on standard input.

The line has the `seed` of the image and its `shape` [images, channels, rows, columns], whether the file wants `channels_last`, and
`more`, how many of the bytes come after those of the image: the outputs that are added to the file. The answer is, for each
output, a line of JSON with name and shape, and its numbers.
"""

import json
import os
import sys

try:
    import numpy
    import onnxruntime
except ImportError as problem:
    sys.exit(f"{problem}; install it with: pip install onnxruntime")

path = sys.argv[1]
request = json.loads(sys.stdin.buffer.readline())
rest = sys.stdin.buffer.read()
image, outputs = rest[: len(rest) - request["more"]], rest[len(rest) - request["more"] :]
image = numpy.frombuffer(image, "<f4").reshape(request["shape"])
if request["channels_last"]:
    image = image.transpose(0, 2, 3, 1)
with open(path, "rb") as file:
    # Messages of the format that follow each other are one message, so these are further outputs.
    model = file.read() + outputs
options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
options.log_severity_level = 3
folder = os.path.dirname(os.path.abspath(path))
options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
given = session.get_inputs()[0]
kinds = {"tensor(float16)": "float16", "tensor(double)": "float64"}
image = numpy.ascontiguousarray(image, kinds.get(given.type, "float32"))
names = [output.name for output in session.get_outputs()]
for name, value in zip(names, session.run(names, {given.name: image})):
    value = numpy.ascontiguousarray(value, "<f4")
    header = json.dumps({"name": name, "shape": value.shape})
    sys.stdout.buffer.write(header.encode() + b"\n" + value.tobytes())

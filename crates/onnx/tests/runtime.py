"""Compares every node's value with onnxruntime's, for the test of the same name.

Takes a folder with `net.onnx`, `nodes.json` (name and shape of every value, the input first) and `values.bin` (their values, one
after the other). Prints, for each operator of ONNX that ends a node, the largest difference of a node whose inputs are ours, and the
largest of a node in the whole network, as shares of the node's largest value.
"""

import json
import pathlib
import sys

import numpy as np
import onnx
import onnx.utils
import onnxruntime

folder = pathlib.Path(sys.argv[1])
model = onnx.load(folder / "net.onnx")
every = np.fromfile(folder / "values.bin", np.float32)
ours, place = {}, 0
for name, shape in json.loads((folder / "nodes.json").read_text()):
    count = int(np.prod(shape))
    ours[name] = every[place : place + count].reshape(shape)
    place += count
assert place == len(every)
image, *nodes = ours


def run(made, inputs):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(made.SerializeToString(), options).run(None, inputs)


def share(found, name):
    # Ours is the value after the last softmax.
    if name == nodes[-1]:
        shifted = np.exp(found - found.max(1, keepdims=True))
        found = shifted / shifted.sum(1, keepdims=True)
    return float(np.abs(found - ours[name]).max() / max(np.abs(ours[name]).max(), 1e-30))


exposed = onnx.ModelProto()
exposed.CopyFrom(model)
del exposed.graph.output[:]
exposed.graph.output.extend(onnx.helper.make_tensor_value_info(name, 1, None) for name in nodes)
whole = {name: share(found, name) for name, found in zip(nodes, run(exposed, {image: ours[image]}))}

makers = {node.output[0]: node for node in model.graph.node}
arrays = {array.name: array for array in model.graph.initializer}
types = lambda name: onnx.helper.make_tensor_value_info(name, 1, ours[name].shape)


def alone(name):
    """The nodes of ONNX that compute a value from other values of ours."""
    wanted, needed, inputs = [name], [], []
    while wanted:
        value = wanted.pop()
        if value in ours and value != name:
            inputs.append(value)
        elif value in makers and makers[value] not in needed:
            needed.insert(0, makers[value])
            wanted.extend(makers[value].input)
    order = [node for node in model.graph.node if node in needed]
    used = {value for node in order for value in node.input}
    inputs = sorted(set(inputs))
    output = onnx.helper.make_tensor_value_info(name, 1, None)
    graph = onnx.helper.make_graph(order, "part", list(map(types, inputs)), [output], [arrays[a] for a in arrays if a in used])
    made = onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    return "+".join(node.op_type for node in order), share(run(made, {value: ours[value] for value in inputs})[0], name)


groups = {}
for name in nodes:
    operators, own = alone(name)
    count, largest, in_network, where = groups.get(operators, (0, 0.0, 0.0, ""))
    if whole[name] >= in_network:
        where = name
    groups[operators] = (count + 1, max(largest, own), max(in_network, whole[name]), where)
for operators, (count, own, in_network, where) in sorted(groups.items(), key=lambda group: -group[1][1]):
    print(f"{operators}: {count} nodes, {own:.1e} alone, {in_network:.1e} in the network ({where})")
print(f"logits: {max(whole.values()):.1e} at most in the network, {whole[nodes[-1]]:.1e} at its end")
assert max(own for _, own, *_ in groups.values()) < 1e-5 and max(whole.values()) < 1e-4

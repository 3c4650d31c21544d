"""Networks as descriptions."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Optional, Union

from . import _convscope

Layer = Union[str, Mapping[str, Any]]


class Network:
    """A network without weights: a preset, a model file (`net.toml`), an ONNX file, or a list of layers.

    A layer is the name of an operator, or a dict with `op`, its arguments, and perhaps `name`, `activation` and `inputs`,
    as a `[[node]]` of a model file. Without `input` `(channels, rows, columns)`, a network takes the images that it is
    trained on; `out_features = "classes"` stands for the number of classes.

    >>> from convscope import Network
    >>> network = Network(
    ...     [
    ...         {"op": "conv2d", "out_channels": 8, "kernel_size": 3, "padding": "same", "activation": "relu"},
    ...         {"op": "max_pool2d", "kernel_size": 2},
    ...         "flatten",
    ...         {"op": "linear", "out_features": "classes"},
    ...     ],
    ...     input=(1, 28, 28),
    ...     classes=10,
    ... )
    >>> network
    Network(network for [1, 28, 28]: 4 layers, 15,770 parameters)
    """

    def __init__(
        self,
        model: Union[str, os.PathLike[str], Sequence[Layer]],
        *,
        input: Optional[tuple[int, int, int]] = None,
        classes: int = 10,
        name: str = "network",
    ) -> None:
        self._input = None if input is None else (int(input[0]), int(input[1]), int(input[2]))
        self._classes = classes
        self._spec: Optional[str] = None
        self._text: Optional[str] = None
        if isinstance(model, (str, os.PathLike)):
            self._spec = os.fspath(model)
        else:
            self._text = _toml(name, model)
        self._name = name
        self._described = self._resolve(self._input, classes)

    @staticmethod
    def from_toml(text: str, *, input: Optional[tuple[int, int, int]] = None, classes: int = 10) -> Network:
        """From the text of a model file.

        >>> from convscope import Network
        >>> again = Network.from_toml(Network("plain8").to_toml())
        >>> again.name
        'plain8'
        """
        network = Network.__new__(Network)
        network._input, network._classes, network._name = input, classes, "network"
        network._spec, network._text = None, text
        network._described = network._resolve(input, classes)
        return network

    def _resolve(self, input: Optional[tuple[int, int, int]], classes: int) -> _convscope.Network:
        if self._spec is not None:
            return _convscope.Network.named(self._spec, input, classes)
        return _convscope.Network.parse(self._name, self._text or "", input, classes)

    def _for(self, shape: tuple[int, int, int], classes: int) -> _convscope.Network:
        """The network for images of this shape and as many classes."""
        return self._resolve(self._input or shape, classes)

    @property
    def name(self) -> str:
        """Its name."""
        return self._described.name

    @property
    def input(self) -> Optional[tuple[int, int, int]]:
        """Channels, rows and columns of its images, if it was made for some."""
        return self._input

    def to_toml(self) -> str:
        """The text of its model file, for this input and number of classes."""
        return self._described.to_toml()

    def summary(self) -> dict[str, list[Any]]:
        """Its layers by columns: name, type, shape of an image's output, parameters, multiply-adds, inputs."""
        layers = self._described.summary()["layers"]
        keys = ("name", "kind", "output_shape", "parameters", "multiply_adds", "inputs")
        return {("type" if key == "kind" else key): [layer[key] for layer in layers] for key in keys}

    def __repr__(self) -> str:
        found = self._described.summary()
        shape = list(self._input) if self._input else "images of any size"
        return f"Network({self.name} for {shape}: {len(found['layers'])} layers, {found['trained_parameters']:,} parameters)"

    def _repr_html_(self) -> str:
        import html

        columns = self.summary()
        heads = "".join(f"<th>{name}</th>" for name in columns)
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(_cell(value))}</td>" for value in row) + "</tr>"
            for row in zip(*columns.values())
        )
        return f"<p>{html.escape(repr(self))}</p><table><tr>{heads}</tr>{rows}</table>"


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _toml(name: str, layers: Sequence[Layer]) -> str:
    """A model file with these layers."""
    import json

    lines = [f"name = {json.dumps(name)}"]
    for layer in layers:
        node = {"op": layer} if isinstance(layer, str) else dict(layer)
        lines.append("[[node]]")
        lines.extend(f"{key} = {_value(value)}" for key, value in node.items() if value is not None)
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    import json

    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (str, bool, int, float)):
        return json.dumps(value)
    raise TypeError(f"a layer's argument has type {type(value).__name__}: {value!r}")

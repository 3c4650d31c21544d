"""Writes `convscope/ops.pyi`: the signatures of the operators and of their backward passes, which are made at run time.

    python tools/stubs.py            writes the file
    python tools/stubs.py --check    fails if it is out of date
"""

import inspect
import pathlib
import sys

from convscope import ops

FILE = pathlib.Path(__file__).parents[1] / "convscope" / "ops.pyi"

HEAD = '''\
# Written by tools/stubs.py.
from collections.abc import Sequence
from typing import Any, Literal, Optional, Union, overload

import numpy as np

from ._arrays import FloatArray

Size = Union[int, Sequence[int]]

'''

#: Losses are numbers, unless they are not reduced.
LOSSES = ("cross_entropy", "mse_loss")


def text() -> str:
    """The file's text."""
    return HEAD + "".join(function(name) for name in ops.__all__)


def function(name: str) -> str:
    parameters = list(inspect.signature(getattr(ops, name)).parameters.values())
    if name.endswith("_backward"):
        return definition(name, parameters, "dict[str, FloatArray]")
    if name in ("max_pool2d", "adaptive_max_pool2d"):
        with_indices = [*parameters[:-1], keyword_only(parameters[-1])]
        pair = "tuple[FloatArray, np.ndarray[Any, np.dtype[np.int64]]]"
        plain = definition(name, parameters[:-1] + [literal(parameters[-1], "Literal[False] = False")], "FloatArray")
        return f"@overload\n{plain}@overload\n{definition(name, with_indices, pair)}"
    if name in LOSSES:
        return definition(name, parameters, "Union[np.float32, FloatArray]")
    return definition(name, parameters, "FloatArray")


def keyword_only(parameter: inspect.Parameter) -> str:
    return f"*, {parameter.name}: Literal[True]"


def literal(parameter: inspect.Parameter, annotation: str) -> str:
    return f"{parameter.name}: {annotation}"


def definition(name: str, parameters: list, result: str) -> str:
    words = []
    is_keyword_only = False
    for parameter in parameters:
        if isinstance(parameter, str):
            words.append(parameter)
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not is_keyword_only:
            words.append("*")
            is_keyword_only = True
        annotation = parameter.annotation if isinstance(parameter.annotation, str) else "FloatArray"
        default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
        words.append(f"{parameter.name}: {annotation}{default}")
        if parameter.kind is parameter.POSITIONAL_ONLY:
            words.append("/")
    return f"def {name}(\n    " + ",\n    ".join(words) + f",\n) -> {result}: ...\n"


def main() -> int:
    if sys.argv[1:] == ["--check"]:
        if FILE.read_text(encoding="utf-8") == text():
            return 0
        print(f"{FILE} is out of date; run: python tools/stubs.py", file=sys.stderr)
        return 1
    FILE.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

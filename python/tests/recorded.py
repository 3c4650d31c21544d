"""PyTorch's recorded answers: the cases that the Rust tests compare the operators with."""

import io
import json
import pathlib
import struct
import tarfile
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

FOLDER = pathlib.Path(__file__).parents[2] / "crates/verify/fixtures/operators"
DTYPES = {"F32": np.float32, "F64": np.float64, "I64": np.int64}


class Case(NamedTuple):
    name: str
    operator: str
    arguments: dict[str, Any]
    tolerance: float
    tensors: dict[str, np.ndarray]


def cases(operator: str) -> Iterator[Case]:
    with tarfile.open(FOLDER / f"{operator}.tar.gz") as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None and member.name.endswith(".safetensors"):
                yield read(member.name, file)


def read(name: str, file: Any) -> Case:
    data = io.BytesIO(file.read())
    (length,) = struct.unpack("<Q", data.read(8))
    header = json.loads(data.read(length))
    body = data.read()
    about = header.pop("__metadata__")
    tensors = {}
    for key, entry in header.items():
        start, end = entry["data_offsets"]
        tensors[key] = np.frombuffer(body[start:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return Case(name, about["op"], json.loads(about["args"]), float(about.get("tolerance", 1e-6)), tensors)

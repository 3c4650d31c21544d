"""Writes the node cases of the onnx package as folders: model.onnx, test_data_set_0/input_0.pb, output_0.pb.

    python write_node_cases.py FOLDER [NAME...]

With names, only these cases are written. Needs onnx. Cases with sequences or optional values are left out.
"""

import sys
from pathlib import Path

import numpy
import onnx
from onnx.backend.test.case.node import collect_testcases


def write(case, folder: Path) -> bool:
    arrays = [array for inputs, outputs in case.data_sets for array in [*inputs, *outputs]]
    if not all(isinstance(array, numpy.ndarray | numpy.generic | onnx.TensorProto) for array in arrays):
        return False
    folder = folder / case.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString())
    for index, (inputs, outputs) in enumerate(case.data_sets):
        data = folder / f"test_data_set_{index}"
        data.mkdir(exist_ok=True)
        for kind, values in (("input", inputs), ("output", outputs)):
            for place, value in enumerate(values):
                if not isinstance(value, onnx.TensorProto):
                    value = onnx.numpy_helper.from_array(numpy.asarray(value))
                (data / f"{kind}_{place}.pb").write_bytes(value.SerializeToString())
    return True


if __name__ == "__main__":
    folder, *names = sys.argv[1:]
    numpy.random.seed(0)
    cases = [case for case in collect_testcases(None) if not names or case.name in names]
    written = sum(write(case, Path(folder)) for case in cases)
    print(f"{written} of {len(cases)} cases written")

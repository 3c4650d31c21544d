from collections.abc import Mapping
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

VERSION: str

def operators() -> list[str]: ...
def run(
    operator: str,
    tensors: Mapping[str, npt.NDArray[Any]],
    arguments: Mapping[str, Any],
    grad_output: Optional[npt.NDArray[np.float32]],
    training: bool,
    seed: int,
) -> dict[str, npt.NDArray[Any]]: ...

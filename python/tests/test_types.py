"""The stubs say what the modules have, and a strict type checker accepts them and the examples."""

import pathlib
import subprocess
import sys

import pytest

TESTS = pathlib.Path(__file__).parent
ROOT = TESTS.parent
pytest.importorskip("mypy")


def check(*arguments: str) -> None:
    found = subprocess.run([sys.executable, "-m", *arguments], cwd=TESTS, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_stub_of_the_operators_is_current() -> None:
    found = subprocess.run([sys.executable, ROOT / "tools" / "stubs.py", "--check"], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr


def test_a_strict_checker_accepts_the_package_and_the_examples(tmp_path) -> None:
    check("mypy", "--strict", "--cache-dir", str(tmp_path), "-p", "convscope")
    check("mypy", "--strict", "--cache-dir", str(tmp_path), str(ROOT / "examples"))


def test_a_wrong_type_is_found(tmp_path) -> None:
    (tmp_path / "wrong.py").write_text(
        "import numpy as np\nfrom convscope import ops\nops.relu(np.zeros(3))\nops.conv2d(1, 2)\nx: str = ops.sigmoid(np.zeros(3, np.float32))\n"
    )
    run = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(tmp_path / "wrong.py")]
    found = subprocess.run(run, cwd=TESTS, capture_output=True, text=True)
    lines = {int(line.split(":")[1]) for line in found.stdout.splitlines() if ": error: " in line}
    assert lines == {3, 4, 5}, found.stdout


def test_the_stubs_agree_with_the_modules(tmp_path) -> None:
    allowed = tmp_path / "allowed"
    # The command is not imported by anything; annotations of results are those of what describes the operators.
    allowed.write_text("convscope\\.__main__\nconvscope\\.ops\\.(annotations|inspect|functools|np|plain|integers|floats|Callable|Sequence|Any)\n")
    check("mypy.stubtest", "convscope", "--allowlist", str(allowed), "--ignore-unused-allowlist", "--ignore-missing-stub")

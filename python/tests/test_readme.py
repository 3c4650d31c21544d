"""The code in README.md runs."""

import pathlib
import re
import subprocess
import sys

README = pathlib.Path(__file__).parents[1] / "README.md"


def test_the_quickstart(tmp_path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    lines = found.stdout.splitlines()
    assert lines[0].startswith("Run(plain8 on arrays, after 6 epochs") and "['plain', 'square', 'plain']" in lines
    assert "(200, 16, 16, 16) (16, 1, 3, 3)" in lines and (tmp_path / "report.html").stat().st_size > 100_000

"""Searches over settings."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Optional, Union

from . import _convscope
from .inspection import Columns
from .network import Layer, Network
from .results import Path
from .run import Run, load


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Tuning:
    """A search: its trials, the best of them, and the storage that Optuna opens."""

    #: The name of the study, and its folder with a run directory for each trial.
    study: str
    folder: str
    #: The journal file: `optuna.storages.JournalStorage(JournalFileBackend(storage))`.
    storage: str
    #: A row for each trial, the best first, by columns; a setting that was searched has a column of its own.
    trials: Columns
    #: The best trial, with its settings in `parameters`; none if the search is not over.
    best: Optional[dict[str, Any]]
    #: The result of the best network on the test images, if there are any.
    test: Optional[dict[str, Any]]

    def best_run(self) -> Run:
        """The run of the best trial."""
        if self.best is None:
            raise ValueError("no trial is the best yet: the search is not over")
        return load(os.path.join(self.folder, "trials", f"{self.best['trial']:04}"))

    def __repr__(self) -> str:
        best = ""
        if self.best is not None:
            chosen = ", ".join(f"{name} {value}" for name, value in self.best["parameters"].items())
            best = f", best {self.best['validation_accuracy']:.2%} with {chosen}"
        return f"Tuning({self.study}: {len(self.trials['trial'])} trials{best})"


def tune(
    data: Path = "shapes",
    model: Union[str, os.PathLike[str], Network, Sequence[Layer]] = "plain8",
    epochs: Optional[int] = None,
    *,
    grid: Optional[Mapping[str, Sequence[Any]]] = None,
    ranges: Optional[Mapping[str, tuple[Any, ...]]] = None,
    random: Optional[int] = None,
    tpe: Optional[int] = None,
    prune: bool = False,
    jobs: int = 1,
    final: bool = False,
    out: Optional[Path] = None,
    progress: bool = True,
    **settings: Any,
) -> Tuning:
    """Searches for good settings by training many times, each in a process of its own, and returns the `Tuning`.

    `grid` has values to try for each setting, `ranges` has `(low, high)` or `(low, high, "log")` to draw from; with ranges,
    `random` or `tpe` is the number of trials. `prune` ends bad trials early, `jobs` run at once, `final` retrains the best
    settings on training and validation images. `data` is a path or a name, because other processes open it; everything
    else is as for `train`. The same call continues a search that was stopped.

    `out` is the folder of the study, `runs/tune-<model>` by default.

    >>> from convscope import tune
    >>> found = tune(grid={"lr": [0.001, 0.004]}, epochs=20, out="runs/lr")  # doctest: +SKIP
    >>> found.best["parameters"]  # doctest: +SKIP
    {'lr': 0.004}
    """
    if not isinstance(data, (str, os.PathLike)):
        raise TypeError(
            f"data has type {type(data).__name__}, must be a path or a name: each trial opens it in a process of its own"
        )
    given = {name: value for name, value in settings.items() if value is not None}
    given["data"] = os.fspath(data)
    if epochs is not None:
        given["epochs"] = epochs
    if isinstance(model, (str, os.PathLike)):
        given["model"] = os.fspath(model)
        name = os.path.splitext(os.path.basename(given["model"]))[0]
    else:
        network = model if isinstance(model, Network) else Network(model)
        name = network.name
    folder = os.path.join("runs", f"tune-{name}") if out is None else os.fspath(out)
    os.makedirs(folder, exist_ok=True)
    if not isinstance(model, (str, os.PathLike)):
        given["model"] = os.path.join(folder, "model.toml")
        with open(given["model"], "w", encoding="utf-8") as file:
            file.write(network.to_toml())
    config = os.path.join(folder, "settings.toml")
    with open(config, "w", encoding="utf-8") as file:
        file.write(_settings(given))
    arguments = ["--config", config, "--out", folder, "--jobs", str(jobs), "--json"]
    for setting, values in (grid or {}).items():
        arguments += ["--grid", f"{setting}={','.join(_text(value) for value in values)}"]
    for setting, (low, high, *scale) in (ranges or {}).items():
        arguments += ["--range", f"{setting}={_text(low)}..{_text(high)}" + (f":{scale[0]}" if scale else "")]
    for flag, number in (("--random", random), ("--tpe", tpe)):
        if number is not None:
            arguments += [flag, str(number)]
    arguments += ["--prune"] * prune + ["--final"] * final + ["--quiet"] * (not progress)
    document = _command(["tune", *arguments])
    ranking = document["ranking"]
    keys = ("rank", "trial", "state", "validation_accuracy", "validation_loss", "training_accuracy", "epochs", "seconds", "reason")
    columns: Columns = {key: [line[key] for line in ranking] for key in keys}
    searched = dict.fromkeys(name for line in ranking for name in line["parameters"])
    for setting in searched:
        columns[setting] = [line["parameters"].get(setting) for line in ranking]
    return Tuning(
        study=document["study"],
        folder=document["folder"],
        storage=document["journal"],
        trials=columns,
        best=document["best"],
        test=document["test"],
    )


def _settings(given: dict[str, Any]) -> str:
    """A configuration file. What was not asked for of batches and epochs follows from the number of images."""
    lines = _convscope.settings_text(given).splitlines(keepends=True)
    left_out = tuple(f"{name} =" for name in ("batch_size", "epochs") if name not in given)
    return "".join(line for line in lines if not line.startswith(left_out))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _command(arguments: list[str]) -> dict[str, Any]:
    """Runs the command in a process of its own, shows what it says, and returns its document."""
    import json
    import signal
    import subprocess
    import threading

    process = subprocess.Popen(
        [sys.executable, "-m", "convscope", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    said: list[str] = []

    def relay() -> None:
        # Notebooks show what Python writes, not what other processes write.
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line)
            sys.stderr.write(line)

    relaying = threading.Thread(target=relay, daemon=True)
    relaying.start()
    assert process.stdout is not None
    try:
        text = process.stdout.read()
    except KeyboardInterrupt:
        # The first one lets it finish a batch and save.
        process.send_signal(signal.SIGINT)
        text = process.stdout.read()
        process.wait()
        relaying.join()
        raise
    code = process.wait()
    relaying.join()
    if text.strip():
        found: dict[str, Any] = json.loads(text)
        return found
    reason = next((line for line in reversed(said) if line.startswith("error: ")), "error: the search failed")
    kind = ValueError if code == 2 else RuntimeError
    raise kind(reason.removeprefix("error: ").strip())

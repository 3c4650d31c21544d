"""The progress of a training: a line in a terminal, a table in a notebook."""

from __future__ import annotations

import importlib
import sys
import time
from typing import Any, Optional, TextIO


def is_notebook() -> bool:
    """Whether results are shown by a notebook."""
    # Who has not imported IPython is in no notebook.
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and "IPKernelApp" in getattr(shell, "config", {})


class Progress:
    """Shows events, as `_convscope.train` tells them."""

    def __init__(self, stream: Optional[TextIO] = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._epochs = 0
        self._label = ""
        self._rows: list[str] = []
        self._shown = 0
        self._display: Any = None
        self._html: Any = None
        self._drawn = 0.0
        self._redraws = self._stream.isatty()
        if is_notebook():
            shown: Any = importlib.import_module("IPython.display")
            self._html = shown.HTML
            self._display = shown.display(self._html(""), display_id=True)

    def begin(self, event: dict[str, Any]) -> None:
        self._epochs = event["epochs"]
        self._label = "teacher: " if event.get("phase") == "teacher" else ""
        for note in event.get("notes", ()):
            self._line(note)
        for warning in event["warnings"]:
            self._line(f"warning: {warning}")

    def batch(self, event: dict[str, Any]) -> None:
        text = (
            f"{self._label}epoch {event['epoch']}/{event['epochs']}  batch {event['batch']}/{event['batches']}  "
            f"loss {event['loss']:.4f}  accuracy {event['accuracy']:.2%}"
        )
        if self._display is not None:
            if time.monotonic() - self._drawn > 0.2:
                self._show(text)
        elif self._redraws:
            self._stream.write("\r" + text.ljust(self._shown))
            self._stream.flush()
            self._shown = len(text)

    def epoch(self, metrics: dict[str, Any]) -> None:
        text = f"{self._label}epoch {metrics['epoch']}/{self._epochs}  loss {metrics['train_loss']:.4f}  accuracy {metrics['train_accuracy']:.2%}"
        if metrics["val_loss"] is not None:
            text += f"  val loss {metrics['val_loss']:.4f}  val accuracy {metrics['val_accuracy']:.2%}"
        text += f"  {metrics['seconds']:.1f} s"
        if self._display is not None:
            cells = [f"{self._label}{metrics['epoch']}/{self._epochs}", f"{metrics['train_loss']:.4f}"]
            cells.append(f"{metrics['train_accuracy']:.2%}")
            has_val = metrics["val_loss"] is not None
            cells.append(f"{metrics['val_loss']:.4f}" if has_val else "")
            cells.append(f"{metrics['val_accuracy']:.2%}" if has_val else "")
            cells.append(f"{metrics['seconds']:.1f} s")
            self._rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
            self._show("")
        else:
            self._line(text)

    def end(self, text: str) -> None:
        """The last word."""
        if self._display is not None:
            self._show(text)
        elif text:
            self._line(text)

    def _line(self, text: str) -> None:
        start = "\r" if self._redraws and self._shown else ""
        self._stream.write(start + text.ljust(self._shown) + "\n")
        self._stream.flush()
        self._shown = 0

    def _show(self, text: str) -> None:
        import html

        self._drawn = time.monotonic()
        heads = ("epoch", "loss", "accuracy", "val loss", "val accuracy", "time")
        head = "<tr>" + "".join(f"<th>{name}</th>" for name in heads) + "</tr>"
        table = f"<table>{head}{''.join(self._rows)}</table>" if self._rows else ""
        self._display.update(self._html(f"{table}<p>{html.escape(text)}</p>"))

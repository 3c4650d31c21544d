"""The command `convscope`: `python -m convscope train`."""

import signal
import sys

from ._convscope import command_line


def main() -> int:
    """Runs the command line of this process."""
    # The command listens itself: the first Ctrl-C finishes a batch and saves.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return command_line([sys.executable, "-m", "convscope"], sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())

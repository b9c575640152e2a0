"""The command `trifuse`, and `python -m trifuse` where it is not on the path."""

from __future__ import annotations

import signal


def main() -> None:
    """Runs the command line; see `trifuse.cli.app.main`.

    Until the commands are loaded there is nothing to be said or saved: Ctrl-C ends the process, without a traceback.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from trifuse.cli.app import main as run

    run()


if __name__ == "__main__":
    main()

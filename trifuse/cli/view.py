"""`trifuse view`: the viewer in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def view(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILES or FOLDER]",
            help="Images of one patient, the folder of a study, a fused image (its sources are found by its "
            "provenance), or a folder that compare, cohort or bench wrote; nothing for an empty page to drop files on.",
            show_default=False,
        ),
    ] = None,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for any that is free.", min=0, max=65535)] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
    host: Annotated[
        str, typer.Option(help="Address to listen on; one that other computers reach needs --token.")
    ] = "127.0.0.1",
    token: Annotated[
        str | None, typer.Option(help="The secret in the address, 16 letters or more; made up if not given.")
    ] = None,
    units: Annotated[
        Literal["suv", "native"],
        typer.Option(help="PET from DICOM as SUVbw where its header allows it, or in the units of its file."),
    ] = "suv",
) -> None:
    """Look at images and fuse them in the browser; nothing leaves this computer.

    The first line on stdout is the page's address with its token. Stop it by Ctrl-C: all files of the session are then
    removed. For research use, not a medical device.

    Examples:

      trifuse view

      trifuse view t1.nii.gz t2.nii.gz pet.nii.gz

      trifuse view fused.nii.gz

      trifuse view comparison/
    """
    from trifuse.view.server import serve
    from trifuse.view.settings import Serving

    serve(files or [], Serving(host, port, token, units), browser=browser)

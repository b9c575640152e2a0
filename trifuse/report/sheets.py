"""Pictures and tables for people: contact sheets, maps of error and uncertainty, tables of metrics.

Pictures are drawn as radiologists read them: on black, in true proportions, every voxel a sharp square, the
patient's right on the left of axial and coronal views, marked where the image knows its sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trifuse.align.grid import placed_over
from trifuse.core.errors import InputError, OptionError, one_line
from trifuse.core.extras import need
from trifuse.core.files import check_place, publish
from trifuse.core.image import Image
from trifuse.report.bars import uptake_bars
from trifuse.report.views import OPPOSITE, View, middle, to_mm, views

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

DPI = 100
LARGEST_VIEW = {1: 520, 3: 320}
"""Pixels of the longest side of a view, by views per image; smaller images are enlarged by whole factors up to it."""

GAP = 14
TITLE = 30
BAR = 96
FONT = 11.0


def contact_sheet(
    panels: Mapping[str, Any] | Sequence[tuple[str, Any]],
    path: str | Path,
    *,
    title: str = "",
    at: Sequence[float] | None = None,
    columns: int = 6,
    crosshair: bool = False,
) -> Path:
    """Sources and results side by side: one panel for each picture, three orthogonal slices for each volume.

    Args:
        panels: title -> image, fused result, path, array or whatever else `Image.of` takes, in order. Uptake that fused
            results show in colour gets a colour bar.
        path: PNG, PDF, SVG or whatever else matplotlib writes, by suffix.
        title: heading of the sheet.
        at: where to cut volumes, RAS mm; the middle of the first volume's tissue if not given.
        columns: panels at most in one row.
        crosshair: whether to mark on each slice of a volume where the other two cut it.

    Raises:
        OptionError: if there is nothing to show.
        InputError: if pictures and volumes are mixed, an image cannot be read, the suffix names no format, or the place
            cannot be written to.
    """
    need("plot", "a contact sheet", "matplotlib")
    given = list(panels.items() if isinstance(panels, Mapping) else panels)
    named = [(name, _image(source)) for name, source in given]
    if not named or columns < 1:
        raise OptionError("a contact sheet needs one image or more, and one column or more")
    if len({image.dims for _, image in named}) > 1:
        raise InputError("a contact sheet cannot mix pictures (2D) and volumes (3D); make two of them")
    first = named[0][1]
    focus = np.asarray(at if at is not None else middle(first), dtype=np.float64)
    shown = [(name, views(placed_over(image, first)[0], focus)) for name, image in named]
    rows = [shown[start : start + columns] for start in range(0, len(shown), columns)]
    scale = _scale([cut for _, cut in shown])
    band = [max(_pixel_size(cut[k], scale)[0] for _, cut in shown) for k in range(len(shown[0][1]))]
    width = max(_pixel_size(view, scale)[1] for _, cut in shown for view in cut)
    head = TITLE + GAP if title else 0
    row_height = TITLE + sum(band) + GAP * len(band)
    bars = uptake_bars([source for _, source in given])
    across = len(rows[0]) * (width + GAP) + GAP
    sheet = _Sheet(across + len(bars) * BAR, head + len(rows) * row_height + GAP)
    if title:
        sheet.text(title, sheet.width / 2, (TITLE + GAP) / 2, size=FONT + 3)
    for r, row in enumerate(rows):
        for c, (name, cut) in enumerate(row):
            left, top = GAP + c * (width + GAP), head + r * row_height
            sheet.text(_shortened(name, width), left + width / 2, top + TITLE / 2 + 4)
            top += TITLE
            for view, height in zip(cut, band, strict=True):
                sheet.view(view if crosshair else replace(view, cross=None), (left, top, width, height), scale)
                top += height + GAP
    for k, bar in enumerate(bars):
        sheet.bar(bar.colours(), (across + k * BAR, head + TITLE, 16, min(row_height - TITLE - GAP, 320)), bar.label)
    return sheet.save(path)


def map_sheet(
    values: Any,
    path: str | Path,
    *,
    label: str,
    title: str = "",
    limit: float | None = None,
    at: Sequence[float] | None = None,
) -> Path:
    """A map of uncertainty or error with its colour bar, in the unit that `label` names.

    Maps without negative values run from black over red to white; signed maps run from blue over black (no
    error) to red, with equal ends.

    Args:
        values: one-channel image, path or array of the map; arrays `(*space)` are taken as they are.
        limit: value at the bright end; the 99.5th percentile of the magnitude if not given.
        at: where to cut a volume, RAS mm; where the map is strongest if not given.

    Raises:
        InputError: if the map has colour or no finite value.
    """
    need("plot", "a map", "matplotlib")
    raw = not isinstance(values, (str, Path)) and isinstance(values, np.ndarray)
    image = Image(np.asarray(values, dtype=np.float32)[None], origin="map") if raw else _image(values)
    if image.channels != 1 or not np.isfinite(image.pixels).any():
        raise InputError(f"{image.origin}: a map has one channel with finite values")
    finite = np.nan_to_num(image.pixels, nan=0.0, posinf=0.0, neginf=0.0)
    signed = bool(finite.min() < 0)
    top = (
        float(limit if limit is not None else np.percentile(np.abs(finite), 99.5)) or float(np.abs(finite).max()) or 1.0
    )
    strongest = np.unravel_index(int(np.abs(finite[0]).argmax()), image.space)
    focus = at if at is not None else to_mm(image, strongest)
    cut = [replace(view, cross=None) for view in views(replace(image, pixels=finite), np.asarray(focus, np.float64))]
    scale = _scale([cut])
    sizes = [_pixel_size(view, scale) for view in cut]
    height = max(size[0] for size in sizes)
    head = TITLE + GAP if title else GAP
    sheet = _Sheet(sum(size[1] + GAP for size in sizes) + GAP + BAR, head + height + GAP)
    if title:
        sheet.text(title, sheet.width / 2, head / 2, size=FONT + 2)
    left = float(GAP)
    colours = ("cold-hot" if signed else "inferno", -top if signed else 0.0, top)
    for view, size in zip(cut, sizes, strict=True):
        drawn = sheet.view(view, (left, head, size[1], height), scale, colours)
        left += size[1] + GAP
    sheet.bar(drawn, (left, head, 16, height), label)
    return sheet.save(path)


def check(path: str | Path) -> None:
    """Raises early what a sheet would raise about its name and place.

    Raises:
        ExtraError: if matplotlib is not installed.
        InputError: if the suffix names no format that matplotlib writes, or the place cannot be written to.
    """
    need("plot", "drawing a sheet", "matplotlib")
    from matplotlib.backend_bases import FigureCanvasBase

    target = Path(path)
    if target.suffix[1:].lower() not in FigureCanvasBase.filetypes:
        raise InputError(f"{one_line(target)}: no picture can be written in this format; use .png, .pdf or .svg")
    check_place(target)


def _image(source: Any) -> Image:
    fused = getattr(source, "image", None)
    return fused if isinstance(fused, Image) else Image.of(source)


def _scale(cuts: Sequence[Sequence[View]]) -> float:
    """Screen pixels per mm for all views, so that sizes compare: a whole number per voxel of the finest if it fits."""
    shown = [view for cut in cuts for view in cut]
    extent = max(max(np.array(view.pixels.shape[:2]) * view.spacing) for view in shown)
    finest = min(min(view.spacing) for view in shown)
    fitting = LARGEST_VIEW[len(cuts[0])] / float(extent) * finest
    return (float(np.floor(fitting)) if fitting >= 1 else fitting) / finest


def _pixel_size(view: View, scale: float) -> tuple[int, int]:
    rows, columns = view.pixels.shape[:2]
    return max(1, round(rows * view.spacing[0] * scale)), max(1, round(columns * view.spacing[1] * scale))


def _shortened(name: str, width: int) -> str:
    most = max(6, int(width / 8.2))
    return name if len(name) <= most else name[: most - 1] + "…"


class _Sheet:
    """A black figure that is laid out in pixels from its top left corner."""

    def __init__(self, width: float, height: float) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.width, self.height = width, height
        self.figure: Figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="black")
        FigureCanvasAgg(self.figure)

    def box(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes over a rectangle."""
        bottom = self.height - top - height
        place = (left / self.width, bottom / self.height, width / self.width, height / self.height)
        return self.figure.add_axes(place, facecolor="black")

    def text(self, text: str, x: float, y: float, size: float = FONT) -> None:
        """White text centred on a point; taken literally, no mathematics."""
        where = (x / self.width, 1 - y / self.height)
        self.figure.text(*where, text, color="white", size=size, ha="center", va="center", parse_math=False)

    def view(
        self,
        view: View,
        box: tuple[float, float, float, float],
        scale: float,
        colours: tuple[str, float, float] = ("gray", 0.0, 1.0),
    ) -> Any:
        """A view in the middle of a rectangle, with its marks."""
        from matplotlib.patheffects import withStroke

        left, top, width, height = box
        rows, columns = _pixel_size(view, scale)
        axes = self.box(left + (width - columns) // 2, top + (height - rows) // 2, columns, rows)
        axes.set_axis_off()
        name, low, high = colours
        enlarged = min(rows / view.pixels.shape[0], columns / view.pixels.shape[1]) >= 1
        pixels = np.nan_to_num(view.pixels)
        drawn = axes.imshow(
            np.clip(pixels, 0, 1) if pixels.ndim == 3 else pixels,
            cmap=_palette(name),
            vmin=low,
            vmax=high,
            aspect="auto",
            interpolation="nearest" if enlarged else "antialiased",
        )
        outline = [withStroke(linewidth=2.5, foreground="black")]
        if view.cross is not None:
            thin: dict[str, Any] = {"color": "#ffd75f", "linewidth": 0.7, "alpha": 0.6}
            axes.axhline(view.cross[0], **thin)
            axes.axvline(view.cross[1], **thin)
        marks = (*view.marks, OPPOSITE.get(view.marks[2], ""))
        for mark, (x, y) in zip(marks, ((0.03, 0.4), (0.97, 0.4), (0.45, 0.97), (0.45, 0.05)), strict=True):
            style: dict[str, Any] = {"color": "#ffd75f", "size": FONT, "weight": "bold", "ha": "center", "va": "center"}
            if y > 0.9:
                style["va"] = "top"
            axes.text(x, y, mark, transform=axes.transAxes, path_effects=outline, **style)
        return drawn

    def bar(self, drawn: Any, box: tuple[float, float, float, float], label: str) -> None:
        """The colour bar of what was drawn."""
        bar = self.figure.colorbar(drawn, cax=self.box(*box))
        bar.set_label(label, color="white", size=FONT - 1, parse_math=False)
        bar.ax.tick_params(colors="white", labelsize=FONT - 2)
        bar.outline.set_edgecolor("white")

    def save(self, path: str | Path) -> Path:
        """Writes the sheet whole or not at all."""
        check(path)
        target = Path(path)
        kind = target.suffix[1:].lower()
        return publish(target, lambda draft: self.figure.savefig(draft, facecolor="black", format=kind), None)


def _palette(name: str) -> Colormap | str:
    """A palette of matplotlib, or "cold-hot": cyan, blue, black, red, yellow."""
    if name != "cold-hot":
        return name
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list(name, ["#9be7ff", "#1f6fd6", "#000000", "#d6361f", "#ffe99b"])

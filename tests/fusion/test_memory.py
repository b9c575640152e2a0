"""What a run takes is said before it starts, and it is made to fit."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

import trifuse
from trifuse import samples
from trifuse.core.errors import InputError, MemoryBudgetError, OptionError
from trifuse.core.image import Image
from trifuse.engines import Local
from trifuse.fusion import memory
from trifuse.fusion.settings import Run
from trifuse.methods import get

MB = 10**6


def blank(*space: int) -> Image:
    """A picture or volume that takes no memory."""
    return Image(np.broadcast_to(np.float32(0), (1, *space)))


def planned(
    name: str, *space: int, count: int = 2, options: dict[str, object] | None = None, **how: object
) -> memory.Plan:
    return memory.plan(get(name)(**(options or {})), [blank(*space)] * count, Run().changed(**how))


def told(plan: memory.Plan, **how: object) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        memory.tell(plan, Run().changed(**how))
    return [str(note.message) for note in caught]


def heads(*space: int) -> list[Image]:
    """Two structural pictures of the bundled study, cut to a size."""
    both = list(samples.study(dims=2).values())[:2]
    return [
        Image(np.ascontiguousarray(Image.of(path).pixels[:1, 40 : 40 + space[0], 50 : 50 + space[1]])) for path in both
    ]


def pixels(fused: trifuse.Fused) -> NDArray[np.float32]:
    return fused.image.pixels


def test_small_runs_are_silent() -> None:
    assert told(planned("mean", 64, 64, 64)) == []


def test_large_runs_say_what_they_take() -> None:
    (note,) = told(planned("dc2fusion", 384, 384, 300, memory="64GB"))
    assert note.startswith("384 x 384 x 300: about ")
    assert "GB of memory at the peak" in note


def test_a_magnified_volume_says_what_it_takes() -> None:
    (note,) = told(planned("mean", 32, 32, 20, scale=8, memory="64GB"), scale=8)
    assert note.startswith("256 x 256 x 160: about ")


@pytest.mark.parametrize("name", ["cddfuse", "swinfuse", "u2fusion", "tgfuse"])
def test_large_pictures_go_in_tiles_within_two_gigabytes(name: str) -> None:
    plan = planned(name, 4096, 4096, memory="2GB")
    assert plan.tiles is not None
    assert plan.peak < 2 * 10**9
    assert f"fused in {plan.tiles.pieces} tiles of up to {plan.tiles.side} x" in plan.notes[0]


def test_what_cannot_be_made_to_fit_is_refused_with_the_figure() -> None:
    with pytest.raises(MemoryBudgetError, match=r"dilran, result of 4096 x 4096: takes about \d+\.\d GB .* 2\.0 GB"):
        planned("dilran", 4096, 4096, memory="2GB")
    with pytest.raises(MemoryBudgetError, match="4096 x 4096 x 2400"):
        planned("mean", 512, 512, 300, scale=8, memory="16GB")


def test_fewer_slices_at_a_time_where_memory_is_short() -> None:
    free, short = (planned("bitonicx", 512, 512, 8, workers=8, memory=size) for size in ("16GB", "700MB"))
    assert free.workers == 8
    assert 1 <= short.workers < 8
    assert short.notes[0].startswith(f"{short.workers} of 8 slices at a time")


def test_the_budget_is_a_share_of_the_machine_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.machine, "memory_total", lambda: 10**10)
    assert memory.budget_of(Run()) == 8 * 10**9
    assert memory.budget_of(Run(memory="3GB")) == 3 * 10**9
    with pytest.raises(OptionError, match="is no size"):
        Run(memory="much")


@pytest.mark.parametrize(
    ("name", "most"),
    [("u2fusion", 0.01), ("tgfuse", 0.02), ("swinfuse", 0.01), ("cddfuse", 2.0), ("guided-filter", 0.01)],
)
def test_tiles_give_the_picture_of_one_piece(name: str, most: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """In grey levels. Those of CDDFuse are small here, so that the borders of its sums count for most."""
    sources = heads(120, 110) if name != "guided-filter" else heads(214, 190)
    whole = trifuse.fuse(sources, name)
    real = memory.plan
    in_tiles = memory.Tiles(96 if name != "guided-filter" else 212, 0, 0)
    monkeypatch.setattr(memory, "plan", lambda *given: replace(real(*given), tiles=in_tiles))
    tiled = trifuse.fuse(sources, name)
    assert np.abs(pixels(tiled) - pixels(whole)).max() * 255 <= most


def test_tiles_stand_in_the_provenance() -> None:
    sources = [Image(np.random.default_rng(k).random((1, 300, 280), dtype=np.float32)) for k in (0, 1)]
    fused = trifuse.fuse(sources, "u2fusion", memory="600MB")
    (note,) = [note for note in fused.provenance["notes"] if "tiles" in note]
    assert note.startswith("fused in ")
    assert "pixels that overlap by 20" in note
    assert fused.provenance["settings"]["memory"] == "600MB"


def test_sources_stay_as_they_are() -> None:
    sources = [Image(np.random.default_rng(k).random((1, 12, 14, 9), dtype=np.float32)) for k in (0, 1)]
    before = [image.pixels.copy() for image in sources]
    for name in ("mean", "max", "dwt", "laplacian", "gradient-domain"):
        trifuse.fuse(sources, name)
        assert all((image.pixels == own).all() for image, own in zip(sources, before, strict=True)), name


def test_an_engine_has_no_more_workers_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.machine, "memory_total", lambda: 10**10)
    with pytest.warns(memory.MemoryNote, match=r"4 at a time: each takes about 2\.0 GB"):
        assert memory.fitted(Local(6), lambda: 2 * 10**9) == Local(4)
    assert memory.fitted(Local(3), lambda: 2 * 10**9) == Local(3)

    def unreadable() -> int:
        raise InputError("no such file")

    assert memory.fitted(Local(6), unreadable) == Local(6)

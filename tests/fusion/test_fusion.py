"""The route: how fuse() adapts a case to what a method's card says."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

import trifuse
from trifuse import Image
from trifuse.core import resize
from trifuse.core.errors import GridError, InputError, OptionError
from trifuse.core.progress import listening
from trifuse.core.random import Random
from trifuse.fusion import adapt as adaptation
from trifuse.fusion.adapt import mirrored, run
from trifuse.fusion.settings import Run
from trifuse.methods.base import Card, Estimate, method


@method
@dataclass(frozen=True)
class Difference:
    """A two-source grey method whose result tells the order of its sources."""

    card: ClassVar[Card] = Card(name="difference", title="", summary="", sources=(2, 2))

    def fuse(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Estimate:
        return Estimate(0.5 * sources[0] + 0.25 * sources[1])


@method
@dataclass(frozen=True)
class Noise:
    """A stochastic method."""

    card: ClassVar[Card] = Card(name="noise", title="", summary="", stochastic=True)

    def fuse(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Estimate:
        return Estimate(0.5 + 0.1 * torch.randn(sources[0].shape, generator=random.torch))


@method
@dataclass(frozen=True)
class Sixteen:
    """A method that needs sides divisible by 16, of at least 32, and magnifies x2 itself."""

    card: ClassVar[Card] = Card(
        name="sixteen", title="", summary="", size_multiple=16, min_size=32, scales=frozenset({1, 2}), colour="rgb"
    )

    def fuse(self, sources: Sequence[Tensor], *, scale: int, random: Random) -> Estimate:
        assert all(n % 16 == 0 and n >= 32 for n in sources[0].shape[2:])
        larger = sources[0].repeat_interleave(scale, 2).repeat_interleave(scale, 3)
        return Estimate(larger, torch.full_like(larger[:, :1], 0.125))


def grey(*size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(size, dtype=np.float32)


def test_pairs_are_folded_from_left_to_right() -> None:
    a, b, c = (grey(5, 6, seed=s) for s in range(3))
    fused = trifuse.fuse([a, b, c], Difference())
    assert np.allclose(fused.image.pixels[0], 0.5 * (0.5 * a + 0.25 * b) + 0.25 * c, atol=1e-6)
    assert any("folded" in note for note in fused.provenance["notes"])


def test_grey_methods_keep_the_colour_of_a_coloured_source() -> None:
    a, rgb = grey(5, 6), grey(5, 6, 3, seed=1)
    fused = trifuse.fuse([a, rgb], "mean").image.pixels
    assert fused.shape == (3, 5, 6)
    luma = np.tensordot([0.299, 0.587, 0.114], np.moveaxis(rgb, -1, 0), axes=1)
    expected = np.moveaxis(rgb, -1, 0) + (a - luma) / 2
    assert np.allclose(fused, expected.clip(0, 1), atol=1e-5)


def test_volumes_go_through_a_2d_method_slice_by_slice() -> None:
    a, b = grey(4, 5, 6), grey(4, 5, 6, seed=1)
    for axis in range(3):
        fused = trifuse.fuse([a, b], Difference(), axis=axis)
        assert np.allclose(fused.image.pixels[0], 0.5 * a + 0.25 * b, atol=1e-6)
        assert any("slice by slice" in note for note in fused.provenance["notes"])


def test_a_2d_method_magnifies_a_volume_within_its_slices() -> None:
    volume = Image.from_native(grey(4, 5, 6)[None], affine=np.diag([2.0, 2.0, 3.0, 1.0]))
    fused = trifuse.fuse([volume, volume], Difference(), scale=2).image
    assert fused.space == (8, 10, 6)
    assert fused.spacing == (1.0, 1.0, 3.0)
    corner = np.array([-0.5, -0.5, 0, 1])
    assert np.allclose(fused.affine @ corner, volume.affine @ corner)


def test_a_missing_scale_is_met_by_pillows_bicubic() -> None:
    a, b = grey(9, 7), grey(9, 7, seed=1)
    before = trifuse.fuse([a, b], "max", scale=2).image
    larger = [resize.pillow(x[None], (18, 14)).clip(0, 1) for x in (a, b)]
    assert np.allclose(before.pixels, np.maximum(*larger), atol=1e-6)
    after = trifuse.fuse([a, b], "max", scale=2, upsample="after").image
    assert np.allclose(after.pixels, resize.pillow(np.maximum(a, b)[None], (18, 14)).clip(0, 1), atol=1e-6)
    assert before.spacing == (0.5, 0.5)


def test_a_3d_method_magnifies_all_axes() -> None:
    fused = trifuse.fuse([grey(4, 5, 6), grey(4, 5, 6)], "mean", scale=2).image
    assert fused.space == (8, 10, 12)


def test_sizes_are_mirrored_out_and_cropped_back() -> None:
    a = grey(21, 45, 3)
    fused = trifuse.fuse([a, a], Sixteen(), scale=2, samples=2)
    assert fused.image.space == (42, 90)
    assert np.allclose(fused.image.pixels[:, ::2, ::2], np.moveaxis(a, -1, 0), atol=1e-6)
    assert fused.uncertainty is not None
    assert np.all(fused.uncertainty.pixels == 0.125)


def test_mirroring_reaches_any_size() -> None:
    x = torch.arange(3.0).reshape(1, 1, 3, 1)
    assert mirrored(x, [8, 1]).flatten().tolist() == [0, 1, 2, 2, 1, 0, 0, 1]


def test_samples_give_mean_and_spread_and_the_seed_decides() -> None:
    a = grey(16, 16)
    one = trifuse.fuse([a, a], Noise(), seed=3)
    assert one.uncertainty is None
    assert np.array_equal(one.image.pixels, trifuse.fuse([a, a], Noise(), seed=3).image.pixels)
    assert not np.array_equal(one.image.pixels, trifuse.fuse([a, a], Noise(), seed=4).image.pixels)
    many = trifuse.fuse([a, a], Noise(), samples=32)
    assert many.uncertainty is not None
    assert many.uncertainty.pixels.mean() == pytest.approx(0.1, rel=0.1)
    assert np.abs(many.image.pixels - 0.5).mean() < 0.03
    certain = trifuse.fuse([a, a], "mean", samples=3)
    assert certain.uncertainty is not None
    assert not certain.uncertainty.pixels.any()


@method
@dataclass(frozen=True)
class Bare:
    """A method as a newcomer may write it."""

    card: ClassVar[Card] = Card(name="bare", title="", summary="")

    def fuse(self, sources, *, scale, random):
        return sources[0]


def test_a_method_that_returns_no_estimate_is_taught() -> None:
    with pytest.raises(TypeError, match=r"method bare returns Tensor; return Estimate\(...\)"):
        trifuse.fuse([grey(5, 6), grey(5, 6)], Bare())


def test_progress_reaches_the_listener() -> None:
    seen: list[tuple[str, int, int]] = []
    with listening(lambda *report: seen.append(report)):
        trifuse.fuse([grey(4, 5, 3)[..., :2].repeat(3, 2), grey(4, 5, 6)], Difference())
    assert seen[0] == ("slices", 0, 6)
    assert seen[-1] == ("slices", 6, 6)


def test_bf16_stays_close_to_fp32() -> None:
    sources = [torch.rand(1, 1, 8, 8) for _ in range(2)]
    settings = Run(precision="bf16")
    fused = run(trifuse.methods.get("mean")(), sources, settings, Random(0))
    assert torch.allclose(fused.mean.float(), torch.stack(sources).mean(0), atol=1e-2)


@pytest.mark.parametrize("native", [True, False])
def test_a_slow_precision_is_noted_before_a_network_runs(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adaptation, "_computes_in_bfloat16", lambda device: native)
    sources = [np.random.default_rng(seed).random((16, 16), dtype=np.float32) for seed in range(3)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trifuse.fuse(sources, "tfs-diff", options={"quality": "fast"}, scale=2, precision="bf16")
    notes = [str(each.message) for each in caught if issubclass(each.category, adaptation.PrecisionNote)]
    assert len(notes) == (0 if native else 1)
    assert native or "--precision fp32" in notes[0]


def test_provenance_tells_how_it_was_made() -> None:
    a = grey(6, 6)
    provenance = trifuse.fuse([a, a + 0.01], "mean", seed=5).provenance
    assert provenance["method"] == "mean"
    assert provenance["trifuse"] == trifuse.__version__
    assert provenance["seed"] == 5
    digests = [source["sha256"] for source in provenance["sources"]]
    assert len(set(digests)) == 2


@pytest.mark.parametrize(
    ("arguments", "error", "word"),
    [
        ({"method": "bitonix"}, OptionError, "bitonicx"),
        ({"method": "mean", "scale": 3}, OptionError, "scale 3"),
        ({"method": "mean", "samples": 0}, OptionError, "samples"),
        ({"method": "mean", "seed": -1}, OptionError, "seed"),
        ({"method": "mean", "reference": 2}, OptionError, "reference"),
        ({"method": "mean", "options": {"clarity": "x"}}, OptionError, "clarity"),
        ({"method": "mean", "device": "abacus"}, OptionError, "abacus"),
        ({"method": "mean", "upsample": "never"}, OptionError, "never"),
        ({"method": "mean", "precision": "fp8"}, OptionError, "fp8"),
        ({"method": "mean", "axis": 3}, OptionError, "axis"),
    ],
)
def test_bad_settings_are_refused_in_words(arguments: dict, error: type, word: str) -> None:
    with pytest.raises(error, match=word):
        trifuse.fuse([grey(4, 4), grey(4, 4)], **arguments)


def test_bad_sources_are_refused_in_words() -> None:
    with pytest.raises(OptionError, match="two or more"):
        trifuse.fuse([grey(4, 4)], "mean")
    with pytest.raises(GridError, match="grid"):
        trifuse.fuse([grey(4, 4), grey(4, 5)], "mean")
    with pytest.raises(InputError):
        trifuse.fuse([grey(4, 4), "nowhere.png"], "mean")
    with pytest.raises(InputError, match="finite"):
        trifuse.fuse([grey(4, 4), np.full((4, 4), np.nan)], "mean")


def test_a_result_comes_back_in_the_type_of_its_source() -> None:
    a, b = np.full((6, 5), 40, np.uint8), np.full((6, 5), 80, np.uint8)
    back = trifuse.fuse([a, b], "mean").like(a)
    assert back.dtype == np.uint8
    assert np.array_equal(back, np.full((6, 5), 60))
    tensors = [torch.rand(3, 6, 5), torch.rand(3, 6, 5)]
    fused = trifuse.fuse(tensors, "max").like(tensors[0])
    assert isinstance(fused, Tensor)
    assert fused.shape == (3, 6, 5)


def test_methods_lists_the_cards() -> None:
    cards = {card.name: card for card in trifuse.methods()}
    assert {"mean", "max"} <= set(cards)
    assert cards["mean"].dims == {2, 3}

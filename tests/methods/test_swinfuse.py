from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.methods.untrained import checkpoint, fused, pictures
from trifuse.core.errors import WeightsError
from trifuse.methods.swinfuse import SwinFuse, blended, fused_tile
from trifuse.nets.state import trained
from trifuse.nets.swinfuse import SwinFuse as Network
from trifuse.nets.swinfuse import from_state, image_of, shift_mask, windows_of


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> str:
    return checkpoint(Network, tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("original")
    index = torch.zeros(49, 49, dtype=torch.int64)
    further = {"prelu.weight": torch.ones(1), "EN1_0.blocks.0.attn.relative_position_index": index}
    return checkpoint(Network, folder, **further)


def test_without_weights_it_says_how_to_give_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRIFUSE_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match=r"swinfuse.*--option weights=FILE"):
        fused(SwinFuse(weights="swinfuse-official"), pictures(2, 8, 8))


@pytest.mark.parametrize("size", [(1, 1), (9, 23)])
@pytest.mark.parametrize("count", [2, 3])
def test_any_size_and_number_of_sources(ours: str, size: tuple[int, int], count: int) -> None:
    result = fused(SwinFuse(weights=ours), pictures(count, *size))
    assert result.shape == (1, 1, *size)
    assert 0 < float(result.min()) <= float(result.max()) < 1


def test_the_weights_choose_the_variant(ours: str, original: str) -> None:
    sources = pictures(2, 9, 23)
    automatic = [fused(SwinFuse(weights=weights), sources) for weights in (ours, original)]
    asked = [fused(SwinFuse(weights=ours, variant=variant), sources) for variant in ("corrected", "reference")]  # type: ignore[arg-type]
    for chosen, wanted in zip(automatic, asked, strict=True):
        torch.testing.assert_close(chosen, wanted)
    assert not torch.allclose(*automatic, atol=1e-3)


def test_the_reference_tiles_where_the_original_fails(original: str) -> None:
    result = fused(SwinFuse(weights=original), pictures(2, 224, 12))
    assert result.shape == (1, 1, 224, 12)
    assert float(result.min()) == 0.0
    assert float(result.max()) == 1.0


def test_one_padding_window_stands_for_all(original: str) -> None:
    net = trained(from_state, original, "swinfuse")
    images = torch.cat(pictures(2, 30, 18)) * 2 - 1
    with torch.inference_mode():
        whole = torch.nn.functional.pad(images, (0, 224 - 18, 0, 224 - 30))
        features = net.encode(whole).split(1)
        expected = net.decode(blended(*features, "l2_mean"))[:, :, :30, :18]
        torch.testing.assert_close(fused_tile(net, images, "l2_mean"), expected, atol=1e-5, rtol=0)


def test_only_shifted_windows_exchange_anything(ours: str) -> None:
    net = trained(from_state, ours, "swinfuse")
    image = pictures(1, 21, 28)[0]
    other = image.clone()
    other[:, :, 10, 10] = 1
    with torch.inference_mode():
        for stages, reaches in (("first", False), ("all", True)):
            changed = (net.encode(image, stages) - net.encode(other, stages)).abs().amax(dim=1)[0]  # type: ignore[arg-type]
            assert float(changed[10, 10]) > 1e-3
            assert bool(changed[:, :7].max() > 1e-6) == reaches


def test_windows_and_back() -> None:
    image = torch.rand(2, 3, 14, 21)
    windows = windows_of(image)
    assert windows.shape == (12, 49, 3)
    torch.testing.assert_close(windows[1, :, 0], image[0, 0, :7, 7:14].flatten())
    torch.testing.assert_close(image_of(windows, (14, 21)), image)


def test_the_mask_parts_pixels_from_both_ends() -> None:
    mask = shift_mask(14, 21).view(2, 3, 7, 7, 7, 7)
    assert bool((mask[0, 0] == 0).all())
    assert float(mask[0, 2, 0, 3, 0, 4]) == -100.0
    assert float(mask[0, 2, 0, 2, 0, 3]) == 0.0
    assert float(mask[1, 0, 3, 0, 4, 0]) == -100.0


def test_colour_is_carried_round_it(ours: str) -> None:
    sources = [pictures(1, 9, 12)[0], pictures(1, 9, 12, channels=3)[0]]
    assert fused(SwinFuse(weights=ours), sources).shape == (1, 3, 9, 12)

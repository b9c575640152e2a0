"""TFS-Diff as users meet it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from trifuse import fusion
from trifuse.core.errors import WeightsError
from trifuse.core.image import Image
from trifuse.core.random import Random
from trifuse.diffusion import learned
from trifuse.diffusion.conditions import brightest, to_display
from trifuse.diffusion.denoiser import NetworkDenoiser, NoisePrediction
from trifuse.diffusion.model import METADATA, Behaviour
from trifuse.diffusion.samplers import Ancestral, gaussian, sample
from trifuse.diffusion.schedule import Schedule, full
from trifuse.diffusion.spread import Spread
from trifuse.methods.bitonicx import BitonicX
from trifuse.methods.tfs_diff import CONDITIONS, TFSDiff, triple
from trifuse.nets.sr3_config import UNetConfig
from trifuse.nets.sr3_unet import SR3UNet

SHAPE = UNetConfig(channels=8, multipliers=(1, 2), res_blocks=1, attention_levels=(), norm_groups=4, se_scope="input")
TRAINING = Schedule.make("linear", 12, 1e-6, 0.6)


@pytest.fixture
def network() -> SR3UNet:
    torch.manual_seed(0)
    return SR3UNet(SHAPE).eval()


@pytest.fixture
def checkpoint(tmp_path: Path, network: SR3UNet) -> str:
    """A small checkpoint in the published layout."""
    state = {name: torch.from_numpy(values) for name, values in TRAINING.buffers().items()}
    torch.save(state | {f"denoise_fn.{k}": v for k, v in network.state_dict().items()}, tmp_path / "I1_E1_gen.pth")
    return str(tmp_path / "I1_E1_gen.pth")


def sources(channels: tuple[int, ...], batch: int = 1) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(0, 256, (batch, c, 8, 6), generator=generator) / 255 for c in channels]


def test_reference_is_the_published_chain(checkpoint: str, network: SR3UNet) -> None:
    three = sources((1, 1, 3))
    with torch.no_grad():
        method = TFSDiff(weights=checkpoint, variant="reference", norm_groups=4)
        ours = method.fuse(three, scale=1, random=Random(5)).picture
        condition = torch.cat([source.expand(-1, 3, -1, -1) * 2 - 1 for source in three], dim=1)
        noise = gaussian(Random(5))
        start = noise(torch.empty(1, 3, 8, 6))
        denoise = NetworkDenoiser(network, condition, NoisePrediction())
        expected = sample(Ancestral(), denoise, start, full(TRAINING), noise)
    torch.testing.assert_close(ours, (expected + 1) / 2, atol=1e-4, rtol=0)


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
def test_shapes_and_grey_stays_grey(checkpoint: str, scale: int) -> None:
    method = TFSDiff(weights=checkpoint, steps=3, norm_groups=4)
    with torch.no_grad():
        coloured = method.fuse(sources((1, 1, 3), batch=2), scale=scale, random=Random()).picture
        grey = method.fuse(sources((1, 1)), scale=scale, random=Random()).picture
    assert coloured.shape == (2, 3, 8 * scale, 6 * scale)
    assert grey.shape == (1, 1, 8 * scale, 6 * scale)


def test_the_whole_route_with_uncertainty(checkpoint: str) -> None:
    rng = np.random.RandomState(0)
    pictures = [rng.randint(0, 256, (9, 11), dtype=np.uint8) for _ in range(2)]
    pictures.append(rng.randint(0, 256, (9, 11, 3), dtype=np.uint8))
    options = {"weights": checkpoint, "steps": "2", "sampler": "unipc2", "norm_groups": "4"}
    images = [Image.from_native(np.atleast_3d(p).transpose(2, 0, 1).astype(np.uint8)) for p in pictures]
    fused = fusion.fuse(images, "tfs-diff", scale=2, samples=3, options=options)
    again = fusion.fuse(images, "tfs-diff", scale=2, samples=3, options=options)
    assert fused.image.space == (18, 22)
    assert fused.uncertainty is not None
    assert fused.uncertainty.pixels.max() > 0
    assert np.array_equal(fused.image.pixels, again.image.pixels)


def test_of_two_sources_the_grey_one_is_doubled() -> None:
    grey, colour = sources((1, 3))
    for given in ([grey, colour], [colour, grey]):
        doubled = triple(given)
        assert [source is grey for source in doubled] == [True, True, False]
    first, second = sources((1, 1))
    assert [source is first for source in triple([first, second])] == [True, True, False]


def test_without_weights_the_error_tells_how() -> None:
    with pytest.raises(WeightsError, match="--option weights=FILE"):
        TFSDiff(weights="tfs-diff-official-of-nobody").fuse(sources((1, 1, 1)), scale=1, random=Random())


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    network = SR3UNet(SHAPE.model_copy(update={"in_channels": 6}))
    torch.save(network.state_dict(), tmp_path / "sr3.pth")
    method = TFSDiff(weights=str(tmp_path / "sr3.pth"), norm_groups=4)
    with pytest.raises(WeightsError, match="needs 9 and 3"):
        method.fuse(sources((1, 1, 1)), scale=1, random=Random())


def test_bitonicx_as_a_further_condition(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = SR3UNet(SHAPE.model_copy(update={"in_channels": 15, "se_scope": "condition"}))
    behaviour = Behaviour(prediction="x0", norm_groups=4, conditions=("sources", "bitonicx"), steps=1)
    file = tmp_path / "own.safetensors"
    save_file(network.state_dict(), file, metadata={METADATA: behaviour.model_dump_json()})
    three = [source.repeat(1, 1, 4, 5) for source in sources((1, 1, 3))]
    fused = TFSDiff(weights=str(file)).fuse(three, scale=1, random=Random()).picture
    assert fused.shape == (1, 3, 32, 30)
    analytic = CONDITIONS["bitonicx"](three, 1, Random())
    expected = BitonicX().fuse(three, scale=1, random=Random()).picture
    torch.testing.assert_close(to_display(analytic).clamp(0, 1), expected.clamp(0, 1), atol=0.02, rtol=0)


def test_conditions_of_a_newer_version_are_named(tmp_path: Path) -> None:
    file = tmp_path / "own.safetensors"
    behaviour = Behaviour(norm_groups=4, conditions=("telepathy",))
    save_file(SR3UNet(SHAPE).state_dict(), file, metadata={METADATA: behaviour.model_dump_json()})
    with pytest.raises(WeightsError, match="telepathy"):
        TFSDiff(weights=str(file)).fuse(sources((1, 1, 1)), scale=1, random=Random())


def own(folder: Path, behaviour: Behaviour, condition: int) -> str:
    """Untrained weights in our own layout, for a condition of so many channels."""
    torch.manual_seed(0)
    network = SR3UNet(SHAPE.model_copy(update={"in_channels": condition + 3, "se_scope": "condition"}))
    file = folder / "own.safetensors"
    save_file(network.state_dict(), file, metadata={METADATA: behaviour.model_dump_json()})
    return str(file)


RELATIVE = Behaviour(
    prediction="v", norm_groups=4, base="brightest", deviation={2: 0.02, 4: 0.2}, steps=1, draw_steps=3, noise_max=80
)


def test_what_is_diffused_is_relative_to_the_base_in_its_unit(tmp_path: Path) -> None:
    three = sources((1, 1, 3))
    method = TFSDiff(weights=own(tmp_path, RELATIVE, 9))
    with torch.inference_mode():
        distances = {}
        for scale in (2, 4):
            condition = CONDITIONS["sources"](three, scale, Random())
            known = to_display(brightest(condition))
            distances[scale] = float((method.fuse(three, scale=scale, random=Random()).picture - known).abs().mean())
    assert 0 < distances[2] < 0.03
    assert 3 < distances[4] / distances[2] < 12  # units of 0.2 and 0.02, less what is clipped


def test_at_x1_such_weights_add_nothing_to_the_analytic_fusion(tmp_path: Path) -> None:
    three = [source.repeat(1, 1, 4, 5) for source in sources((1, 1, 3))]
    with torch.inference_mode():
        fused = TFSDiff(weights=own(tmp_path, RELATIVE, 9)).fuse(three, scale=1, random=Random()).picture
        expected = BitonicX().fuse(three, scale=1, random=Random()).picture
    torch.testing.assert_close(fused, expected.clamp(0, 1), atol=1e-5, rtol=0)


def test_draws_share_a_condition_and_leave_the_estimate_as_it_is(tmp_path: Path) -> None:
    three = sources((1, 1, 3), batch=2)
    method = TFSDiff(weights=own(tmp_path, RELATIVE, 9))
    with torch.inference_mode():
        few, many = (method.draws(three, scale=2, random=Random(3), count=count) for count in (2, 6))
        single = method.fuse(three, scale=2, random=Random(3)).picture
    torch.testing.assert_close(few.mean, single)
    torch.testing.assert_close(many.mean, single)
    assert few.std.shape == (2, 1, 16, 12)
    assert float(many.std.mean()) > 1e-4
    assert not torch.allclose(few.std, many.std)


def test_the_deviation_is_corrected_where_the_weights_know_how(tmp_path: Path) -> None:
    three = sources((1, 1, 1))
    spread = Spread(coefficients=(math.log(0.02), 0, 0, 0, 0), intervals={80: 1.4})
    file = own(tmp_path, RELATIVE.model_copy(update={"spread": {2: {"grey": spread}}}), 9)
    with torch.inference_mode():
        corrected = TFSDiff(weights=file).draws(three, scale=2, random=Random(), count=2)
        asked_for = TFSDiff(weights=file, steps=2).draws(three, scale=2, random=Random(), count=2)
    torch.testing.assert_close(corrected.std, torch.full_like(corrected.std, 0.02 * math.sqrt(math.pi / 2)))
    assert float(asked_for.std.std()) > 0
    images = [Image(source[0].numpy()) for source in three]
    for count, expected in ((2, {"80 %": 1.4}), (1, None)):
        fused = fusion.fuse(images, "tfs-diff", scale=2, samples=count, options={"weights": file})
        assert fused.provenance.get("intervals") == expected


def test_draws_take_the_steps_that_are_asked_for(tmp_path: Path) -> None:
    three = sources((1, 1, 3))
    file = own(tmp_path, RELATIVE, 9)
    with torch.inference_mode():
        method = TFSDiff(weights=file, steps=2)
        drawn = method.draws(three, scale=2, random=Random(), count=3)
        pictures = [method.fuse(three, scale=2, random=Random(seed)).picture for seed in range(3)]
    torch.testing.assert_close(drawn.mean, torch.stack(pictures).mean(dim=0))
    torch.testing.assert_close(drawn.std, torch.stack(pictures).std(dim=0).mean(dim=1, keepdim=True))


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_the_fast_weights_do_without_the_analytic_fusion(scale: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BitonicX, "fuse", lambda *_, **__: pytest.fail("BitonicX was called"))
    random = torch.Generator().manual_seed(0)
    small = [functional.avg_pool2d(torch.rand(1, 1, 20, 26, generator=random), 3, 1) for _ in range(3)]
    fused = TFSDiff(quality="fast").fuse(small, scale=scale, random=Random()).picture
    assert isinstance(fused, torch.Tensor)
    assert fused.shape == (1, 1, 18 * scale, 24 * scale)
    enlarged = [learned.enlarged(source, scale, degradation="auto") for source in small]
    larger = to_display(brightest(torch.cat(enlarged, dim=1) * 2 - 1))
    change = (fused - larger[:, :1]).abs()
    assert 1e-4 < float(change.mean()) < 0.1

"""Models from official and own checkpoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from trifuse.core.errors import OptionError, WeightsError
from trifuse.core.random import Random
from trifuse.diffusion.conditions import enlarged
from trifuse.diffusion.model import METADATA, Behaviour, Walk, load, schedule_of
from trifuse.diffusion.schedule import Schedule, full
from trifuse.nets.sr3_config import UNetConfig
from trifuse.nets.sr3_unet import SR3UNet
from trifuse.upsamplers.sr3 import upsample

SHAPE = UNetConfig(in_channels=6, channels=8, multipliers=(1, 2), res_blocks=1, attention_levels=(), norm_groups=4)
TRAINING = Schedule.make("linear", 20, 1e-6, 0.5)


def official(folder: Path, **changes: object) -> Path:
    """A checkpoint in the published layout."""
    torch.manual_seed(0)
    network = SR3UNet(SHAPE.model_copy(update=changes))
    state = {name: torch.from_numpy(values) for name, values in TRAINING.buffers().items()}
    state |= {f"denoise_fn.{name}": value for name, value in network.state_dict().items()}
    torch.save(state, folder / "I1_E1_gen.pth")
    return folder / "I1_E1_gen.pth"


def own(folder: Path, behaviour: str, **changes: object) -> Path:
    torch.manual_seed(0)
    network = SR3UNet(SHAPE.model_copy(update=changes))
    save_file(network.state_dict(), folder / "own.safetensors", metadata={METADATA: behaviour})
    return folder / "own.safetensors"


def test_the_schedule_is_found_again(tmp_path: Path) -> None:
    model = load(official(tmp_path), norm_groups=4)
    assert np.array_equal(model.schedule.betas, TRAINING.betas)
    assert schedule_of({}).steps == 4000
    other = Schedule.make("cosine", 30)
    rounded = schedule_of({"module.betas": torch.from_numpy(other.betas).float()})
    np.testing.assert_allclose(rounded.betas, other.betas, rtol=1e-6)


@pytest.mark.parametrize("embedding", ["level", "index"])
def test_sampling_as_published_visits_every_step(tmp_path: Path, embedding: str) -> None:
    model = load(official(tmp_path, embedding=embedding), norm_groups=4)
    assert np.array_equal(model.levels(Walk(as_published=True)), full(TRAINING))
    condition = torch.rand(2, 3, 10, 12) * 2 - 1
    with torch.inference_mode():
        drawn = model.sample(condition, Random(3), Walk(as_published=True))
        again = model.sample(condition, Random(3), Walk(as_published=True))
        alone = model.sample(condition[1:], Random(3), Walk(as_published=True))
    assert drawn.shape == (2, 3, 10, 12)
    assert drawn.abs().max() <= 1
    assert torch.equal(drawn, again)
    torch.testing.assert_close(drawn[1:], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("sampler", ["ancestral", "ddim", "dpm++2m", "unipc2", "unipc3", "heun"])
def test_few_steps(tmp_path: Path, sampler: str) -> None:
    model = load(official(tmp_path), norm_groups=4)
    with torch.inference_mode():
        drawn = model.sample(torch.zeros(1, 3, 8, 8), Random(0), Walk(sampler, steps=4))
    assert torch.isfinite(drawn).all()
    assert drawn.abs().max() <= 1


def test_metadata_say_how(tmp_path: Path) -> None:
    behaviour = Behaviour(prediction="x0", norm_groups=4, unfold=2, steps=1)
    model = load(own(tmp_path, behaviour.model_dump_json(), in_channels=24, out_channels=12))
    assert (model.behaviour, model.condition_channels, model.image_channels) == (behaviour, 3, 3)
    assert len(model.levels(Walk())) == 2
    with torch.inference_mode():
        assert model.sample(torch.zeros(1, 3, 7, 9), Random(0)).shape == (1, 3, 7, 9)


def test_nothing_is_added_where_the_condition_is_black(tmp_path: Path) -> None:
    behaviour = Behaviour(prediction="v", norm_groups=4, base="last", deviation={2: 0.3}, steps=1)
    model = load(own(tmp_path, behaviour.model_dump_json()))
    condition = torch.full((1, 3, 20, 24), -1.0)
    condition[..., 8:12, 10:14] = 0.2
    with torch.inference_mode():
        drawn = model.sample(condition, Random(0), scale=2)
    changed = (drawn != condition).any(dim=1)[0]
    assert changed[7:13, 9:15].all()
    changed[6:14, 8:16] = False
    assert not changed.any()


def test_a_picture_in_one_step_may_begin_without_noise(tmp_path: Path) -> None:
    behaviour = Behaviour(
        prediction="v", norm_groups=4, base="last", deviation={2: 0.3, 4: 0.3}, temperature={2: 0}, steps=1
    )
    model = load(own(tmp_path, behaviour.model_dump_json()))
    condition = torch.rand(1, 3, 16, 16) - 0.5

    def differ(scale: int, steps: int) -> bool:
        with torch.inference_mode():
            one, other = (model.sample(condition, Random(seed), Walk(steps=steps), scale) for seed in (0, 1))
        return not torch.equal(one, other)

    assert not differ(2, 1)
    assert differ(4, 1)
    assert differ(2, 4), "a draw of several steps keeps its noise"


@pytest.mark.parametrize("text", ['{"prediction": "score"}', '{"colour": 1}', "{"])
def test_damaged_metadata_are_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(WeightsError, match="metadata") as caught:
        load(own(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_bad_walks_are_named(tmp_path: Path) -> None:
    model = load(official(tmp_path), norm_groups=4)
    for walk in (Walk("euler"), Walk(steps=0), Walk(steps=21, as_published=True)):
        with pytest.raises(OptionError):
            model.sample(torch.zeros(1, 3, 8, 8), Random(0), walk)


def test_sr3_upsamples_grey_and_colour(tmp_path: Path) -> None:
    path = own(tmp_path, Behaviour(prediction="x0", norm_groups=4, steps=2).model_dump_json())
    with torch.inference_mode():
        for channels in (1, 3):
            larger = upsample(torch.rand(2, channels, 5, 6), 2, Random(0), checkpoint=str(path))
            assert larger.shape == (2, channels, 10, 12)
            assert larger.min() >= 0
            assert larger.max() <= 1
    wrong = own(tmp_path, Behaviour(norm_groups=4).model_dump_json(), in_channels=12)
    with pytest.raises(WeightsError, match="9 condition channels"):
        upsample(torch.rand(1, 1, 4, 4), 2, Random(0), checkpoint=str(wrong))
    with pytest.raises(WeightsError):
        upsample(torch.rand(1, 1, 4, 4), 2, Random(0), checkpoint=str(tmp_path / "none.pth"))


def test_conditions_keep_8_bit_values_and_floats() -> None:
    eight_bit = torch.randint(0, 256, (2, 1, 6, 7)).float() / 255
    larger = enlarged(eight_bit, 4)
    steps = (larger + 1) / 2 * 255
    assert larger.shape == (2, 3, 24, 28)
    torch.testing.assert_close(steps, steps.round(), atol=1e-3, rtol=0)
    smooth = enlarged(eight_bit * 0.123456, 4)
    assert ((smooth + 1) / 2 * 255).frac().abs().max() > 0.1
    assert smooth.min() >= -1
    torch.testing.assert_close(enlarged(eight_bit, 1), eight_bit.expand(-1, 3, -1, -1) * 2 - 1)

"""Priors from own and guided-diffusion checkpoints: what they estimate, and what is no prior."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from trifuse.core.errors import OptionError, WeightsError
from trifuse.diffusion.model import METADATA, Behaviour
from trifuse.diffusion.prior import ADMPrior, OwnPrior, drawn, load_prior, sheet
from trifuse.nets.adm_unet import ADMConfig, ADMUNet
from trifuse.nets.sr3_config import UNetConfig
from trifuse.nets.sr3_unet import SR3UNet

ADM = ADMConfig(channels=32, multipliers=(1, 2), res_blocks=1, attention_levels=(1,), head_channels=32)


def own(folder: Path, **changes: object) -> str:
    shape = UNetConfig(
        in_channels=4, out_channels=4, channels=8, multipliers=(1, 2), res_blocks=1, attention_levels=(), norm_groups=4
    )
    torch.manual_seed(0)
    behaviour = Behaviour(prediction="v", norm_groups=4, conditions=(), unfold=2, noise_max=80)
    file = folder / "own.safetensors"
    state = SR3UNet(shape.model_copy(update=changes)).state_dict()
    save_file(state, file, metadata={METADATA: behaviour.model_dump_json()})
    return str(file)


def published(folder: Path) -> str:
    torch.manual_seed(0)
    torch.save(ADMUNet(ADM).state_dict(), folder / "256x256_diffusion_uncond.pt")
    return str(folder / "256x256_diffusion_uncond.pt")


@torch.inference_mode()
def test_own_weights_estimate_grey_images_of_any_size(tmp_path: Path) -> None:
    prior = load_prior(own(tmp_path))
    assert isinstance(prior, OwnPrior)
    assert (prior.channels, prior.noise_max) == (1, 80)
    estimate = prior(torch.randn(2, 1, 9, 14), 0.5)
    assert estimate.shape == (2, 1, 9, 14)
    assert estimate.abs().max() <= 1


@torch.inference_mode()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_published_weights_estimate_from_the_noise(tmp_path: Path, dtype: torch.dtype) -> None:
    prior = load_prior(published(tmp_path), dtype=dtype, head_channels=32)
    assert isinstance(prior, ADMPrior)
    x = torch.randn(1, 3, 16, 16)
    index = 400
    level = float(prior.levels[index])
    noise = prior.network(x.to(dtype), torch.tensor([float(index)]))[:, :3].float()
    expected = ((x - (1 - level**2) ** 0.5 * noise) / level).clamp(-1, 1)
    torch.testing.assert_close(prior(x, level), expected, atol=1e-4, rtol=1e-4)
    assert 150 < prior.noise_max < 160  # the last of 1000 linear steps


def test_a_nearly_clean_image_stays(tmp_path: Path) -> None:
    x = torch.rand(1, 3, 16, 16) * 2 - 1
    with torch.inference_mode():
        estimate = load_prior(published(tmp_path), head_channels=32)(x, 0.99995)
    assert (estimate - x).abs().max() < 0.1


def test_a_network_with_a_condition_is_no_prior(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="with a condition"):
        load_prior(own(tmp_path, in_channels=8))


def test_absent_weights_are_named() -> None:
    with pytest.raises(WeightsError):
        load_prior("prior-of-nobody")


def test_samples_follow_from_their_seeds(tmp_path: Path) -> None:
    prior = load_prior(own(tmp_path))
    pictures = drawn(prior, 3, 20, 4, seed=5)
    assert pictures.shape == (3, 1, 20, 20)
    assert torch.equal(pictures[1:2], drawn(prior, 1, 20, 4, seed=6))
    assert not torch.equal(pictures[0], pictures[1])
    page = sheet(pictures)
    assert page.shape == (1, 46, 46)
    assert (page[0, 2:22, 24:44] == pictures[1, 0].numpy()).all()
    with pytest.raises(OptionError):
        drawn(prior, 0, 20, 4)

"""DDFM-PALM as users meet it: any ratio, the prior at work, seeds, errors, the command line on real pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow
from safetensors.torch import save_file
from scipy.ndimage import gaussian_filter
from typer.testing import CliRunner

import trifuse
from trifuse.cli.app import app
from trifuse.core.errors import InputError, OptionError, WeightsError
from trifuse.core.image import Image
from trifuse.core.random import Random
from trifuse.diffusion.model import METADATA, Behaviour
from trifuse.diffusion.proximal import PRIORLESS, ProximalPALM, with_luma
from trifuse.diffusion.samplers import DDIM, gaussian, noisy_start, sample
from trifuse.diffusion.schedule import noise_of, to_clean, uniform_lambda
from trifuse.filters import palm_corrected
from trifuse.filters.palm import Pair
from trifuse.filters.palm_corrected import noise_variance
from trifuse.methods.ddfm_palm import DDFMPALM
from trifuse.nets.adm_unet import ADMConfig, ADMUNet
from trifuse.nets.sr3_config import UNetConfig
from trifuse.nets.sr3_unet import SR3UNet

Array = NDArray[np.float64]


def study(coarse: tuple[int, int], ratio: int, speckle: float = 0.06) -> tuple[Array, Array, Array]:
    """An MRI, an ultrasound image of `ratio` times its size that follows it, with speckle, and without; 0..1."""
    rng = np.random.default_rng(0)
    fine = gaussian_filter(rng.standard_normal([n * ratio for n in coarse]), 5)
    fine = (fine - fine.min()) / np.ptp(fine)
    mri = fine.reshape(coarse[0], ratio, coarse[1], ratio).mean(axis=(1, 3))
    clean = 0.2 + 0.5 * fine + 0.1 * fine**2
    return mri, np.clip(clean + speckle * np.log(rng.rayleigh(size=fine.shape)), 0, 1), clean


@pytest.fixture
def own_prior(tmp_path: Path) -> str:
    """An untrained network in the layout of our own priors."""
    shape = UNetConfig(
        in_channels=4, out_channels=4, channels=8, multipliers=(1, 2), res_blocks=1, attention_levels=(), norm_groups=4
    )
    torch.manual_seed(0)
    behaviour = Behaviour(prediction="v", norm_groups=4, conditions=(), unfold=2, noise_max=80)
    file = tmp_path / "own.safetensors"
    save_file(SR3UNet(shape).state_dict(), file, metadata={METADATA: behaviour.model_dump_json()})
    return str(file)


class SmoothPrior:
    """What a denoiser of smooth images does: the noisier the image, the wider it averages."""

    channels = 1
    noise_max = 80.0

    def __call__(self, x: torch.Tensor, level: float) -> torch.Tensor:
        width = min(3.0, 12 * float(noise_of(level)))
        images = [gaussian_filter(image, width, mode="nearest") for image in (x / level)[:, 0].numpy()]
        return torch.from_numpy(np.stack(images))[:, None]


@pytest.mark.parametrize("ratio", [1, 4])
def test_the_prior_denoises(ratio: int) -> None:
    """On speckled data the chain comes nearer to the truth than the same cost without a prior."""
    mri, us, clean = study((64 // ratio, 64 // ratio), ratio)
    pair = Pair(mri, us)
    alone = palm_corrected.solve(pair, pair.yu, PRIORLESS, iterations=10)

    def error(trust: float) -> float:
        problem = palm_corrected.Problem(pair, pair.yu, PRIORLESS)
        variances = noise_variance(pair.ym), noise_variance(pair.yu)
        denoise = ProximalPALM(problem, SmoothPrior(), (alone.super_resolved, alone.fused), variances, trust)
        noise, walked = gaussian(Random(0)), to_clean(uniform_lambda(6, 0.3, 0.05))
        start = noisy_start(denoise.state, float(walked[0]), noise)
        fused = denoise.us(sample(DDIM(), denoise, start, walked, noise)) * pair.us_top
        return float(np.std(fused - clean))

    assert error(1.0) < 0.8 * error(0.0)
    assert error(0.0) < np.std(us - clean)


def test_without_trust_the_chain_is_palm() -> None:
    """The prior's estimate has no say then, whatever it is."""
    mri, us, _ = study((16, 16), 2)
    pair = Pair(mri, us)
    alone = palm_corrected.solve(pair, pair.yu, iterations=30, tolerance=1e-7)
    problem = palm_corrected.Problem(pair, pair.yu, palm_corrected.DEFAULTS)
    denoise = ProximalPALM(problem, SmoothPrior(), (alone.super_resolved, alone.fused), (1.0, 1.0), trust=0)
    state = denoise(torch.zeros(2, 1, 32, 32), 0.9)
    assert np.abs(denoise.us(state) - alone.fused).max() < 1e-3


@pytest.mark.parametrize(("coarse", "ratio"), [((17, 13), 3), ((31, 24), 1), ((10, 11), 5)])
def test_any_ratio_and_size(coarse: tuple[int, int], ratio: int, own_prior: str) -> None:
    mri, us, _ = study(coarse, ratio)
    options = {"prior": own_prior, "steps": 2, "palm_iterations": 1, "denoiser": "none"}
    fused = trifuse.fuse([mri, us], "ddfm-palm", options=options)
    assert fused.image.space == us.shape
    assert np.isfinite(fused.image.pixels).all()


def test_seed_and_prior_decide(own_prior: str) -> None:
    mri, us, _ = study((12, 12), 2)

    def fused(seed: int, prior: str) -> Array:
        options = {"prior": prior, "steps": 2, "denoiser": "none"}
        return np.asarray(trifuse.fuse([mri, us], "ddfm-palm", seed=seed, options=options).image.pixels)

    assert np.array_equal(fused(1, own_prior), fused(1, own_prior))
    assert np.abs(fused(1, own_prior) - fused(2, own_prior)).max() > 1e-4
    assert np.abs(fused(1, own_prior) - fused(1, "none")).max() > 1e-3
    alone = trifuse.fuse([mri, us], "palm", options={"denoiser": "none"}).image.pixels
    assert np.array_equal(fused(1, "none"), alone)


def test_a_published_network_serves_both_variants(tmp_path: Path) -> None:
    """The corrected chain changes with the network, the published one gives the picture that it gives without."""
    torch.manual_seed(0)
    config = ADMConfig(channels=64, multipliers=(1, 2), res_blocks=1, attention_levels=(), head_channels=64)
    torch.save(ADMUNet(config).state_dict(), tmp_path / "uncond.pt")
    mri, us, _ = study((16, 16), 2)
    options = {"prior": str(tmp_path / "uncond.pt"), "steps": 2, "denoiser": "none"}
    corrected = trifuse.fuse([mri, us], "ddfm-palm", options=options).image
    assert corrected.channels == 1
    published = options | {"variant": "reference"}
    with_network = trifuse.fuse([mri, us], "ddfm-palm", options=published).image.pixels
    without = trifuse.fuse([mri, us], "ddfm-palm", options=published | {"prior": "none"}).image.pixels
    assert np.abs(with_network - without).max() <= 1.001 / 255


def test_slices_of_a_volume_share_one_stretch() -> None:
    _, us, _ = study((16, 16), 2)
    volume = np.stack([0.2 * us] * 3 + [us], axis=-1).astype(np.float32)
    options = {"variant": "reference", "denoiser": "none"}

    def fused(image: Array) -> Array:
        return np.asarray(trifuse.fuse([image, image], "ddfm-palm", options=options).image.pixels)

    together, alone = fused(volume), fused(volume[..., 0])
    assert np.array_equal(together[..., 0], together[..., 1])
    assert float(together.max()) == 1
    assert float(alone.max()) == 1  # by itself, a dim slice is stretched to the full range
    assert float(together[..., 0].max()) < 0.3


def test_luma_is_replaced_and_chroma_kept() -> None:
    generator = torch.Generator().manual_seed(0)
    rgb, luma = torch.rand(1, 3, 4, 5, generator=generator) * 2 - 1, torch.rand(1, 1, 4, 5, generator=generator)
    changed = with_luma(rgb, luma)
    weights = torch.tensor([65.481, 128.553, 24.966])
    assert torch.allclose((torch.einsum("c,bchw->bhw", weights, changed) + 16) / 255, luma[:, 0], atol=1e-6)
    assert torch.allclose(changed[:, 0] - changed[:, 1], rgb[:, 0] - rgb[:, 1], atol=1e-6)


def test_noise_variance_is_that_of_white_noise() -> None:
    rng = np.random.default_rng(0)
    smooth = gaussian_filter(rng.standard_normal((101, 128)), 8)
    assert noise_variance(smooth + rng.normal(0, 0.05, smooth.shape)) == pytest.approx(0.05**2, rel=0.1)


def test_what_cannot_be_is_reported(own_prior: str) -> None:
    mri, us, _ = study((12, 12), 2)

    def fused(**options: object) -> None:
        trifuse.fuse([mri, us], "ddfm-palm", options={"denoiser": "none"} | options)

    with pytest.raises(OptionError, match="1 or more"):
        fused(steps=0)
    with pytest.raises(OptionError, match="above 0"):
        fused(noise=0)
    with pytest.raises(WeightsError, match="prior=none"):
        fused(prior="absent.safetensors")
    with pytest.raises(InputError, match="needs 32"):
        fused(variant="reference")
    with pytest.raises(WeightsError, match="guided diffusion"):
        DDFMPALM(variant="reference", prior=own_prior, denoiser="none").fuse(
            [torch.rand(1, 1, 32, 32), torch.rand(1, 1, 32, 32)], scale=1, random=Random(0)
        )


def test_reference_refuses_what_its_size_does_not_fit() -> None:
    """Sides that 32 does not divide change, and then neither colour nor a third source fits."""
    options = {"variant": "reference", "denoiser": "none"}
    for side, fits in ((64, True), (70, False)):
        mri, us, _ = study((side, side), 1)
        grey, coloured = (Image(np.stack(planes).astype(np.float32)) for planes in ([us], [us, us / 2, us]))
        for sources in ([grey, coloured], [mri, us, us]):
            if fits:
                assert trifuse.fuse(sources, "ddfm-palm", options=options).image.space == (side, side)
            else:
                with pytest.raises(InputError, match="64 x 64 and 70 x 70"):
                    trifuse.fuse(sources, "ddfm-palm", options=options)


@pytest.mark.parametrize("method", ["ddfm", "ddfm-palm"])
def test_half_precision_stays_near(method: str, own_prior: str) -> None:
    sources = list(study((48, 48), 1)[:2])
    options = {"prior": own_prior, "noise": 0.1, "steps": 2} | ({"denoiser": "none"} if method == "ddfm-palm" else {})
    full, half = (trifuse.fuse(sources, method, options=options, precision=p).image.pixels for p in ("fp32", "bf16"))
    difference = np.abs(full - half)
    assert difference.max() > 0
    assert difference.mean() < 0.01


def test_command_line_on_real_pictures(data: Path, tmp_path: Path, own_prior: str) -> None:
    folder = data / "mri-us" / "data1" / "input_8bit"
    boxes = {"irm": (30, 30, 54, 54), "us": (180, 180, 324, 324)}
    for name, box in boxes.items():
        Pillow.open(folder / f"{name}.png").convert("L").crop(box).save(tmp_path / f"{name}.png")
    sources = [str(tmp_path / f"{name}.png") for name in boxes]
    out = tmp_path / "fused.png"
    options = [f"--option=prior={own_prior}", "--option=steps=2"]
    result = CliRunner().invoke(app, ["fuse", *sources, "--method", "ddfm-palm", *options, "-o", str(out)])
    assert result.exit_code == 0, result.output
    fused = np.asarray(Pillow.open(out))
    assert fused.shape == (144, 144)
    us = np.asarray(Pillow.open(sources[1]))
    assert np.corrcoef(fused.ravel(), us.ravel())[0, 1] > 0.5

"""DDFM-PALM against the published program: its chain, and the pictures that were published."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow

import trifuse
from tests.golden import goldens
from trifuse.diffusion.prior import ADMPrior
from trifuse.diffusion.proximal import PublishedPALM
from trifuse.diffusion.samplers import DDIM, replay
from trifuse.diffusion.schedule import kept_steps, to_clean
from trifuse.methods.ddfm_palm import resized, written
from trifuse.nets.adm_unet import from_state

KIND = "tiny_ddfm_palm"


def levels(fused: trifuse.Fused) -> NDArray[np.int64]:
    return np.rint(fused.image.pixels[0] * 255).astype(np.int64)


def check_picture(ours: NDArray[np.int64], theirs: NDArray[np.uint8]) -> None:
    """The agreement that PALM's own pictures have: all but one pixel in 10,000 equal, the rest one level off."""
    assert ours.shape == theirs.shape
    difference = np.abs(ours - theirs)
    assert difference.max() <= 1
    assert (difference == 0).mean() >= 0.9999


def test_topic_is_covered() -> None:
    goldens.check_topic("ddfm", KIND, "tiny_ddfm", "em_onestep", "schedule")


@pytest.mark.parametrize("name", ["1_palm_200_ddfm", "2_palm_20_ddfm", "20_palm_2_ddfm"])
def test_published_pictures_need_no_network(data: Path, name: str) -> None:
    folder = data / "mri-us" / "data1"
    sources = [folder / "input_ddfm" / f"Data1_{image}.png" for image in ("irm", "us")]
    published = np.asarray(Pillow.open(folder / "published_ddfm_palm" / f"{name}.png").convert("L"))
    options = {"variant": "reference", "denoiser": "none", "palm_iterations": int(name.split("_")[0])}
    check_picture(levels(trifuse.fuse(sources, "ddfm-palm", options=options)), published)


@goldens.each("ddfm", KIND)
def test_result_of_the_chain_without_its_network(path: Path) -> None:
    golden = np.load(path)
    checkpoint = str(goldens.fixed("palm", "dncnn_s25.npz"))
    sources = [golden[name].astype(np.uint8) for name in ("irm", "us")]
    options = {"variant": "reference", "denoiser": checkpoint}
    ours = levels(trifuse.fuse(sources, "ddfm-palm", options=options))
    assert np.abs(ours - golden["recon_u8"]).max() <= 1


@goldens.each("ddfm", KIND)
def test_chain(path: Path) -> None:
    """Every stored state of the chain with the tiny network.

    Luma agrees to float32. Chroma cannot: the program multiplies the prediction by its 95 % quantile, about 150 at the
    noisy end, on top of the factor s / a = 157 of the noise, so that what differs between two processors in the last
    digit of a convolution (the network alone agrees to 6e-6) grows 20,000-fold wherever the clamp does not
    hide it. The same chain in float64, or with x_T moved by 1e-6, ends as far away, 2e-2 at its worst pixel.
    """
    golden = np.load(path)
    named = re.search(r"\S+\.npz", str(golden["tiny_net"]))
    assert named
    tiny = np.load(goldens.fixed("ddfm", named[0]))
    state = {key[2:]: torch.from_numpy(tiny[key]) for key in tiny.files if key.startswith("w/")}
    prior = ADMPrior(from_state(state, head_channels=16))
    start = torch.from_numpy(golden["x_T"])
    denoise = PublishedPALM(prior, resized(torch.from_numpy(golden["palm_x2"])))
    steps = 10
    with torch.inference_mode():
        states = list(DDIM().walk(denoise, start, to_clean(prior.levels[kept_steps(1000, steps)[::-1]]), replay([])))
    luma = torch.tensor([0.299, 0.587, 0.114])
    stored = torch.from_numpy(golden["samples"])
    for index, theirs in zip(golden["sample_idx"], stored, strict=True):
        difference = states[steps - 1 - index][0] - theirs
        assert torch.einsum("c,chw->hw", luma, difference).abs().max() < 1e-5, index
        assert difference.square().mean().sqrt() < 1e-3, index
        assert (difference.abs() < 1e-3).float().mean() > 0.98, index
    assert (states[-1] - torch.from_numpy(golden["final_pred_xstart"])).square().mean().sqrt() < 1e-3
    ours = written(torch.einsum("c,bchw->bhw", luma, states[-1])[:, None])[0, 0].numpy() * 255
    assert np.abs(np.rint(ours) - golden["recon_u8"]).max() <= 1

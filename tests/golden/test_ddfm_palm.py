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
from trifuse.diffusion.samplers import DDIM, replay, sample
from trifuse.diffusion.schedule import kept_steps, to_clean
from trifuse.methods.base import range_of
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


@goldens.each("ddfm", "tiny_ddfm", holding="^palm_x2$")
def test_result_of_the_chain_without_its_network(path: Path) -> None:
    golden = np.load(path)
    checkpoint = str(goldens.fixed("palm", "dncnn_s25.npz"))
    sources = [golden[name].astype(np.uint8) for name in ("irm", "us")]
    options = {"variant": "reference", "denoiser": checkpoint}
    ours = levels(trifuse.fuse(sources, "ddfm-palm", options=options))
    assert np.abs(ours - golden["recon_u8"]).max() <= 1


@torch.inference_mode()
@goldens.each("ddfm", "tiny_ddfm", holding="^palm_x2$")
def test_chain(path: Path) -> None:
    """Every stored state of the chain with the tiny network, each from the stored state before it.

    A walk from x_T to the end cannot be compared at this tolerance: the program multiplies the prediction by its 95 %
    quantile, 352 at the noisy end, on top of the factor s / a = 157 of the noise. One unit in the last place of what
    the network says moves chroma by 3e-2 six steps later, as far as two processors are apart.
    """
    golden = np.load(path)
    named = re.search(r"\S+\.npz", str(golden["tiny_net"])) if "tiny_net" in golden else None
    tiny = np.load(goldens.fixed("ddfm", named[0] if named else "tiny_ddfm.npz"))
    state = {key[2:]: torch.from_numpy(tiny[key]) for key in tiny.files if key.startswith("w/")}
    prior = ADMPrior(from_state(state, head_channels=16))
    denoise = PublishedPALM(prior, resized(torch.from_numpy(golden["palm_x2"])))
    steps = 1 + int(golden["sample_idx"].max())  # the first state is that after the first step
    chain = to_clean(prior.levels[kept_steps(1000, steps)[::-1]])
    luma = torch.tensor([0.299, 0.587, 0.114])
    given, done = torch.from_numpy(golden["x_T"]), 0
    for index, theirs in zip(golden["sample_idx"], torch.from_numpy(golden["samples"])[:, None], strict=True):
        stop = steps - int(index)
        ours = sample(DDIM(), denoise, given, chain[done : stop + 1], replay([]))
        assert (ours - theirs).abs().max() < 1e-3, index
        assert torch.einsum("c,bchw->bhw", luma, ours - theirs).abs().max() < 1e-5, index
        given, done = theirs, stop
    np.testing.assert_allclose(ours, golden["final_pred_xstart"], rtol=0, atol=1e-3)
    last = torch.einsum("c,bchw->bhw", luma, ours)[:, None]
    picture = written(last, *range_of(last))[0, 0].numpy() * 255
    assert np.abs(np.rint(picture) - golden["recon_u8"]).max() <= 1

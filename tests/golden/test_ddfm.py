"""DDFM against its authors' program: EM steps, respacing, whole chains with given noise."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch

from tests.golden.goldens import check_topic, each, fixed
from trifuse.diffusion.prior import ADMPrior
from trifuse.diffusion.proximal import with_luma
from trifuse.diffusion.samplers import DDIM, replay
from trifuse.diffusion.schedule import Schedule, kept_steps, to_clean
from trifuse.filters.laplace_em import Splitting, published_step
from trifuse.methods.ddfm import PublishedEM, studio_luma
from trifuse.nets.adm_unet import embedded, from_state

HEAD = 16
"""Channels per head of the goldens' network."""


def test_topic() -> None:
    check_topic("ddfm", "em_onestep", "schedule", "tiny_ddfm", "unet256_keys")


@each("ddfm", "em_onestep")
def test_em_steps(path: Path) -> None:
    golden = np.load(path)
    first, second = (torch.from_numpy(golden[name]) for name in "IV")
    for setting in sorted({key[0] for key in golden if key.endswith("_lamb_rho")}):
        smoothness, penalty = golden[f"{setting}_lamb_rho"]
        memory = Splitting.start(first)
        steps = sorted(int(m[1]) for key in golden if (m := re.fullmatch(rf"{setting}(\d+)_f_pre", key)))
        assert steps == list(range(len(steps)))
        for step in steps:
            proposal = torch.from_numpy(golden[f"{setting}{step}_f_pre"])
            fused, memory = published_step(proposal, first, second, memory, float(smoothness), float(penalty))
            np.testing.assert_allclose(fused, golden[f"{setting}{step}_F"], rtol=0, atol=2e-5)
            if f"{setting}{step}_tau" in golden:
                taus = [float(memory.tau_a), float(memory.tau_b)]
                np.testing.assert_allclose(taus, golden[f"{setting}{step}_tau"], rtol=1e-4)
            if f"{setting}{step}_F1" in golden:
                np.testing.assert_allclose(memory.horizontal, golden[f"{setting}{step}_F1"], rtol=0, atol=2e-5)
                np.testing.assert_allclose(memory.vertical, golden[f"{setting}{step}_F2"], rtol=0, atol=2e-5)


@each("ddfm", "schedule")
def test_respacing(path: Path) -> None:
    golden = np.load(path)
    schedule = Schedule.make("linear", 1000, 1e-4, 0.02)
    for key in golden:
        name = key.removeprefix("timesteps_")
        if name == key:
            continue
        total = 300 if "_" in name else 1000
        kept = kept_steps(total, name.replace("_", ",") if not name.isdigit() else int(name))
        assert kept == golden[key].tolist(), key
        if f"alphas_cumprod_{name}" in golden:
            cumulative = schedule.levels[1:][kept] ** 2
            np.testing.assert_allclose(cumulative, golden[f"alphas_cumprod_{name}"], rtol=1e-11)


@each("ddfm", "schedule")
def test_colours_and_times(path: Path) -> None:
    golden = np.load(path)
    rgb = torch.from_numpy(golden["rgb"])
    np.testing.assert_allclose(255 * studio_luma(rgb)[:, 0], golden["ycbcr"][:, 0], rtol=0, atol=1e-3)
    lifted = with_luma(rgb, torch.from_numpy(golden["ycbcr2"][:, :1]) / 255)
    np.testing.assert_allclose(lifted, golden["rgb2"], rtol=0, atol=2e-5)
    for channels in [int(key.removeprefix("temb_")) for key in golden if re.fullmatch(r"temb_\d+", key)]:
        embedding = embedded(torch.from_numpy(golden["temb_t"]), channels)
        last_place = int(golden["temb_t"].max()) * 2.0**-24  # processors round exp differently, and t enlarges that
        np.testing.assert_allclose(embedding, golden[f"temb_{channels}"], rtol=0, atol=10 * last_place)


@torch.inference_mode()
@each("ddfm", "tiny_ddfm", holding=r"^eta\d_samples$")
def test_chains(path: Path) -> None:
    golden = np.load(path)
    weights = golden if any(key.startswith("w/") for key in golden) else np.load(fixed("ddfm", "tiny_ddfm.npz"))
    state = {key[2:]: torch.from_numpy(weights[key]) for key in weights if key.startswith("w/")}
    prior = ADMPrior(from_state(state, path.name, HEAD))
    first, second, start = (torch.from_numpy(golden[name]) for name in ("I", "V", "x_T"))
    smoothness, penalty = (float(value) for value in golden["lamb_rho"])
    levels = to_clean(prior.levels[kept_steps(1000, len(golden["noises"]))[::-1]])
    etas = [int(m[1]) for key in golden if (m := re.fullmatch(r"eta(\d)_samples", key))]
    assert etas
    for eta in etas:
        denoise = PublishedEM(prior, first, second, smoothness, penalty)
        states = list(DDIM(eta).walk(denoise, start, levels, replay(torch.from_numpy(golden["noises"]))))
        np.testing.assert_allclose(torch.cat(states), golden[f"eta{eta}_samples"], rtol=0, atol=1e-3)
        luma = torch.einsum("c,bchw->bhw", torch.tensor([0.299, 0.587, 0.114]), states[-1])[0]
        stretched = (luma - luma.min()) / (luma.max() - luma.min()) * 255
        if f"eta{eta}_recon" in golden:
            np.testing.assert_allclose(stretched, golden[f"eta{eta}_recon"], rtol=0, atol=0.3)

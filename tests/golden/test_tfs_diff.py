"""The SR3 family against outputs of the original programs (topic `tfs-diff`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.golden.goldens import assert_close, check_topic, each
from trifuse.core import resize
from trifuse.diffusion.conditions import enlarged, picture
from trifuse.diffusion.denoiser import NetworkDenoiser, NoisePrediction, noised
from trifuse.diffusion.samplers import DDIM, Ancestral, DPMSolver2M, Heun, Sampler, UniPC, replay, sample
from trifuse.diffusion.schedule import Schedule, full
from trifuse.metrics.evaluate import evaluate
from trifuse.nets.sr3_config import UNetConfig
from trifuse.nets.sr3_unet import SR3UNet, from_state_dict
from trifuse.train.losses.ssim import ssim_map

TOPIC = "tfs-diff"
KINDS = ("tfs_unet_", "tfs_chain_", "tfs_loss_", "sr3_unet_", "ddpm_unet_", "schedules", "I", "resize_", "metrics_")
KINDS += ("samplers_", "dataset_")
LAYER, CHAIN, LOSS = 1e-4, 1e-3, 1e-4


def test_topic_is_known() -> None:
    check_topic(TOPIC, *KINDS)


def state_of(golden: Any) -> dict[str, Tensor]:
    return {k[3:]: torch.from_numpy(golden[k]).float() for k in golden.files if k.startswith("sd/")}


def settings(golden: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(str(golden[name]))
    return found


def network_of(golden: Any) -> SR3UNet:
    return from_state_dict(state_of(golden), norm_groups=settings(golden, "config")["norm_groups"])


def schedule_of(golden: Any) -> Schedule:
    given = settings(golden, "schedule")
    return Schedule.make(given["schedule"], given["n_timestep"], given["linear_start"], given["linear_end"])


def layers_of(network: SR3UNet, x: Tensor, level: Tensor) -> dict[str, Tensor]:
    """Outputs of the layers under the names of the goldens."""
    seen: dict[str, Tensor] = {}
    hooks = [
        layer.register_forward_hook(lambda _m, _i, out, name=f"{group}_{index}": seen.__setitem__(name, out))
        for group in ("downs", "mid", "ups")
        for index, layer in enumerate(getattr(network, group))
    ]
    mlp = network.noise_level_mlp if network.config.embedding == "level" else network.time_mlp
    with torch.no_grad():
        seen["pos_enc"] = mlp[0](level.reshape(-1))
        seen["noise_emb"] = network.embed(level)
        seen["after_se"] = network.gate(x)
        if network.config.se_scope != "none":
            seen["se_gate"] = network.SE_block.gates(x)
        seen["out"] = network(x, level)
    for hook in hooks:
        hook.remove()
    return seen


@each(TOPIC, "tfs_unet_", "sr3_unet_", "ddpm_unet_")
def test_every_layer(path: Path) -> None:
    golden = np.load(path)
    network = network_of(golden)
    x = torch.from_numpy(golden["x"])
    level = torch.from_numpy(golden["t_index" if "t_index" in golden.files else "level"])
    checked = 0
    for name, ours in layers_of(network, x, level).items():
        if name in golden.files:
            theirs = golden[name]
            assert_close(ours[: len(theirs)].reshape(theirs.shape), theirs, LAYER)
            checked += 1
    assert checked
    if "out_float64" in golden.files:
        with torch.no_grad():
            assert_close(network.double()(x.double(), level.double()), golden["out_float64"], 1e-6)


@each(TOPIC, "tfs_unet_", "sr3_unet_", "ddpm_unet_")
def test_configuration_and_names(path: Path) -> None:
    golden = np.load(path)
    network = network_of(golden)
    given = settings(golden, "config")
    kind = str(golden["kind"]) if "kind" in golden.files else "tfs"
    expected = UNetConfig.from_official(
        given,
        given["image_size"],
        se_scope="input" if kind == "tfs" else "none",
        embedding="index" if kind == "ddpm" else "level",
    )
    assert network.config == expected.model_copy(update={"dropout": 0.0})
    assert list(SR3UNet(expected).state_dict()) == [k[3:] for k in golden.files if k.startswith("sd/")]


def chain(golden: Any, network: SR3UNet, prefix: str) -> list[Tensor]:
    schedule = schedule_of(golden)
    time = schedule.index_of if network.config.embedding == "index" else float
    condition = torch.from_numpy(golden[prefix + "cond"])
    denoise = NetworkDenoiser(network, condition, NoisePrediction(), time=time)
    noise = replay(torch.from_numpy(golden[prefix + "noises"]))
    with torch.no_grad():
        start = torch.from_numpy(golden[prefix + "x_T"])
        return [start, *Ancestral().walk(denoise, start, full(schedule), noise)]


def every_kth(states: list[Tensor], source: Tensor) -> Tensor:
    """What the program returns for `continous=True`: the source, then the states after t = 0 mod k."""
    steps = len(states) - 1
    k = 1 | (steps // 10)
    return torch.cat([source, *(states[steps - t] for t in range(steps - 1, -1, -1) if t % k == 0)])


@each(TOPIC, "tfs_chain_")
def test_chain(path: Path) -> None:
    golden = np.load(path)
    states = chain(golden, network_of(np.load(path.with_name(str(golden["weights"])))), "")
    assert_close(torch.stack([state[0] for state in states[:-1]]), golden["x_t_sample0"], CHAIN)
    assert_close(states[-1], golden["final"], CHAIN)
    assert_close(states[-1][-1], golden["returned_last"], CHAIN)
    first_source = torch.from_numpy(golden["cond"])[:, :3]
    assert_close(every_kth(states, first_source), golden["returned_continous"], CHAIN)


@each(TOPIC, "tfs_chain_")
def test_what_the_network_says_in_a_chain(path: Path) -> None:
    golden = np.load(path)
    network = network_of(np.load(path.with_name(str(golden["weights"]))))
    denoise = NetworkDenoiser(network, torch.from_numpy(golden["cond"]), NoisePrediction())
    levels = full(schedule_of(golden))
    states = torch.from_numpy(golden["x_t_sample0"])
    with torch.no_grad():
        first = denoise.output(torch.from_numpy(golden["x_T"]), levels[0])
        denoise_one = NetworkDenoiser(network, torch.from_numpy(golden["cond"][:1]), NoisePrediction())
        last = denoise_one.output(states[-1:], levels[-2])
    assert_close(first, golden["eps_first"], LAYER)
    assert_close(last[0], golden["eps_last"][0], LAYER)


@each(TOPIC, "sr3_unet_", "ddpm_unet_")
def test_sr3_chain(path: Path) -> None:
    golden = np.load(path)
    states = chain(golden, network_of(golden), "chain_")
    assert_close(states[-1], golden["chain_final"], CHAIN)
    source = torch.from_numpy(golden["chain_cond"])
    assert_close(every_kth(states, source), golden["chain_returned_continous"], CHAIN)


@each(TOPIC, "I", suffix="_gen.pth")
def test_published_checkpoint_layout(path: Path) -> None:
    golden = np.load(path.with_name(path.name.replace("_gen.pth", "_io.npz")))
    state = torch.load(path, weights_only=True)
    network = from_state_dict(state, norm_groups=settings(golden, "config")["norm_groups"])
    wrapped = {f"module.{name}": value for name, value in state.items()}
    again = from_state_dict(wrapped, norm_groups=network.config.norm_groups)
    with torch.no_grad():
        x, level = torch.from_numpy(golden["x"]), torch.from_numpy(golden["level"])
        assert_close(network(x, level), golden["out"], LAYER)
        assert torch.equal(again(x, level), network(x, level))
    for name, ours in schedule_of(golden).buffers().items():
        np.testing.assert_array_max_ulp(ours, state[name].numpy(), maxulp=1)


def same_buffers(golden: Any, name: str, schedule: Schedule, at: Any) -> None:
    for key, ours in schedule.buffers().items():
        theirs = golden[f"{name}/{key}"]
        finite = np.isfinite(theirs)
        assert np.array_equal(np.isfinite(ours[at]), finite)
        np.testing.assert_array_max_ulp(ours[at][finite], theirs[finite], maxulp=1)


@each(TOPIC, "schedules")
def test_schedules(path: Path) -> None:
    golden = np.load(path)
    names = {key.split("/")[0] for key in golden.files if key.endswith("/params")}
    assert names
    for name in names:
        steps, start, end = golden[f"{name}/params"]
        schedule = Schedule.make(name, int(steps), start, end)  # type: ignore[arg-type]
        assert_close(schedule.betas, golden[f"{name}/betas_f64"], 0, 1e-14)
        assert_close(schedule.levels, golden[f"{name}/sqrt_alphas_cumprod_prev_f64"], 1e-15)
        same_buffers(golden, name, schedule, slice(None))
    if "linear4000/idx" in golden.files:
        index = golden["linear4000/idx"]
        schedule = Schedule.make("linear", 4000, 1e-6, 1e-2)
        same_buffers(golden, "linear4000", schedule, index)
        assert_close(schedule.levels[index], golden["linear4000/sqrt_alphas_cumprod_prev_f64_at_idx"], 1e-15)
        assert_close(schedule.levels[index + 1], golden["linear4000/sqrt_alphas_cumprod_prev_f64_at_idx_plus_1"], 1e-15)


def gaussian_posterior_mean(golden: Any) -> Any:
    r"""E[x0 | x] for independent N(mu, s^2): (mu sigma^2 + x a s^2) / (a^2 s^2 + sigma^2)."""
    mu, variance = torch.from_numpy(golden["gauss_mu"]), torch.from_numpy(golden["gauss_s"]) ** 2

    def denoise(x: Tensor, level: float) -> Tensor:
        noise = (1 - level) * (1 + level)
        return (mu * noise + x * level * variance) / (level**2 * variance + noise)

    return denoise


def mixture_posterior_mean(golden: Any) -> Any:
    """E[x0 | x] for a mixture of Gaussians in one dimension."""
    weights, means = torch.from_numpy(golden["mix_w"]), torch.from_numpy(golden["mix_m"])
    variance = torch.from_numpy(golden["mix_s"]) ** 2

    def denoise(x: Tensor, level: float) -> Tensor:
        noise = (1 - level) * (1 + level)
        total = level**2 * variance + noise
        share = (weights.log() - total.log() / 2 - (x[:, None] - level * means) ** 2 / (2 * total)).softmax(dim=1)
        return (share * (means * noise + x[:, None] * level * variance) / total).sum(dim=1)

    return denoise


SOLVERS: dict[str, Sampler] = {
    "ddim": DDIM(),
    "dpmpp2m": DPMSolver2M(),
    "unipc2_bh2": UniPC(2),
    "unipc3_bh2": UniPC(3),
    "heun": Heun(),
}


@pytest.mark.parametrize("solver", SOLVERS)
@each(TOPIC, "samplers_")
def test_solvers(path: Path, solver: str) -> None:
    golden = np.load(path)
    compared = [key for key in golden.files if key.endswith(f"_{solver}")]
    assert compared
    for key in compared:
        problem, grid = key.removesuffix(f"_{solver}").split("_", 1)
        denoise = gaussian_posterior_mean(golden) if problem == "gauss" else mixture_posterior_mean(golden)
        start = torch.from_numpy(golden[f"{problem}_xT"])
        ours = sample(SOLVERS[solver], denoise, start, golden[f"levels_{grid}"], replay([]))
        assert_close(ours, golden[key], 1e-9, err_msg=key)


@each(TOPIC, "tfs_loss_")
def test_the_network_in_training(path: Path) -> None:
    golden = np.load(path)
    network = network_of(np.load(path.with_name(str(golden["weights"]))))
    x0, noise = torch.from_numpy(golden["x_start"]), torch.from_numpy(golden["noise"])
    level = torch.from_numpy(golden["level"])
    x = noised(x0, noise, level.float().double()[:, None, None, None])
    assert_close(x, golden["x_noisy"], 1e-5)
    said = network(torch.cat([torch.from_numpy(golden["cond"]), x], dim=1), level.float())
    assert_close(said.detach(), golden["eps"], LAYER)
    (noise - said).abs().mean().backward()  # the program's SSIM has the weight 1/N beside it: no effect
    same_gradients(golden, network)


def same_gradients(golden: Any, network: SR3UNet) -> None:
    gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    for name in [key.removeprefix("grad_l1/") for key in golden.files if key.startswith("grad_l1/")]:
        theirs = golden[f"grad_l1/{name}"]
        assert np.linalg.norm(gradients[name].numpy() - theirs) <= 1e-3 * np.linalg.norm(theirs)
    norm = torch.stack([gradient.norm() for gradient in gradients.values()]).norm()
    assert_close(norm, golden["grad_norm_l1"], 0, 1e-3)


@each(TOPIC, "tfs_loss_")
def test_estimate_and_similarity(path: Path) -> None:
    golden = np.load(path)
    x0, x, said = (torch.from_numpy(golden[name]) for name in ("x_start", "x_noisy", "eps"))
    level = torch.from_numpy(golden["level"])[:, None, None, None]
    estimate = NoisePrediction().x0(said, x, level).clamp(-1, 1)
    assert_close(estimate, golden["rec_x0_hat"], 1e-5)
    assert_close(ssim_map(estimate, x0, 2.0).mean(dim=(1, 2, 3)), golden["rec_ssim_per_image_L2"], 0, 1e-5)
    if "ssim_map_x0_vs_eps_L1" in golden:
        assert_close(ssim_map(x0, said, 1.0), golden["ssim_map_x0_vs_eps_L1"], LAYER)


@each(TOPIC, "sr3_unet_", "ddpm_unet_")
def test_the_sr3_network_in_training(path: Path) -> None:
    golden = np.load(path)
    network = network_of(golden)
    x0, noise = torch.from_numpy(golden["x_start"]), torch.from_numpy(golden["noise"])
    time = torch.from_numpy(golden["loss_t_or_level"])
    level = time.double()
    if network.config.embedding == "index":
        level = torch.from_numpy(schedule_of(golden).levels[golden["loss_t_or_level"] + 1])
    x = noised(x0, noise, level.reshape(-1, 1, 1, 1))
    assert_close(x, golden["loss_x_noisy"], 1e-5)
    with torch.no_grad():
        said = network(torch.cat([torch.from_numpy(golden["cond"]), x], dim=1), time)
    assert_close(said, golden["loss_eps"], LAYER)
    for norm, loss in (("l1", (noise - said).abs().sum()), ("l2", (noise - said).square().sum())):
        if f"loss_{norm}" in golden:
            assert_close(loss, golden[f"loss_{norm}"], 0, LOSS)


@each(TOPIC, "resize_")
def test_data_preparation(path: Path) -> None:
    golden = np.load(path)
    cases = [key.removesuffix("_in") for key in golden.files if key.endswith("_in")]
    assert cases
    for case in cases:
        low, high = (int(side) for side in golden[f"{case}_sizes"])
        pixels = golden[f"{case}_in"].transpose(2, 0, 1)
        lr = resize.square(pixels, low)
        for ours, name in ((lr, "lr"), (resize.square(pixels, high), "hr"), (resize.square(lr, high), "sr")):
            assert np.array_equal(ours.transpose(1, 2, 0), golden[f"{case}_{name}"])
        if high % low == 0:
            condition = enlarged(torch.from_numpy(lr.astype(np.float32) / 255)[None], high // low)
            expected = torch.from_numpy(golden[f"{case}_sr"].transpose(2, 0, 1).astype(np.float32)) / 255 * 2 - 1
            assert torch.equal(condition[0], expected)


@each(TOPIC, "metrics_")
def test_saved_pictures(path: Path) -> None:
    golden = np.load(path)
    for name, saved in (("t3", "t3_uint8"), ("t4", "t4_grid_uint8")):
        if saved in golden:
            assert np.array_equal(picture(torch.from_numpy(golden[name])), golden[saved]), name


@each(TOPIC, "metrics_")
def test_psnr_and_ssim_of_colour_pictures(path: Path) -> None:
    golden = np.load(path)
    pairs = [key.removesuffix("_psnr") for key in golden.files if key.endswith("_psnr")]
    assert pairs
    for pair in pairs:
        first, second = golden[f"{pair}_a"].astype(np.float64), golden[f"{pair}_b"].astype(np.float64)
        colour = evaluate(first, reference=second, metrics=["psnr", "ssim"], colour="rgb")
        grey = evaluate(first[..., 0], reference=second[..., 0], metrics=["ssim"])
        assert_close(colour["psnr"], golden[f"{pair}_psnr"], 1e-9)
        assert_close(colour["ssim"], golden[f"{pair}_ssim"], 1e-9)
        assert_close(grey["ssim"], golden[f"{pair}_ssim_gray"], 1e-9)

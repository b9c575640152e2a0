"""Trains the dual-modal networks and DC2Fusion on one GPU within minutes, and says which weights are better than ours.

    python scripts/train_gpu.py [--minutes 7.5] [--output runs/gpu] [--networks cddfuse dc2fusion ...]

Each recipe gets its share of the time: a step is measured first, then as many are made as the share holds, with batches
eight times as large. Afterwards the new and the shipped weights are measured on the validation cases of the recipe;
what is better is for a person to look at and to ship. Reads the data from the folder in TRIFUSE_SHARED.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
import yaml

from trifuse.train import train
from trifuse.train.draw import Draw
from trifuse.train.export import restore
from trifuse.train.recipe import load, objective_of

RECIPES = Path(__file__).resolve().parent.parent / "trifuse" / "recipes" / "train"
SHIPPED = Path(__file__).resolve().parent.parent / "trifuse" / "weights" / "shipped"
SHARES = {"cddfuse": 0.4, "dc2fusion": 0.15, "swinfuse": 0.15, "tgfuse": 0.12, "u2fusion": 0.09, "dilran": 0.09}
"""Parts of the time; the first ones matter most."""
LARGER = 8
"""How many times as large a batch is as on a processor."""
PROBES = 6
"""Steps that are measured to know how many fit."""


def main() -> None:
    """Trains, measures and prints one line per network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=7.5)
    parser.add_argument("--output", type=Path, default=Path("runs/gpu"))
    parser.add_argument("--networks", nargs="*", choices=list(SHARES), default=list(SHARES))
    arguments = parser.parse_args()
    total = sum(SHARES[name] for name in arguments.networks)
    for name in arguments.networks:
        began = time.perf_counter()
        seconds = 60 * arguments.minutes * SHARES[name] / total
        recipe = fitted(name, seconds, arguments.output)
        measured = train(recipe, arguments.output / name)
        objective = objective_of(load(recipe))
        restore(objective.network, SHIPPED / f"{name}.safetensors")
        ours = objective.validate(objective.network.eval())
        took = time.perf_counter() - began
        line = ", ".join(f"{key} {measured[key]:.3f} (shipped {ours[key]:.3f})" for key in measured)
        print(f"{name}: {took:.0f} s, {line}", flush=True)


def fitted(name: str, seconds: float, output: Path) -> Path:
    """A recipe whose steps take about `seconds` here, written beside the run's folder."""
    content = yaml.safe_load((RECIPES / f"{name}.yaml").read_text(encoding="utf-8"))
    content.pop("stages", None)  # one stage: the time is too short for a second one
    schedule = content["schedule"]
    schedule["batch"] *= LARGER
    before, steps = schedule["steps"], max(PROBES, int(0.85 * seconds / step_of(content, output / f"{name}.yaml")))
    schedule |= {"steps": steps, "cooldown": int(0.4 * steps), "warmup": min(50, steps), "check_every": steps}
    if content["model"].get("first_stage"):
        content["model"]["first_stage"] = min(steps, steps * content["model"]["first_stage"] // before)
    return written(content, output / f"{name}.yaml")


def step_of(content: dict[str, object], path: Path) -> float:
    """Seconds of one step."""
    objective = objective_of(load(written(content, path)))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = objective.network.to(device).train()
    times = []
    for step in range(PROBES):
        began = time.perf_counter()
        batch = {key: value.to(device) for key, value in objective.batch(Draw(0, step)).items()}
        objective.losses(network, batch, 10**9)["loss"].backward()  # type: ignore[no-untyped-call]
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return sorted(times)[PROBES // 2]


def written(content: dict[str, object], path: Path) -> Path:
    """The recipe as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


if __name__ == "__main__":
    main()

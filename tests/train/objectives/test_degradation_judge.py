"""Choosing by which way a small picture is enlarged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from trifuse.filters.traces import COUNT
from trifuse.nets.degradation_judge import DegradationJudge, traces_of
from trifuse.nets.source_sr import SourceSR
from trifuse.train import train
from trifuse.train.data.augment import degraded
from trifuse.train.data.single import enlarge
from trifuse.train.export import read, write
from trifuse.train.objectives.degradation_judge import gain
from trifuse.train.recipe import load, objective_of

RECIPE = """
name: judge
data: {{kind: tables, tables: ["{table}"]}}
model: {{task: degradation-judge, upsampler: up.safetensors, width: 4}}
schedule: {{steps: 2, batch: 2, sides: {{2: 64}}, check_every: 2, log_every: 1}}
"""


def two_ways() -> SourceSR:
    """A network whose second way differs from the first."""
    torch.manual_seed(0)
    network = SourceSR(8, 1, 4, (2,), adapts=True)
    with torch.no_grad():
        network.changes["2"].normal_()
        network.heads["2"].leave.weight.mul_(10)
    return network.eval()


def test_it_learns_the_better_way_and_its_weights_judge(table: Path) -> None:
    write(table.parent / "up.safetensors", two_ways().state_dict(), {"network": "source-sr"})
    path = table.parent / "judge.yaml"
    path.write_text(RECIPE.format(table=table))
    train(path, table.parent / "run")
    judge = DegradationJudge.from_state(read(table.parent / "run" / "judge.safetensors")[0])
    small = torch.rand(1, 1, 24, 24)
    said = float(judge(traces_of(small), 2)[0].detach())
    for above, margin in ((True, said - 0.1), (False, said + 0.1)):
        judge.margin[0] = margin
        assert judge.is_bicubic(small, 2) == above
    assert judge.is_bicubic(small[..., :10], 2)  # too small to tell: bicubic


def test_the_loss_falls_where_the_judge_sides_with_the_better_way(table: Path) -> None:
    write(table.parent / "up.safetensors", two_ways().state_dict(), {"network": "source-sr"})
    path = table.parent / "judge.yaml"
    path.write_text(RECIPE.format(table=table))
    objective = objective_of(load(path))
    judge = objective.network
    assert isinstance(judge, DegradationJudge)
    batch = {
        "traces": torch.zeros(2, COUNT),
        "gain": torch.tensor([2.0, 2.0]),
        "weight": torch.ones(2),
        "scale": torch.tensor(2),
    }
    with torch.no_grad():
        judge.leave.weight.zero_()
        judge.leave.bias.fill_(3.0)
        right = objective.losses(judge, batch, 0)
        judge.leave.bias.fill_(-3.0)
        wrong = objective.losses(judge, batch, 0)
    assert float(right["loss"]) < 0.2 < float(wrong["loss"])
    assert (float(right["lost"]), float(wrong["lost"])) == (0.0, 2.0)


def test_gain_is_the_difference_of_the_two_ways() -> None:
    network = two_ways()
    sharp = np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)
    small, bicubic = degraded(sharp, 2)
    found = [torch.from_numpy(enlarge(network, small, bicubic, exact=way)) for way in (True, False)]
    truth = torch.from_numpy(sharp / 255)
    errors = [float((each - truth).square().mean()) for each in found]
    assert gain(network, small, sharp) == pytest.approx(10 * np.log10(errors[1] / errors[0]), abs=1e-4)

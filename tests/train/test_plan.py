"""Recipes of several stages: what each takes from the common part, how values are set, and how they run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.train.conftest import broken_off
from trifuse.core.errors import InputError, OptionError, TrainingWarning
from trifuse.nets.source_sr import SourceSR
from trifuse.train import overrides, train
from trifuse.train.export import read
from trifuse.train.plan import load

RECIPE = """
name: small
seed: 3
data: {{kind: tables, tables: ["{table}"]}}
model: {{task: source-sr, width: 8, blocks: 1, fine: 4, shares: {{t1: 2}}}}
schedule: {{steps: 2, batch: 1, warmup: 0, sides: {{2: 16, 4: 32}}, check_every: 2, log_every: 1}}
stages:
  - schedule: {{learning_rate: 1.0e-3}}
  - seed: 4
    model: {{blocks: 2}}
join:
  x2: {{schedule: {{sides: {{2: 16}}}}}}
  x4:
    model: {{blocks: 3, shares: {{t2: 1}}}}
    schedule: {{sides: {{4: 32}}}}
    stages:
      - seed: 5
      - {{seed: 6, model: {{augmentation: 0}}}}
"""


@pytest.fixture
def recipe(table: Path) -> Path:
    """A recipe of two common stages, from which two networks of one scale go on."""
    path = table.parent / "recipe.yaml"
    path.write_text(RECIPE.format(table=table))
    return path


def test_stages_change_what_is_common(recipe: Path) -> None:
    plan = load(recipe)
    assert [stage.folder for stage in plan.all()] == ["1", "2", "x2-1", "x4-1", "x4-2"]
    first, second, alone, other, last = (stage.recipe for stage in plan.all())
    assert [r.seed for r in (first, second, alone, other, last)] == [3, 4, 3, 5, 6]
    assert [r.model.blocks for r in (first, second, alone, other, last)] == [1, 2, 1, 3, 3]  # type: ignore[attr-defined]
    assert (first.schedule.learning_rate, second.schedule.learning_rate) == (1e-3, 6e-4)
    assert last.schedule.sides == {4: 32}  # replaced, not joined
    assert last.model.shares == {"t2": 1}  # type: ignore[attr-defined]
    assert last.model.width == 8  # type: ignore[attr-defined]


def test_values_are_set_from_outside(recipe: Path) -> None:
    changes = ["schedule.steps=5", "stages.0.schedule.steps=7", "join.*.stages.*.seed=9", "model.shares.t1=0.5"]
    stages = [stage.recipe for stage in load(recipe, changes).all()]
    assert [stage.schedule.steps for stage in stages] == [7, 5, 5, 5, 5]
    assert [stage.seed for stage in stages] == [3, 4, 3, 9, 9]
    assert stages[0].model.shares == {"t1": 0.5}  # type: ignore[attr-defined]
    assert overrides.apply({"sides": {2: 64, 4: 128}}, ["sides.2=32"]) == {"sides": {2: 32, 4: 128}}


@pytest.mark.parametrize(
    ("change", "message"),
    [("steps", "is not PATH=VALUE"), ("stages.7.seed=1", "no entry 7; there are 2"), ("name.x=1", "has no parts")],
)
def test_a_change_that_leads_nowhere_is_refused(recipe: Path, change: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        load(recipe, [change])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["stages=7"], "field stages: a list"),
        (["stages.1.start=x"], "stage 2: goes on from the stage before"),
        (["join={x2: {}}"], "two or more parts"),
        (["stages.1.model.widht=3"], r"stage 2, field model\.widht"),
    ],
)
def test_a_wrong_stage_is_named(recipe: Path, changes: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(recipe, changes)


def test_every_stage_is_checked_before_the_first_is_trained(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"stage x4-2, field schedule\.sides"):
        train(recipe, tmp_path / "run", changes=["join.x4.stages.1.schedule.sides={4: 4}"])
    assert not (tmp_path / "run").exists()


def test_stages_go_on_from_each_other_and_trunks_are_joined(recipe: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    measured = train(recipe, output)
    assert {"x2: x2 pet", "x4: x4 pet"} <= measured.keys()
    state, metadata = read(output / "small.safetensors")
    assert (metadata["scales"], metadata["stages"], metadata["name"]) == ("2,4", "5", "small")
    network = SourceSR.from_state(state)
    assert [len(trunk) for trunk in (network.trunk, network.trunks["4"])] == [1, 3]  # type: ignore[arg-type]
    last, _ = read(output / "x4-2" / "small.safetensors")
    assert torch.equal(state["trunks.4.0.first.weight"], last["trunk.0.first.weight"])
    before, after = (read(output / folder / "small.safetensors")[0]["trunk.0.first.weight"] for folder in ("1", "2"))
    assert 0 < float((after - before).abs().max()) < 0.02  # two steps at a rate of 6e-4
    with pytest.warns(TrainingWarning, match="the run is finished"):
        assert train(recipe, output, resume=True).keys() == measured.keys()
    with pytest.raises(InputError, match=r"another recipe \(field seed: 4 then, 8 now\)"):
        train(recipe, output, resume=True, changes=["stages.1.seed=8"])


def test_a_run_of_stages_goes_on_where_it_was_stopped(recipe: Path, tmp_path: Path) -> None:
    changes = ["join=null"]
    train(recipe, tmp_path / "whole", changes=changes)
    first = load(recipe, changes).stages[0].recipe
    said = broken_off(first, tmp_path / "broken" / "1", after=1)
    assert "--resume" in said
    train(recipe, tmp_path / "broken", resume=True, changes=changes)
    whole, broken = (read(tmp_path / run / "small.safetensors")[0] for run in ("whole", "broken"))
    assert all(torch.equal(value, broken[name]) for name, value in whole.items())


def test_networks_of_other_kinds_are_not_joined(recipe: Path, tmp_path: Path) -> None:
    changes = ["model={task: dilran}", "schedule.sides={1: 16}", "stages=null", "join={a: {}, b: {}}"]
    with pytest.raises(InputError, match="cannot be put together"):
        train(recipe, tmp_path / "run", changes=changes)


def test_recipes_of_the_package_go_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cddfus: neither a file nor a recipe .* did you mean 'cddfuse'\?"):
        train("cddfus", tmp_path / "run")

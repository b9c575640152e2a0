"""The loop: it learns, resumes to the bit, keeps its books, and runs on several processes."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.train.conftest import broken_off
from trifuse.core.errors import InputError, TrainingError, TrainingWarning, WeightsError
from trifuse.nets.source_sr import SourceSR
from trifuse.train import checkpoint, train
from trifuse.train.average import Average
from trifuse.train.draw import Draw
from trifuse.train.export import halved, read, restore, write
from trifuse.train.loop import Trainer
from trifuse.train.objectives.base import Batch
from trifuse.train.recipe import load, objective_of

RECIPE = """
name: small
seed: 3
data: {{kind: tables, tables: ["{table}"]}}
model: {{task: source-sr, width: 8, blocks: 1, fine: 4}}
schedule: {{steps: {steps}, batch: 2, warmup: 2, cooldown: {cooldown}, learning_rate: 2.0e-3, sides: {{2: 16, 4: 32}},
  check_every: {check}, log_every: 2}}
"""


def recipe(table: Path, steps: int, check: int = 4, cooldown: int = 0) -> Path:
    path = table.parent / f"recipe{steps}-{check}-{cooldown}.yaml"
    path.write_text(RECIPE.format(table=table, steps=steps, check=check, cooldown=cooldown))
    return path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as opened:
        return list(csv.DictReader(opened))


def test_a_resumed_run_equals_an_unbroken_one_to_the_bit(table: Path, tmp_path: Path) -> None:
    train(recipe(table, 8), tmp_path / "whole")
    broken_off(recipe(table, 8), tmp_path / "broken", after=5)
    train(recipe(table, 8), tmp_path / "broken", resume=True)
    whole, broken = (torch.load(tmp_path / run / "checkpoint.pt") for run in ("whole", "broken"))
    assert whole["step"] == broken["step"] == 8
    for part in ("net", "ema"):
        assert all(torch.equal(value, broken[part][name]) for name, value in whole[part].items())
    moments = [saved["opt"]["state"][0]["exp_avg"] for saved in (whole, broken)]
    assert torch.equal(*moments)
    losses = [[row["loss"] for row in rows(tmp_path / run / "log.csv")] for run in ("whole", "broken")]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 4


def test_a_run_goes_on_from_weights(table: Path, tmp_path: Path) -> None:
    train(recipe(table, 4), tmp_path / "first")
    begun = tmp_path / "first" / "small.safetensors"
    further = recipe(table, 1)
    further.write_text(further.read_text().replace("2.0e-3", "1.0e-12") + f"start: {begun}\n")
    train(further, tmp_path / "second")
    states = [read(tmp_path / run / "small.safetensors")[0] for run in ("first", "second")]
    assert all(torch.allclose(value, states[1][name], atol=1e-9) for name, value in states[0].items())


def test_weights_of_another_shape_are_refused(table: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other.safetensors", SourceSR(4, 1, 4, (2, 4)).state_dict(), {})
    begun = recipe(table, 4)
    begun.write_text(begun.read_text() + f"start: {other}\n")
    with pytest.raises(WeightsError, match="another shape"):
        train(begun, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_training_improves_on_bicubic(table: Path, tmp_path: Path) -> None:
    measured = train(recipe(table, 80, 80, cooldown=30), tmp_path / "run")
    assert measured["x4 repainted"] > 0.1, measured
    assert {"x2 repainted", "x4 pet"} <= measured.keys()


def test_a_run_keeps_logs_pictures_and_weights(table: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    train(recipe(table, 4), output)
    assert [row["step"] for row in rows(output / "log.csv")] == ["2", "4"]
    assert [row["step"] for row in rows(output / "validation.csv")] == ["4"]
    assert float(rows(output / "log.csv")[0]["rate"]) == pytest.approx(2e-3)
    assert (output / "samples" / "0000004.png").is_file()
    assert any((output / "tensorboard").iterdir())
    state, metadata = read(output / "small.safetensors")
    assert metadata["network"] == "source-sr"
    assert "not a medical device" in metadata["use"]
    network = SourceSR.from_state(state)
    assert sorted(network.heads) == ["2", "4"]


def test_a_folder_with_a_run_is_not_overwritten(table: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    with pytest.raises(InputError, match="no checkpoint to resume"):
        train(recipe(table, 2), output, resume=True)
    train(recipe(table, 2), output)
    with pytest.raises(InputError, match="holds a run already"):
        train(recipe(table, 2), output)


def test_two_processes_train_together(table: Path, tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        "from pathlib import Path\nimport sys, torch\nfrom trifuse.train import train\n"
        "torch.set_num_threads(1)\ntrain(Path(sys.argv[1]), Path(sys.argv[2]))\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += [str(script), str(recipe(table, 4)), str(tmp_path / "two")]
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, env=os.environ | {"PYTHONPATH": root}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    two = torch.load(tmp_path / "two" / "checkpoint.pt")
    assert two["step"] == 4
    train(recipe(table, 4), tmp_path / "one")
    one = torch.load(tmp_path / "one" / "checkpoint.pt")
    assert [row["step"] for row in rows(tmp_path / "two" / "log.csv")] == ["2", "4"]  # written once, by one of them
    assert any(not torch.equal(value, one["net"][name]) for name, value in two["net"].items())  # both processes' data


def test_the_average_follows_and_forgets_its_start() -> None:
    network = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(network.weight, 0.0)
    average = Average(network, 0.9)
    torch.nn.init.constant_(network.weight, 1.0)
    values = []
    for step in range(1, 60):
        average.update(network, step)
        values.append(float(average.state["weight"]))
    assert values[0] == pytest.approx(1 - 2 / 11)
    assert values == sorted(values)
    assert values[-1] == pytest.approx(1, abs=1e-2)


def test_draws_depend_on_seed_step_and_process_alone() -> None:
    draws = [Draw(*key) for key in ((0, 5, 0), (0, 5, 0), (0, 6, 0), (1, 5, 0), (0, 5, 1))]
    noise = [torch.randn(3, generator=draw.torch) for draw in draws]
    numbers = [draw.numpy.random() for draw in draws]
    assert torch.equal(noise[0], noise[1])
    assert numbers[0] == numbers[1]
    assert all(not torch.equal(noise[0], other) for other in noise[2:])
    assert len(set(numbers)) == 4


def test_weights_take_half_the_space_in_half_precision(tmp_path: Path) -> None:
    network = SourceSR(8, 1, 4)
    path = write(tmp_path / "full.safetensors", network.state_dict(), {"network": "source-sr"}, {"x2": 1.0})
    half = halved(path, tmp_path / "half.safetensors")
    assert half.stat().st_size < 0.62 * path.stat().st_size
    state, metadata = read(half)
    assert metadata["network"] == "source-sr"
    for name, value in network.state_dict().items():
        assert torch.allclose(state[name], value, rtol=1e-3, atol=1e-6)


def test_a_stopped_run_says_how_far_it_came_and_keeps_it(table: Path, tmp_path: Path) -> None:
    said = broken_off(recipe(table, 8), tmp_path / "run", after=3)
    assert said.startswith("stopped after step 3 of 8")
    assert "--resume" in said
    assert checkpoint.read(tmp_path / "run" / "checkpoint.pt").step == 3
    assert [row["step"] for row in rows(tmp_path / "run" / "log.csv")] == ["2"]
    said = broken_off(recipe(table, 8), tmp_path / "early", after=0)
    assert "before the first step" in said


def test_no_row_is_lost_or_doubled_wherever_a_run_breaks_off(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, output = recipe(table, 6, check=2), tmp_path / "run"
    whole = tmp_path / "whole"
    train(path, whole)

    def broken(*_: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr("trifuse.train.checkpoint.save", broken)  # the rows of step 2 are written, the checkpoint is not
        with pytest.raises(RuntimeError, match="power cut"):
            train(path, output)
    train(path, output)
    for name in ("log.csv", "validation.csv"):
        assert [row["step"] for row in rows(output / name)] == ["2", "4", "6"]
    assert (output / "validation.csv").read_bytes() == (whole / "validation.csv").read_bytes()


def test_a_run_stopped_in_validation_is_validated_when_it_goes_on(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    path, output = recipe(table, 4, check=2), tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("trifuse.train.objectives.source_sr.SourceSRObjective.validate", stop)
        with pytest.raises(KeyboardInterrupt, match="stopped after step 2 of 4"):
            train(path, output)
    train(path, output, resume=True)
    assert [row["step"] for row in rows(output / "validation.csv")] == ["2", "4"]


def test_a_finished_run_says_so(table: Path, tmp_path: Path) -> None:
    measured = train(recipe(table, 2), tmp_path / "run")
    before = (tmp_path / "run" / "small.safetensors").stat().st_mtime_ns
    with pytest.warns(TrainingWarning, match=r"the run is finished \(2 steps\)"):
        assert train(recipe(table, 2), tmp_path / "run", resume=True) == measured
    assert (tmp_path / "run" / "small.safetensors").stat().st_mtime_ns == before


def test_a_changed_recipe_is_not_gone_on_with(table: Path, tmp_path: Path) -> None:
    broken_off(recipe(table, 4), tmp_path / "run", after=2)
    with pytest.raises(InputError, match=r"another recipe \(field schedule\.steps: 4 then, 6 now\)"):
        train(recipe(table, 6), tmp_path / "run", resume=True)


def test_a_moved_data_set_is_no_changed_recipe(table: Path, tmp_path: Path) -> None:
    broken_off(recipe(table, 4), tmp_path / "run", after=2)
    moved = table.parent.parent / "moved"
    table.parent.rename(moved)
    text = recipe(moved / table.name, 4)
    (moved / "case0").rename(moved.parent / "kept")
    (moved.parent / "kept").rename(moved / "case0")
    csv_text = (moved / table.name).read_text().replace("set/case", "moved/case")
    (moved / table.name).write_text(csv_text)
    assert train(text, tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("checkpoint.pt", b"no checkpoint at all", "cannot be read"),
        ("checkpoint.pt", b"", "cannot be read"),
        ("log.csv", b"a shopping list\n", "is no log of a training run"),
        ("validation.csv", b"step,x\nseven,1\n", "is no log of a training run"),
        ("log.csv", b"\xff\xfe\x00", "is no log of a training run"),
    ],
)
def test_a_damaged_file_is_one_clear_line(table: Path, tmp_path: Path, name: str, content: bytes, message: str) -> None:
    broken_off(recipe(table, 4, check=2), tmp_path / "run", after=3)
    (tmp_path / "run" / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        train(recipe(table, 4, check=2), tmp_path / "run", resume=True)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_a_foreign_checkpoint_is_refused(table: Path, tmp_path: Path) -> None:
    broken_off(recipe(table, 4), tmp_path / "run", after=2)
    path = tmp_path / "run" / "checkpoint.pt"
    state = checkpoint.read(path)
    checkpoint.save(path, state._replace(net=SourceSR(4, 1, 4).state_dict()))
    with pytest.raises(InputError, match="does not fit the network"):
        train(recipe(table, 4), tmp_path / "run", resume=True)
    torch.save({"step": 3, "net": {}}, path)
    with pytest.raises(InputError, match="is no checkpoint of this version's"):
        train(recipe(table, 4), tmp_path / "run", resume=True)


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_what_is_not_finite_stops_the_run(table: Path, tmp_path: Path, what: str) -> None:
    read_recipe = load(recipe(table, 6, check=2))
    objective = objective_of(read_recipe)
    plain = objective.losses

    def losses(network: torch.nn.Module, batch: Batch, step: int) -> dict[str, torch.Tensor]:
        terms = plain(network, batch, step)
        if step == 3:  # a root of 0 has a finite value and an infinite slope
            terms["loss"] = terms["loss"] * torch.nan if what == "loss" else (terms["loss"] * 0).sqrt()
        return terms

    objective.losses = losses  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match=rf"step 4: the {what} is nan, of .*\.png.* of step 2"):
        Trainer(read_recipe, objective, tmp_path / "run").run()
    assert checkpoint.read(tmp_path / "run" / "checkpoint.pt").step == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_at_once_and_says_how_to_go_on(table: Path, tmp_path: Path, number: signal.Signals) -> None:
    path, output = recipe(table, 100_000, check=100_000), tmp_path / "run"
    command = [sys.executable, "-m", "trifuse.cli.app", "train", str(path), "-o", str(output)]
    root = str(Path(__file__).resolve().parents[2])
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": root}) as running:
        for _ in range(3000):
            if (output / "log.csv").is_file():
                break
            time.sleep(0.1)
        before = sum(float(part) for part in Path(f"/proc/{running.pid}/stat").read_text().split()[13:15])
        running.send_signal(number)
        said = running.stderr.read()  # type: ignore[union-attr]
        _, status, usage = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    assert running.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number], said
    took = usage.ru_utime + usage.ru_stime - before / os.sysconf("SC_CLK_TCK")  # of a processor: others may be busy
    assert took < 2
    assert "--resume" in said
    assert checkpoint.read(output / "checkpoint.pt").step > 0


def test_training_goes_on_from_a_checkpoint_as_from_weights(table: Path, tmp_path: Path) -> None:
    broken_off(recipe(table, 4), tmp_path / "run", after=2)
    network = SourceSR(8, 1, 4, (2, 4))
    restore(network, tmp_path / "run" / "checkpoint.pt")
    average = checkpoint.read(tmp_path / "run" / "checkpoint.pt").ema
    assert all(torch.equal(value, average[name]) for name, value in network.state_dict().items())

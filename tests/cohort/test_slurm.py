"""A cohort on a real SLURM of one node: through Dask, and as a job array."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import slurm

pytestmark = pytest.mark.skipif(bool(slurm.missing()), reason=slurm.missing())

ARRAY = """#!/bin/bash
#SBATCH --array=1-2
#SBATCH --output={folder}/part-%a.txt
{python} -m trifuse.cli.app cohort {table} -o {out} -m max --colour luma --no-sheet --shard $SLURM_ARRAY_TASK_ID/2
"""


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment in which `sbatch` reaches a SLURM of one node."""
    with slurm.running(tmp_path / "slurm") as environment:
        yield environment


def test_a_cohort_by_a_queue_and_by_a_job_array(queue: dict[str, str], table: Path, tmp_path: Path) -> None:
    asked = tmp_path / "resources.yaml"
    asked.write_text("queue: main\nwalltime: '00:10:00'\nmemory: 1GiB\n")
    words = ("cohort", table, "-o", tmp_path / "dask", "-m", "max", "--colour", "luma", "--no-sheet", "--json")
    dask = ("--engine", "dask", "--cluster", "slurm", "--resources", asked, "--jobs", "2")
    command = [sys.executable, "-m", "trifuse.cli.app", *map(str, words + dask)]
    done = subprocess.run(command, env=queue, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["failed"] == {}

    script = tmp_path / "array.sh"
    script.write_text(ARRAY.format(folder=tmp_path, python=sys.executable, table=table, out=tmp_path / "array"))
    subprocess.run(["sbatch", "--test-only", script], env=queue, check=True, capture_output=True)
    subprocess.run(["sbatch", script], env=queue, check=True, capture_output=True)
    _wait_until_empty(queue)
    for name in ("p1", "p2", "p10"):
        by_queue, by_array = ((tmp_path / kind / name / "fused.png").read_bytes() for kind in ("dask", "array"))
        assert by_queue == by_array


def _wait_until_empty(queue: dict[str, str]) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if not subprocess.run(["squeue", "-h"], env=queue, capture_output=True, text=True, check=True).stdout.strip():
            return
        time.sleep(0.5)
    raise AssertionError("SLURM's jobs do not end")

"""What a newcomer stumbles over: pipes, closed terminals, Ctrl-C, where things are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.calls import trifuse
from trifuse.cli.app import COMMANDS

TRIFUSE = [sys.executable, "-m", "trifuse"]


@pytest.mark.skipif(os.name == "nt", reason="pipes of this kind are of Unix")
def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    # `true` is gone long before the first line; `head` may take all of it first, since a pipe holds 64 kB.
    script = 'set -o pipefail; "$@" methods --json | true; echo "${PIPESTATUS[0]}"'
    done = subprocess.run(["bash", "-c", script, "-", *TRIFUSE], capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == ["141"]
    assert done.stderr == ""


@pytest.mark.skipif(os.name == "nt", reason="descriptors are closed otherwise there")
def test_a_closed_stdout_is_no_fault() -> None:
    done = subprocess.run(
        ["bash", "-c", '"$@" weights >&-', "-", *TRIFUSE], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise there")
def test_ctrl_c_while_it_loads_is_quiet() -> None:
    # A module that is never done loading stands for a slow disk.
    code = (
        "import sys, types, time\n"
        "class Slow:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'typer':\n"
        "            print('loading', flush=True); time.sleep(60)\n"
        "sys.meta_path.insert(0, Slow())\n"
        "from trifuse.__main__ import main\n"
        "main()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "loading\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert said == ""
    assert process.returncode in (-signal.SIGINT, 130)


def test_help_names_every_command() -> None:
    text = trifuse("--help").stdout
    assert all(name in text for name in COMMANDS)
    assert "--install-completion" in text


def test_help_says_what_kind_of_file_is_wanted() -> None:
    assert ".safetensors" in trifuse("sample", "--help").stdout
    assert ".pth" in trifuse("weights", "--help").stdout


def test_a_wrong_checkpoint_is_told_the_kinds(tmp_path: Path) -> None:
    other = tmp_path / "weights.zip"
    other.write_bytes(b"PK")
    assert ".safetensors" in trifuse("weights", "add", "mine", other, code=2).stderr
    assert ".safetensors" in trifuse("sample", other, "-o", tmp_path / "s.png", code=2).stderr


def test_a_benchmark_without_its_data_names_the_folder(tmp_path: Path) -> None:
    said = trifuse("bench", "dual", "-o", tmp_path / "out", "--data", tmp_path, code=2).stderr
    assert str(tmp_path / "aanlib2d" / "pairs.csv") in said
    assert "--data" in said

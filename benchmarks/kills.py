"""Kills every long command at random moments, then lets it go on and compares with a run that nobody disturbed.

    python -m benchmarks kills --times 20

Prints a Markdown table: for each command and signal how often it was hit, how long its end took, what was lost (results
that differ from those of the undisturbed run after going on), what it left half-written, and which of its processes
outlived it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image as Pillow

from trifuse.cli.app import main as main_of_trifuse

SIGNALS = {"SIGKILL": signal.SIGKILL, "SIGINT": signal.SIGINT}

TRAIN = """
name: k
data: {kind: tables, tables: [train.csv]}
model: {task: denoiser, depth: 3, features: 4, val_every: 1}
schedule: {steps: 60, learning_rate: 1.0e-3, batch: 2, sides: {1: 32}, check_every: 10, log_every: 5}
"""

TIMES = re.compile(
    rb'"?(?:seconds|read|align|fuse|seconds_per_step|peak[a-z_]*)"?: ?[-+.\d e]+|,[\d.e-]+$', re.MULTILINE
)
"""Of texts, what depends on the clock."""

CLOCKS = ("results.csv", "summary.csv", "table.md", "table.tex", "index.html", "cohort.csv", "metrics.md")
"""Tables with seconds among their columns: only whether they are there is compared."""

SKIPPED = (".trifuse.json", "events.out", "checkpoint.pt")
"""Parts of names of files that hold times or processes; a checkpoint's content is in the weights made of it."""


@dataclass
class Row:
    """What came of one command under one signal.

    Attributes:
        hit: how often it was still running.
        ends: seconds from the signal to the end of the process.
        lost: files that differ from the undisturbed run's, after going on.
        halves: drafts that were left after going on.
        orphans: processes that outlived it by two seconds.
    """

    hit: int = 0
    ends: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    halves: int = 0
    orphans: int = 0


def commands(data: Path) -> dict[str, list[str]]:
    """Command -> its arguments without the output; each takes some seconds."""
    pairs = [str(data / "t1.png"), str(data / "pet.png")]
    return {
        "fuse": ["fuse", *pairs, "-m", "gradient-domain", "-o", "fused.png"],
        "compare": ["compare", *pairs, "--methods", "mean,max,laplacian,dwt,guided-filter", "-o", "out"],
        "bench": ["bench", str(data / "bench.yaml"), "--data", str(data), "--workers", "2", "-o", "out"],
        "prepare": ["prepare", str(data / "volumes.csv"), "--register", "resample", "--workers", "2", "-o", "out"],
        "cohort": ["cohort", str(data / "cases.csv"), "-m", "laplacian", "--jobs", "2", "-o", "out"],
        "train": ["train", str(data / "train.yaml"), "-o", "out"],
    }


def make_data(data: Path) -> None:
    """Small pictures, volumes, lists and recipes."""
    import nibabel as nib

    random = np.random.default_rng(0)
    rows, volumes = [], []
    for number in range(6):
        for kind in ("t1", "pet"):
            noise = random.integers(0, 256, (96, 96), dtype=np.uint8)
            Pillow.fromarray(noise).save(data / f"{number}_{kind}.png")
            values = random.random((24, 24, 12)).astype(np.float32)
            nib.save(nib.Nifti1Image(values, np.diag([2.0, 2, 2, 1])), data / f"{number}_{kind}.nii.gz")
        rows.append(f"p{number},{number}_t1.png,{number}_pet.png")
        volumes.append(f"p{number},{number}_t1.nii.gz,{number}_pet.nii.gz")
    for kind in ("t1", "pet"):
        shutil.copy(data / f"0_{kind}.png", data / f"{kind}.png")
    (data / "cases.csv").write_text("\n".join(["case,t1,pet", *rows]) + "\n")
    (data / "volumes.csv").write_text("\n".join(["study,t1,pet", *volumes]) + "\n")
    listed = ", ".join(f"p{n}: [{n}_t1.png, {n}_pet.png]" for n in range(6))
    (data / "bench.yaml").write_text(
        f"name: b\ntitle: B\ncases: {{listed: {{{listed}}}}}\nmethods: [mean, laplacian, dwt]\nmetrics: [mse, ssim]\n"
    )
    table = ["case,patient,split,kind,functional,path_1,path_2"]
    table += [f"c{n},p{n},{'val' if n > 4 else 'train'},T1/PET,no,{n}_t1.png,{n}_pet.png" for n in range(6)]
    (data / "train.csv").write_text("\n".join(table) + "\n")
    (data / "train.yaml").write_text(TRAIN)


class Forked:
    """A command in a process of its own group, forked from this one, which has the libraries already."""

    def __init__(self, arguments: Sequence[str], folder: Path) -> None:
        self.code: int | None = None
        self.pid = os.fork()
        if self.pid:
            return
        os.setsid()
        os.chdir(folder)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        sys.argv = ["trifuse", *arguments]
        code = 0
        try:
            main_of_trifuse()
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        except BaseException:
            code = 1
        os._exit(code)

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        if self.code is None:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if done else None
        return self.code

    def wait(self) -> int:
        """Its exit code, when it ends."""
        while (code := self.poll()) is None:
            time.sleep(0.01)
        return code


def disturbed(name: str, arguments: list[str], number: signal.Signals, moment: float, folder: Path, row: Row) -> None:
    """One run that is hit after `moment` seconds, and then goes on."""
    process = Forked(arguments, folder)
    time.sleep(moment)
    if process.poll() is None:
        row.hit += 1
        began = time.monotonic()
        os.kill(process.pid, number)
        process.wait()
        row.ends.append(time.monotonic() - began)
        time.sleep(2)
        row.orphans += len(_of_group(process.pid))
    resumed = [*arguments, "--resume"] if name == "train" and (folder / "out/checkpoint.pt").is_file() else arguments
    Forked(resumed, folder).wait()


def contents(folder: Path) -> dict[str, str]:
    """Digest of each result, without what depends on the clock."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part in path.name for part in SKIPPED):
            content = path.read_bytes()
            text = path.suffix in (".json", ".csv", ".md", ".html", ".tex")
            if "plots" in path.parts or path.name in CLOCKS:
                content = b""
            plain = TIMES.sub(b"", content) if text else content
            found[path.relative_to(folder).as_posix()] = hashlib.sha256(plain).hexdigest()
    return found


def _of_group(group: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.getpgid(int(entry.name)) == group:
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def _preload() -> None:
    """Libraries that commands import when they need them; nothing is computed, so that no thread is lost in a fork."""
    for name in ("torch", "matplotlib.pyplot", "numba", "SimpleITK", "pandas", "scipy.ndimage", "accelerate", "pebble"):
        import_module(name)
    for name in (
        "bench.report",
        "cohort",
        "prepare",
        "train.stages",
        "fusion.compare",
        "report.cine",
        "metrics.images",
    ):
        import_module(f"trifuse.{name}")


def campaign(names: Sequence[str], times: int, seed: int) -> dict[tuple[str, str], Row]:
    """A row for each command and signal."""
    found: dict[tuple[str, str], Row] = {}
    with tempfile.TemporaryDirectory() as made:
        data = Path(made) / "data"
        data.mkdir()
        make_data(data)
        for name in names:
            arguments = commands(data)[name]
            whole = Path(made) / f"{name}-whole"
            whole.mkdir()
            began = time.monotonic()
            code = Forked(arguments, whole).wait()
            seconds = time.monotonic() - began
            if code:
                raise SystemExit(f"{name} fails by itself with code {code}")
            for word, number in SIGNALS.items():
                row = found[name, word] = Row()
                for turn in range(times):
                    folder = Path(made) / f"{name}-{word}-{turn}"
                    folder.mkdir()
                    moment = seconds * Random(f"{seed}-{name}-{word}-{turn}").uniform(0.1, 0.95)
                    disturbed(name, arguments, number, moment, folder, row)
                    row.lost += _differences(contents(whole), contents(folder))
                    row.halves += sum(1 for path in folder.rglob(".*") if path.name != ".trifuse.json")
                    shutil.rmtree(folder)
                print(_line(name, word, row), flush=True)
    return found


def _differences(whole: dict[str, str], other: dict[str, str]) -> list[str]:
    return [name for name in sorted(whole.keys() | other.keys()) if whole.get(name) != other.get(name)]


def _line(name: str, word: str, row: Row) -> str:
    ends = f"{np.median(row.ends):.2f} / {max(row.ends):.2f}" if row.ends else "–"
    lost = f"{len(row.lost)} ({', '.join(sorted(set(row.lost))[:3])})" if row.lost else "nothing"
    return f"| {name} | {word} | {row.hit} | {ends} | {lost} | {row.halves} | {row.orphans} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser("benchmarks kills", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--times", type=int, default=20, help="kills for each command and signal")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="commands, comma-separated")
    asked = parser.parse_args(arguments)
    names = [name for name in asked.only.split(",") if name] or list(commands(Path()))
    _preload()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    print("| command | signal | hit | end, s (median / longest) | lost | left half-written | orphans |")
    print("|---|---|---:|---:|---|---:|---:|", flush=True)
    found = campaign(names, asked.times, asked.seed)
    print(f"\nload {os.getloadavg()[0]:.1f} at the end")
    sys.exit(1 if any(row.lost or row.halves or row.orphans for row in found.values()) else 0)

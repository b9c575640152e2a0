"""Ctrl-C and SIGTERM: every long command ends at once and says what is done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_fuse_stops_without_leaving_anything(tmp_path: Path, number: signal.Signals, code: int) -> None:
    for name in "ab":
        noise = np.random.default_rng(ord(name)).integers(0, 255, (512, 512), dtype=np.uint8)
        Pillow.fromarray(noise).save(tmp_path / f"{name}.png")
    out = tmp_path / "out"
    command = ["fuse", tmp_path / "a.png", tmp_path / "b.png", "-o", out / "fused.png", "-m", "ddfm", "--steps", "900"]
    run = subprocess.Popen(
        [sys.executable, "-m", "trifuse.cli.app", *map(str, command)],
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    time.sleep(6)
    assert run.poll() is None
    began = time.monotonic()
    os.killpg(run.pid, number)
    _, said = run.communicate(timeout=60)
    assert time.monotonic() - began < 10  # 2 s on an idle machine
    assert run.returncode == code
    assert said.strip().splitlines()[-1] == "trifuse: stopped; nothing was written"
    assert not out.exists()

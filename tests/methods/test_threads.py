"""Methods leave the process's number of threads alone, and no method's result depends on which ran before it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch

from trifuse.core import cores
from trifuse.filters.threads import threads

SCRIPT = """
import hashlib, json, sys
import numba, torch
from tests.methods.test_contract import greys, made, smallest_count
from trifuse.fusion import fuse

counts, results = [torch.get_num_threads()], []
torch.set_num_threads(1)
counts.append(torch.get_num_threads())
for order in (1, -1):
    digests = {}
    for name in json.loads(sys.argv[1])[::order]:
        method = made(name)
        fused = fuse(greys(method, smallest_count(method)), method, seed=1)
        digests[name] = hashlib.sha256(fused.image.pixels.tobytes()).hexdigest()
        counts.append(torch.get_num_threads())
    results.append(digests)
print(json.dumps([counts, results, numba.get_num_threads()]))
"""


def test_all_methods_in_one_process_in_two_orders() -> None:
    from trifuse.methods import names

    environment = {**os.environ, "OMP_NUM_THREADS": "2", "NUMBA_NUM_THREADS": "2"}
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, json.dumps(names())]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    counts, (forth, back), numbas = json.loads(done.stdout.splitlines()[-1])
    assert counts == [2] + [1] * (len(counts) - 1)
    assert numbas == 2
    assert forth == back


def test_filters_take_as_many_threads_as_torch_may(monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 3)
    for allowed, expected in ((2, 2), (5, 3), (1, 1)):
        monkeypatch.setattr(torch, "get_num_threads", lambda allowed=allowed: allowed)
        assert threads() == expected
    with cores.shared():
        assert threads() == 1

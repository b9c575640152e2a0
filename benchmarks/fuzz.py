"""Attacks every reader with damaged files: each ends in a result or in one clear line, soon, and in little memory.

    python -m benchmarks fuzz --inputs 100000 --seed 1 --findings findings/

Files of our own, one of each kind that trifuse reads, are mutated (seven of ten by the structure of their format) and
read in processes of their own, which may take 1 GiB and 5 seconds for each. What ends otherwise is made smaller and
kept. The exit code is 1 if anything was found.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

from benchmarks._fuzz.corpus import Seed, seeds
from benchmarks._fuzz.judge import Outcome, judged, judged_in_turn
from benchmarks._fuzz.mutations import mutated

BATCH = 250
"""How many files one process reads before the next begins anew."""

TRIES = 80
"""How often a finding is tried to be made smaller."""


@dataclass
class Campaign:
    """What a campaign found.

    Attributes:
        outcomes: kind of outcome -> how often.
        findings: what was found -> the smallest file and the name of its seed.
        slowest: seconds of processor time of the slowest file.
        folder: where findings are kept.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    findings: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    slowest: float = 0.0
    folder: Path | None = None


def campaign(
    inputs: int, seed: int, seconds: float | None = None, only: str = "", keep: Path | None = None
) -> Campaign:
    """Reads so many damaged files, or as many as there is time for.

    Args:
        only: part of the names of the seeds that are mutated.
        keep: where findings are kept as soon as they are made smaller.
    """
    found, end = Campaign(folder=keep), None if seconds is None else time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "seeds").mkdir()
        corpus = [each for each in seeds(folder / "seeds") if only in each.name]
        for each in corpus:
            _warmed(each, folder)
            outcome = _judged(each, each.content, folder)
            if outcome.kind == "finding":
                found.findings[f"{each.name} as it is: {outcome.what}"] = (each.content, each.name)
        number = 0
        while number < inputs and (end is None or time.monotonic() < end):
            number += _batch(range(number, min(inputs, number + BATCH)), seed, corpus, folder, found)
    return found


def _batch(numbers: range, seed: int, corpus: Sequence[Seed], folder: Path, found: Campaign) -> int:
    """Works on files with these numbers in one process; returns on how many."""

    def made(number: int) -> tuple[Seed, bytes]:
        random = Random(f"{seed}-{number}")
        chosen = random.choice(corpus)
        return chosen, mutated(chosen.content, chosen.kind, random)

    def read(number: int) -> object:
        chosen, content = made(number)
        path = folder / chosen.name
        path.write_bytes(content)
        return chosen.read(path)

    done = 0
    for outcome in judged_in_turn(partial(read, number) for number in numbers):
        if outcome.kind == "finding":
            _found(*made(numbers[done]), folder, found)
        else:
            found.outcomes[outcome.kind] += 1
        found.slowest = max(found.slowest, outcome.seconds)
        done += 1
    if done < len(numbers):  # this one ended the process
        _found(*made(numbers[done]), folder, found)
        done += 1
    return done


def _found(seed: Seed, content: bytes, folder: Path, found: Campaign) -> None:
    """Reads the file again in a process of its own; what is found there too is made smaller and kept."""
    outcome = _judged(seed, content, folder)
    found.outcomes[outcome.kind] += 1
    found.slowest = max(found.slowest, outcome.seconds)
    if outcome.kind != "finding":
        return
    what = f"{seed.kind}: {outcome.what}"
    found.outcomes[what] += 1
    if what not in found.findings:
        print(f"finding: {what} ({seed.name})", file=sys.stderr, flush=True)
        found.findings[what] = (_smaller(seed, content, outcome.what, folder), seed.name)
        if found.folder is not None:
            _kept(found, found.folder)


def _warmed(seed: Seed, folder: Path) -> None:
    """Reads the seed in this process, so that those forked from it have the libraries."""
    path = folder / seed.name
    path.write_bytes(seed.content)
    with contextlib.suppress(Exception):  # it is judged next
        seed.read(path)


def _judged(seed: Seed, content: bytes, folder: Path) -> Outcome:
    path = folder / seed.name
    path.write_bytes(content)
    outcome = judged(seed.read, path)
    path.unlink()
    return outcome


def _smaller(seed: Seed, content: bytes, what: str, folder: Path) -> bytes:
    """The file without parts that the finding does not need."""
    part, tries = max(1, len(content) // 2), 0
    while part and tries < TRIES:
        at = 0
        while at < len(content) and tries < TRIES:
            tries += 1
            less = content[:at] + content[at + part :]
            if less and _judged(seed, less, folder).what == what:
                content = less
            else:
                at += part
        part //= 2
    return content


def _kept(found: Campaign, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    told = {}
    for what, (content, name) in found.findings.items():
        file = folder / f"{hashlib.sha256(what.encode()).hexdigest()[:8]}-{name}"
        file.write_bytes(content)
        told[file.name] = what
    (folder / "findings.json").write_text(json.dumps({**found.outcomes, "findings": told}, indent=1))


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a campaign and prints what came of it."""
    parser = argparse.ArgumentParser("benchmarks fuzz", description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--inputs", type=int, default=1000, help="how many files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, help="stop after so many seconds")
    parser.add_argument("--only", default="", help="part of the names of the files that are mutated, such as .dcm")
    parser.add_argument("--findings", type=Path, help="folder for the files that were found, made smaller")
    asked = parser.parse_args(arguments)
    began = time.monotonic()
    found = campaign(asked.inputs, asked.seed, asked.seconds, asked.only, asked.findings)
    if asked.findings is not None:
        _kept(found, asked.findings)
    total = sum(found.outcomes[kind] for kind in ("result", "refused", "finding"))
    print(f"{total} files in {time.monotonic() - began:.0f} s; slowest {found.slowest:.2f} s of processor time")
    for kind, count in found.outcomes.most_common():
        print(f"{count:8d} {kind}")
    sys.exit(1 if found.findings else 0)

"""How often TFS-Diff's intervals hold the truth, by scale; and what its deviation is to be corrected by.

    python -m benchmarks spread [--split test] [--draws 4] [--scales 2 4 8] [--every 6] [--patients 8]
    python -m benchmarks spread --split val --fit tfs-diff.safetensors     # puts both into a file of weights

The truth is BitonicX of the sources at full resolution; pixels count where that or a source shows something, every
patient as much as any other. Prints the share of pixels inside the 50, 80 and 95 % intervals, the correlation of
deviation and error, and both as the weights had it before. Reads the folder in TRIFUSE_SHARED.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.people import choosing, chosen, fused, psnr_of
from trifuse import weights
from trifuse.core.random import Random
from trifuse.diffusion.model import METADATA, behaviour_of
from trifuse.diffusion.spread import Spread, fitted, predictors, quantile
from trifuse.methods.tfs_diff import TFSDiff
from trifuse.train import export
from trifuse.train.data import augment
from trifuse.train.data.cases import Case
from trifuse.train.data.images import load
from trifuse.train.data.single import cropped

KINDS: tuple[Literal["grey", "colour"], ...] = ("grey", "colour")
LEVELS = (50, 80, 95)
NORMAL = {50: 0.6745, 80: 1.2816, 95: 1.96}


class Seen(NamedTuple):
    """Pixels of a case at a scale: predictors `(N, COUNT)`, deviation of draws, absolute errors `(N, 3)`.

    All cases of a set are of one kind.
    """

    terms: Tensor
    drawn: Tensor
    errors: Tensor
    patient: str
    set: str
    kind: Literal["grey", "colour"]


def main() -> None:
    """Prints shares and correlations; writes what was fitted."""
    parser = choosing("How often TFS-Diff's intervals hold the truth.", every=6)
    parser.add_argument("--patients", type=int, help="so many patients of each set; all unless given")
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--fit", type=Path, help="weights of tfs-diff to put the corrections into")
    arguments = parser.parse_args()
    cases = [(name, case) for name in arguments.sets for case in _cases(name, arguments)]
    known = {scale: dict(kinds) for scale, kinds in behaviour_of(weights.path("tfs-diff")).spread.items()}
    for scale in arguments.scales:
        seen = [look(name, case, scale, arguments.draws) for name, case in cases]
        of = known.setdefault(scale, {})
        for kind in KINDS if arguments.fit else ():
            of[kind] = fit([each for each in seen if each.kind == kind])
            print(f"x{scale} {kind}: {of[kind]}")
        for name in arguments.sets:
            chosen_here = [each for each in seen if each.set == name]
            print(line(f"{name} x{scale}", chosen_here, of.get(chosen_here[0].kind)), flush=True)
    if arguments.fit:
        state, metadata = export.read(arguments.fit)
        halves = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
        behaviour = behaviour_of(arguments.fit).model_copy(update={"spread": known})
        metadata = {key: value for key, value in metadata.items() if key != "use"}
        export.write(arguments.fit, halves, metadata | {METADATA: behaviour.model_dump_json()})


def _cases(name: str, arguments: argparse.Namespace) -> list[Case]:
    found = chosen(name, arguments.split, arguments.every)
    patients = list(dict.fromkeys(case.patient for case in found))[: arguments.patients]
    return [case for case in found if case.patient in patients]


def look(name: str, case: Case, scale: int, draws: int) -> Seen:
    """A case made small and fused `draws` times."""
    sources = [cropped(load(path), 8) for path in case.sources]
    truth = torch.from_numpy(np.array(fused("bitonicx", sources)))
    small = [torch.from_numpy(augment.degraded(source, scale)[0])[None].float() / 255 for source in sources]
    method = TFSDiff()
    with torch.inference_mode():
        raw = method.raw_draws(small, scale=scale, random=Random(0), count=draws)
    assert raw.std is not None
    estimate = raw.mean.expand(-1, 3, -1, -1)
    shown = torch.from_numpy(np.stack([source.max(axis=0) for source in sources]).max(axis=0) > 0)
    errors = (estimate[0] - truth).abs()[:, shown].T
    terms = predictors(raw.std, estimate)[0][:, shown].T
    print(name, case.name, f"x{scale}", f"{psnr_of(estimate[0].numpy(), truth.numpy()):.2f} dB", flush=True)
    kind: Literal["grey", "colour"] = "colour" if raw.mean.shape[1] > 1 else "grey"
    return Seen(terms, raw.std[0, 0][shown], errors, case.patient, name, kind)


def fit(seen: Sequence[Seen]) -> Spread:
    """Coefficients, then half widths that hold what they should on the same people."""
    share = shares(seen)
    terms, errors = torch.cat([each.terms for each in seen]), torch.cat([each.errors for each in seen])
    coefficients = fitted(terms[::7], errors[::7].mean(dim=1), share[::7])
    ratio = (errors / deviation(coefficients, terms)[:, None]).flatten()
    share = share.repeat_interleave(3)
    return Spread(coefficients=coefficients, intervals={n: round(quantile(ratio, share, n / 100), 3) for n in LEVELS})


def shares(seen: Sequence[Seen]) -> Tensor:
    """The weight of every pixel: sets and patients alike."""
    sets = {name: {each.patient for each in seen if each.set == name} for name in {each.set for each in seen}}
    of = {
        (each.set, each.patient): sum(len(o.errors) for o in seen if (o.set, o.patient) == (each.set, each.patient))
        for each in seen
    }
    weights_of = [1 / len(sets[each.set]) / of[each.set, each.patient] for each in seen]
    return torch.cat([torch.full((len(each.errors),), weight) for each, weight in zip(seen, weights_of, strict=True)])


def deviation(coefficients: Sequence[float], terms: Tensor) -> Tensor:
    """The corrected deviation of pixels."""
    return float(np.sqrt(np.pi / 2)) * torch.exp(terms @ terms.new_tensor(coefficients))


def line(label: str, seen: Sequence[Seen], spread: Spread | None) -> str:
    """Shares and correlations, corrected and as drawn."""
    share, errors = shares(seen), torch.cat([each.errors for each in seen])
    drawn = torch.cat([each.drawn for each in seen])
    told = [f"as drawn {_told(drawn, errors, share, NORMAL)}"]
    if spread is not None:
        corrected = deviation(spread.coefficients, torch.cat([each.terms for each in seen]))
        told.insert(0, f"corrected {_told(corrected, errors, share, spread.intervals)}")
    return f"{label}, {len({each.patient for each in seen})} patients: " + "; ".join(told)


def _told(std: Tensor, errors: Tensor, share: Tensor, widths: dict[int, float]) -> str:
    share = share / share.sum()
    held = {level: (errors <= widths[level] * std[:, None]).double().mean(dim=1) for level in LEVELS}
    inside = " ".join(f"{100 * float((share * held[level]).sum()):.1f}" for level in LEVELS)
    centred = [value - (share * value).sum() for value in (std, errors.mean(dim=1))]
    spread = [(share * value.square()).sum().sqrt() for value in centred]
    correlation = float((share * centred[0] * centred[1]).sum() / (spread[0] * spread[1]))
    return f"{inside} % (of {LEVELS}), correlation {correlation:.2f}"


if __name__ == "__main__":
    main()

"""The shipped weights of TFS-Diff on real triplets of patients that they were not trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import trifuse
from trifuse.bench.cases import smaller
from trifuse.core.image import Image


def triplet(data: Path, patient: str) -> list[Image]:
    """The middle functional triplet of a validation patient."""
    table = pd.read_csv(data / "aanlib2d" / "triplets.csv")
    cases = table[(table["patient"] == patient) & (table["functional"] == "yes")]
    row = cases.iloc[len(cases) // 2]
    return [trifuse.read(data / row[f"path_{number}"]) for number in (1, 2, 3)]


def psnr(image: Image, truth: Image) -> float:
    """In dB, of pictures in 0..1."""
    return float(-10 * np.log10(np.square(image.pixels.clip(0, 1) - truth.pixels.clip(0, 1)).mean()))


def sharpness(image: Image) -> float:
    """The average gradient in grey levels."""
    return trifuse.evaluate(image, metrics="ag")["ag"]


@pytest.mark.parametrize(("patient", "scale"), [("c36", 2), ("fdgc", 4), ("c36", 8)])
def test_is_far_above_the_analytic_fusion_of_bicubic_sources(data: Path, patient: str, scale: int) -> None:
    sources = triplet(data, patient)
    small = [smaller(source, scale) for source in sources]
    truth = trifuse.fuse(sources, "bitonicx", colour="luma").image
    gains = {
        quality: psnr(
            trifuse.fuse(small, "tfs-diff", scale=scale, colour="luma", options={"quality": quality}).image, truth
        )
        - psnr(trifuse.fuse(small, "bitonicx", scale=scale, colour="luma").image, truth)
        for quality in ("default", "fast")
    }
    assert gains["default"] > 1.5
    assert gains["default"] > gains["fast"] > 0.3


@pytest.mark.parametrize(("patient", "scale"), [("fdgc", 2), ("fdgc", 4), ("c36", 8)])
def test_is_nearer_to_the_truth_than_the_analytic_fusion_of_learned_sources(
    data: Path, patient: str, scale: int
) -> None:
    sources = triplet(data, patient)
    small = [smaller(source, scale) for source in sources]
    truth = trifuse.fuse(sources, "bitonicx", colour="luma").image
    fused = trifuse.fuse(small, "tfs-diff", scale=scale, colour="luma").image
    analytic = trifuse.fuse(small, "bitonicx", scale=scale, upsampler="source-sr", colour="luma").image
    sharp = sharpness(truth)
    assert psnr(fused, truth) > psnr(analytic, truth) + 0.02
    assert abs(sharpness(fused) - sharp) < abs(sharpness(analytic) - sharp)

"""evaluate(): names, presets, references, masks, colour."""

from __future__ import annotations

import numpy as np
import pytest

from trifuse.core.errors import InputError, OptionError
from trifuse.metrics import get, resolve
from trifuse.metrics.evaluate import evaluate
from trifuse.metrics.pixels import MetricWarning, luma
from trifuse.metrics.presets import PRESETS

RNG = np.random.default_rng(3)
F, A, B, R = RNG.integers(0, 256, (4, 48, 50)).astype(np.float64)
A[:, :10] = B[:, :10] = F[:, :10] = 0


def test_names_come_back_as_asked() -> None:
    values = evaluate(F, [A, B], metrics=["vif", "viff@evaluator", "MSE", "Q-CB"])
    assert list(values) == ["vif", "viff@evaluator", "MSE", "Q-CB"]
    assert values["vif"] == values["viff@evaluator"]
    assert values["MSE"] == pytest.approx(((F - A) ** 2).mean() / 2 + ((F - B) ** 2).mean() / 2)


def test_reference_beside_sources_and_alone() -> None:
    both = evaluate(F, [A, B], R, metrics=["mse", "en", "qabf"])
    assert set(both) == {"mse", "mse:reference", "en", "qabf"}
    alone = evaluate(F, reference=R, metrics=["mse", "en"])
    assert alone == {"mse": both["mse:reference"], "en": both["en"]}
    with pytest.raises(OptionError, match="all sources at once"):
        evaluate(F, reference=R, metrics=["qabf"])
    with pytest.raises(InputError, match="reference has size"):
        evaluate(F, reference=R[1:], metrics="mse")


@pytest.mark.parametrize("name", PRESETS)
def test_presets_name_metrics_and_leave_out_what_does_not_fit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRIFUSE_LPIPS", raising=False)
    wanted = PRESETS[name].metrics
    assert all(resolve(metric) == metric for metric in wanted)
    large = {metric for metric in wanted if get(metric).card.min_size > 48}
    large |= {metric for metric in wanted if get(metric).mask == "lesion" or metric.startswith("uptake")}
    if large:
        with pytest.warns(MetricWarning, match="left out"):
            values = evaluate(F, [A, B], metrics=name)
    else:
        values = evaluate(F, [A, B], metrics=name)
    assert set(values) == set(wanted) - large
    assert "en" not in wanted or values["en"] == get("en")(F)


def test_named_metrics_that_do_not_fit_raise() -> None:
    with pytest.raises(InputError, match="at least 176"):
        evaluate(F, [A, B], metrics=["ms_ssim"])


@pytest.mark.parametrize(
    ("name", "hint"),
    [("vfi", "vif"), ("cddfus", "cddfuse"), ("ssim@evaluater", "ssim@evaluator"), ("xyz", "there are")],
)
def test_unknown_names_suggest_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(OptionError, match=hint):
        evaluate(F, [A, B], metrics=name)


def test_per_source_values() -> None:
    values = evaluate(F, [A, B, R], metrics=["mi", "mse", "q_p"], per_source=True)
    parts = [values[f"mi[{k}]"] for k in range(3)]
    assert values["mi"] == pytest.approx(sum(parts))
    assert values["mi/N"] == pytest.approx(sum(parts) / 3)
    assert values["mse"] == pytest.approx(np.mean([values[f"mse[{k}]"] for k in range(3)]))
    assert "mse/N" not in values
    assert "q_p[0]" not in values


def test_mask_counts_only_what_it_holds() -> None:
    values = evaluate(F, [A], metrics=["mse", "ssim", "en"], mask="foreground")
    inside = A > 0
    assert values["mse:masked"] == pytest.approx(((F - A)[inside] ** 2).mean())
    assert values["ssim:masked"] < evaluate(F, [A], metrics=["ssim"])["ssim"]
    assert evaluate(F, [A], metrics=["ssim"], mask=np.ones_like(A))["ssim:masked"] == get("ssim")(F, [A])
    for mask, error in (("background", OptionError), (np.ones((3, 3)), InputError), (np.zeros_like(A), InputError)):
        with pytest.raises(error, match="mask"):
            evaluate(F, [A], metrics=["mse"], mask=mask)
    with pytest.raises(OptionError, match="takes no mask"):
        evaluate(F, [A], metrics=["vif"], mask="foreground")


def test_colour_is_measured_on_luma_or_channels() -> None:
    rgb = RNG.integers(0, 256, (48, 50, 3)).astype(np.float64)
    grey = np.rint(0.299 * rgb[..., 0] + 0.587 * rgb[..., 1] + 0.114 * rgb[..., 2])
    assert np.array_equal(luma(rgb), grey)
    assert evaluate(rgb, [A], metrics=["mse"])["mse"] == pytest.approx(((grey - A) ** 2).mean())
    channels = evaluate(rgb, [A], metrics=["mse", "mae", "vif"], colour="rgb")
    assert channels["mse"] == pytest.approx(((rgb - A[..., None]) ** 2).mean())
    assert channels["mae"] == pytest.approx(np.abs(rgb - A[..., None]).mean())
    assert channels["vif"] == get("vif")(rgb, [A])
    with pytest.raises(OptionError, match="luma or rgb"):
        evaluate(rgb, [A], metrics=["mse"], colour="hsv")


def test_eight_bit_and_float_arrays_agree() -> None:
    names = ["mse", "ssim", "mi", "qabf", "scd"]
    assert evaluate(F, [A, B], metrics=names) == evaluate(
        *[F.astype(np.uint8)], [x.astype(np.uint8) for x in (A, B)], metrics=names
    )

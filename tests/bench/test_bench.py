"""Benchmarks: recipes, resumable parallel runs, tables, significance, the page."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Pillow

from tests.io.makers import dicom_slice
from trifuse import io
from trifuse.bench import cache_keys, cases, recipe, report, run, summary, tables
from trifuse.core import files
from trifuse.core.errors import InputError, OptionError
from trifuse.core.image import Image
from trifuse.engines import Local
from trifuse.fusion import Run, fuse
from trifuse.metrics import images as evaluation

PATIENTS = ("p1", "p1", "p2", "p2", "p3", "p3")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Six small cases of three patients with a table, in a folder of their own."""
    folder = tmp_path / "data"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for index, patient in enumerate(PATIENTS):
        base = rng.random((48, 48))
        names = []
        for kind in "ab":
            pixels = (np.clip(base + 0.3 * rng.random((48, 48)), 0, 1) * 255).astype(np.uint8)
            names.append(f"{index}{kind}.png")
            Pillow.fromarray(pixels).save(folder / names[-1])
        split = "train" if patient == "p3" else "test"
        rows.append({"case": f"c{index}", "patient": patient, "split": split, "a": names[0], "b": names[1]})
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def make(**changes: object) -> recipe.Recipe:
    content = {
        "name": "small",
        "title": "A small benchmark",
        "cases": {"table": "table.csv", "columns": ["a", "b"]},
        "methods": ["mean", "max"],
        "metrics": ["ssim", "mse", "en"],
        **changes,
    }
    return recipe.Recipe.model_validate(content)


def test_one_row_per_method_case_scale_and_metric(study: Path, tmp_path: Path) -> None:
    small = make(scales=[1, 2], truth="max")
    rows = run.run(small, study, tmp_path / "out")
    table = pd.DataFrame(rows)
    assert not (table["error"] != "").any()
    assert table.groupby(["method", "scale", "case"]).ngroups == 2 * 2 * 6
    assert not table.duplicated(["method", "scale", "case", "metric"]).any()
    assert {"ssim", "mse", "en", "ssim:reference", "mse:reference", "seconds"} <= set(table["metric"])
    full = table[(table["method"] == "max") & (table["scale"] == 1) & (table["metric"] == "mse:reference")]
    assert (full["value"] == 0).all()
    half = table[(table["method"] == "max") & (table["scale"] == 2) & (table["metric"] == "mse:reference")]
    assert (half["value"] > 0).all()


def test_a_stopped_run_goes_on_where_it_stopped(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    small = make()
    first = run.run(small, study, out)
    kept = run.record_path(out, "mean", "c1", 1)
    lost = run.record_path(out, "max", "c2", 1)
    before = kept.stat().st_mtime_ns
    lost.unlink()
    run.record_path(out, "mean", "c3", 1).write_text("{ cut off")
    again = run.run(small, study, out)
    assert kept.stat().st_mtime_ns == before
    assert lost.is_file()
    scores = [{k: v for k, v in row.items() if k != "value" or row["metric"] != "seconds"} for row in again]
    assert scores == [{k: v for k, v in row.items() if k != "value" or row["metric"] != "seconds"} for row in first]


def test_a_changed_recipe_is_run_again(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run.run(make(), study, out)
    rows = run.run(make(metrics=["sd"]), study, out)
    assert {row["metric"] for row in rows} == {"sd", "seconds"}


@pytest.mark.parametrize("change", ["content", "paths", "same size and time"])
def test_a_changed_source_is_measured_again(study: Path, tmp_path: Path, change: str) -> None:
    out, small = tmp_path / "out", make(metrics=["sd"])
    before = value_of(run.run(small, study, out), "mean", "c1", "sd")
    picture = study / "1a.png"
    if change == "paths":
        text = (study / "table.csv").read_text()
        (study / "table.csv").write_text(text.replace("1a.png", "5a.png"))
    else:
        stat = picture.stat()
        Pillow.fromarray(255 - np.asarray(Pillow.open(picture))).save(picture)
        if change == "same size and time":  # as a copy that keeps time stamps, seen by another process
            os.utime(picture, ns=(stat.st_atime_ns, stat.st_mtime_ns))
            files._digest_of.cache_clear()
    rows = run.run(small, study, out)
    assert value_of(rows, "mean", "c1", "sd") != before
    assert value_of(rows, "mean", "c1", "sd") == value_of(run.run(small, study, tmp_path / "new"), "mean", "c1", "sd")


def value_of(rows: list[dict[str, object]], method: str, case: str, metric: str) -> object:
    (value,) = [r["value"] for r in rows if (r["method"], r["case"], r["metric"]) == (method, case, metric)]
    return value


def test_names_that_look_alike_as_files_have_results_of_their_own(study: Path, tmp_path: Path) -> None:
    listed = {name: [f"{k}a.png", f"{k}b.png"] for k, name in enumerate(("a/b", "a_b", "a b", "A_B", "x" * 300))}
    rows = {"label": "mean/1", "method": "mean"}, {"label": "mean_1", "method": "mean"}
    small = make(cases={"listed": listed}, methods=list(rows), metrics=["sd"])
    table = pd.DataFrame(run.run(small, study, tmp_path))
    values = table[table["metric"] == "sd"]
    assert not (table["error"] != "").any()
    assert values.groupby("method")["value"].nunique().to_dict() == {"mean/1": 5, "mean_1": 5}


def test_two_cases_of_one_name_are_refused(study: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two cases are called p1"):
        run.run(make(cases={"table": "table.csv", "columns": ["a", "b"], "case": ["patient"]}), study, tmp_path)


def test_a_failing_case_is_recorded_and_stops_nothing(study: Path, tmp_path: Path) -> None:
    (study / "2a.png").write_bytes(b"this is no picture")
    small = make(methods=["mean", {"label": "published", "pictures": "{case}.png"}])
    Pillow.fromarray(np.zeros((48, 48), np.uint8)).save(study / "c0.png")
    rows = run.run(small, study, tmp_path / "out")
    failed = {(row["method"], row["case"]) for row in rows if row["error"]}
    assert failed == {("mean", "c2")} | {("published", f"c{i}") for i in range(1, 6)}
    assert {row["case"] for row in rows if row["method"] == "mean" and not row["error"]} == {
        f"c{i}" for i in (0, 1, 3, 4, 5)
    }
    paths = report.write(small, rows, tmp_path / "out")
    assert "2a.png" in (tmp_path / "out" / "index.html").read_text()
    assert all(path.is_file() for path in paths)


def test_processes_give_the_same_table(study: Path, tmp_path: Path) -> None:
    small = make(cases={"table": "table.csv", "columns": ["a", "b"], "limit": 2}, metrics=["mse"])
    alone = run.run(small, study, tmp_path / "one")
    together = run.run(small, study, tmp_path / "two", Local(2))
    value = {(r["method"], r["case"], r["metric"]): r["value"] for r in alone if r["metric"] != "seconds"}
    assert value == {(r["method"], r["case"], r["metric"]): r["value"] for r in together if r["metric"] != "seconds"}


def test_tables_mark_the_best_and_the_second(study: Path, tmp_path: Path) -> None:
    rows = run.run(make(methods=["mean", "max", {"label": "flat", "pictures": "flat.png"}]), study, tmp_path / "none")
    table = pd.DataFrame(rows)
    assert (table["error"] != "").sum() == 6
    value = {"best": 1.0, "second": 2.0, "third": 3.0}
    tidy = pd.DataFrame(
        [
            {"method": m, "case": f"c{i}", "patient": p, "scale": 1, "metric": "mse", "value": v + i, "error": ""}
            for m, v in value.items()
            for i, p in enumerate(PATIENTS)
        ]
    )
    made = summary.summarise(tidy, 1)
    assert made.mean.loc["best", "mse"] == pytest.approx(3.5)
    assert made.std.loc["best", "mse"] == pytest.approx(np.std(np.arange(6), ddof=1))
    assert made.ranks["mse"].to_dict() == {"best": 1.0, "second": 2.0, "third": 3.0}
    text = tables.markdown(made)
    assert "**3.500**" in text
    assert "<u>4.500</u>" in text
    latex = tables.latex(made)
    assert r"\textbf{3.500}" in latex
    assert r"\underline{4.500}" in latex
    assert r"\downarrow" in latex


def test_significance_is_holm_corrected_wilcoxon() -> None:
    from scipy.stats import wilcoxon

    rng = np.random.default_rng(0)
    values = {"a": rng.normal(size=12), "b": rng.normal(size=12), "c": rng.normal(3, 1, 12)}
    tidy = pd.DataFrame(
        [
            {"method": m, "case": f"c{i}", "patient": "p", "scale": 1, "metric": "ssim", "value": v}
            for m, column in values.items()
            for i, v in enumerate(column)
        ]
    )
    p = summary.significance(tidy, "ssim")
    assert p is not None
    raw = {pair: wilcoxon(values[pair[0]], values[pair[1]]).pvalue for pair in ("ab", "ac", "bc")}
    ordered = sorted(raw, key=raw.__getitem__)
    running = 0.0
    for rank, pair in enumerate(ordered):
        running = max(running, min(1.0, raw[pair] * (3 - rank)))
        assert p.loc[pair[0], pair[1]] == pytest.approx(running)
    assert summary.significance(tidy[tidy["case"].isin(["c0", "c1"])], "ssim") is None


def test_means_over_patients_weigh_patients_alike() -> None:
    tidy = pd.DataFrame(
        [
            {"method": "m", "case": f"c{i}", "patient": p, "scale": 1, "metric": "mse", "value": v, "error": ""}
            for i, (p, v) in enumerate([("p", 0.0), ("p", 0.0), ("p", 0.0), ("q", 4.0)])
        ]
    )
    made = summary.summarise(tidy, 1)
    assert made.mean.loc["m", "mse"] == 1.0
    assert made.patients.loc["m", "mse"] == 2.0
    assert made.patients_std.loc["m", "mse"] == pytest.approx(np.std([0, 4], ddof=1))
    assert made.count == 2


def test_report_leaves_everything_a_reader_wants(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    small = make()
    report.write(small, run.run(small, study, out), out)
    page = (out / "index.html").read_text()
    for name in ("results.csv", "summary.csv", "table.md", "table.tex", "plots/boxes-x1.png", "plots/ranks-x1-mse.png"):
        assert (out / name).is_file(), name
    shown = [run.picture_path(out, label, "c0", 1).relative_to(out).as_posix() for label in ("mean", "source 1")]
    for link in (*shown, "plots/boxes-x1.png"):
        assert link in page
        assert (out / link).is_file()
    tidy = pd.read_csv(out / "results.csv")
    assert set(tidy.columns) >= {"method", "case", "patient", "scale", "metric", "value", "version", "weights"}


def test_where_and_limit_choose_cases(study: Path) -> None:
    chosen = recipe.Cases(table="table.csv", columns=["a", "b"], where={"split": ["test"]}, limit=2)
    found = cases.find(chosen, study)
    assert [case.name for case in found] == ["c0", "c3"]
    assert found[1].patient == "p2"


def test_lists_stand_for_rows() -> None:
    made = make(
        methods=[
            "mean",
            {"label": "Max", "method": "max", "upsampler": ["bicubic", "sr3"], "upsample": ["before", "after"]},
            {"method": ["dwt", "ctsr"], "upsampler": ["bicubic", "source-sr"], "samples": 2},
        ]
    )
    rows = [
        (entry.label, entry.method, entry.run.upsampler, entry.run.upsample, entry.run.samples)
        for entry in made.methods
    ]
    assert rows == [
        ("mean", "mean", "bicubic", "before", 1),
        ("Max (bicubic before)", "max", "bicubic", "before", 1),
        ("Max (bicubic after)", "max", "bicubic", "after", 1),
        ("Max (sr3 before)", "max", "sr3", "before", 1),
        ("Max (sr3 after)", "max", "sr3", "after", 1),
        ("dwt (bicubic)", "dwt", "bicubic", "before", 2),
        ("dwt (source-sr)", "dwt", "source-sr", "before", 2),
        ("ctsr (bicubic)", "ctsr", "bicubic", "before", 2),
        ("ctsr (source-sr)", "ctsr", "source-sr", "before", 2),
    ]


def test_a_smaller_run_of_a_recipe() -> None:
    whole = make(methods=["mean", {"label": "Max", "method": "max", "upsampler": ["bicubic", "sr3"]}])
    assert [e.label for e in recipe.narrowed(whole, methods="mean, *SR3)").methods] == ["mean", "Max (sr3)"]
    assert [e.label for e in recipe.narrowed(whole, methods="max").methods] == ["Max (bicubic)", "Max (sr3)"]
    assert recipe.narrowed(whole, limit=3).cases.limit == 3
    assert recipe.narrowed(whole) == whole
    entry = whole.methods[0]
    assert recipe.narrowed(whole, 1, "mean").digest(entry) == whole.digest(entry)
    with pytest.raises(OptionError, match="there are: mean; Max"):
        recipe.narrowed(whole, methods="mena")


def test_shared_sources_change_no_picture(study: Path, tmp_path: Path) -> None:
    """Rows share what upsamplers make; the pictures are those of `trifuse.fuse`."""
    chosen = {"table": "table.csv", "columns": ["a", "b"], "limit": 1}
    rows = {
        "method": ["laplacian", "max"],
        "upsampler": ["bicubic", "sr3", "source-sr"],
        "upsample": ["before", "after"],
    }
    small = make(cases=chosen, methods=[rows], scales=[2], metrics=["mse"], truth="mean", seed=3)
    case = cases.find(small.cases, study)[0]
    halves = [cases.smaller(image, 2) for image in cases.sources(case, small.cases)]
    assert not any(row["error"] for row in run.run(small, study, tmp_path))
    for entry in small.methods:
        settings = {"upsampler": entry.run.upsampler, "upsample": entry.run.upsample}
        alone = fuse(halves, str(entry.method), scale=2, seed=3, colour="luma", **settings)
        shared = Pillow.open(run.picture_path(tmp_path, entry.label, "c0", 2))
        assert np.array_equal(np.asarray(shared), np.asarray(cases.to_pillow(alone.image))), entry.label


def test_rows_without_weights_are_left_out_and_named(study: Path, tmp_path: Path) -> None:
    absent = {"label": "mine", "method": "tfs-diff", "options": {"weights": "not-trained-yet"}}
    small = make(cases={"table": "table.csv", "columns": ["a", "b"], "limit": 2}, methods=["mean", absent])
    rows = run.run(small, study, tmp_path)
    assert not any(row["error"] for row in rows)
    assert {row["method"] for row in rows if row["left_out"]} == {"mine"}
    (reason,) = summary.left_out(rows)
    assert reason.startswith("mine: ")
    assert "not-trained-yet" in reason
    report.write(small, rows, tmp_path)
    assert "not-trained-yet" in (tmp_path / "index.html").read_text()
    text = (tmp_path / "table.md").read_text()
    assert "| mine |" not in text
    assert "- mine: " in text


def test_results_by_other_weights_are_run_again(study: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "weights.npz", tmp_path / "other.npz"
    first.write_bytes(b"some")
    second.write_bytes(b"other")
    small = make()
    entry = recipe.Entry(method="mean", run=Run(options={"weights": str(first)}))
    before = cache_keys.of_row(small, entry)
    assert before == cache_keys.of_row(small, entry)
    assert before != cache_keys.of_row(small, recipe.Entry(method="mean", run=Run(options={"weights": str(second)})))
    first.write_bytes(b"some more")
    assert before != cache_keys.of_row(small, entry)


def test_both_readings_have_tables_and_ranks(study: Path, tmp_path: Path) -> None:
    small = make(scales=[2], truth="max", metrics=["mse", "ag"])
    rows = run.run(small, study, tmp_path)
    table = pd.DataFrame(rows)
    assert set(table["metric"]) == {"mse", "mse:reference", "ag", "ag:difference", "seconds"}
    wide = table.pivot_table(index="case", columns=["method", "metric"], values="value")
    truth = evaluation.evaluate(
        Image.of(np.maximum(*(np.asarray(Pillow.open(study / f"0{k}.png")) for k in "ab"))), metrics="ag"
    )
    expected = abs(wide.loc["c0", ("mean", "ag")] - truth["ag"])
    assert wide.loc["c0", ("mean", "ag:difference")] == pytest.approx(expected)
    assert summary.direction("ag:difference") == -1
    assert summary.direction("speckle") == -1
    made = summary.summarise(table, 2)
    split = summary.readings(list(made.mean.columns))
    assert split == {
        "against the sources": ["mse", "ag", "seconds"],
        "against the ground truth": ["mse:reference", "ag:difference"],
    }
    assert summary.mean_ranks(made.ranks, split["against the ground truth"])["mean"] == pytest.approx(
        made.ranks.loc["mean", ["mse:reference", "ag:difference"]].mean()
    )
    text = tables.markdown(made)
    for title in (
        "against the sources; mean ± standard deviation over cases",
        "against the ground truth; mean ± standard deviation over patients",
    ):
        assert title in text


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"metrics": 3}, "metrics"),
        ({"methods": []}, "methods"),
        ({"methods": ["mean", "mean"]}, "labels"),
        ({"scales": [3]}, "scales"),
        ({"colour": "red"}, "colour"),
        ({"cases": {"table": "x.csv"}}, "columns"),
    ],
)
def test_a_wrong_recipe_is_refused_by_field(change: dict, word: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    good = {"name": "n", "title": "t", "cases": {"table": "t.csv", "columns": ["a", "b"]}, "methods": ["mean"]}
    path.write_text(json.dumps({**good, **change}))
    with pytest.raises(InputError, match=word):
        recipe.load(path)


def test_missing_things_are_named(study: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the recipe cannot be read"):
        recipe.load(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="no such table"):
        run.run(make(cases={"table": "none.csv", "columns": ["a", "b"]}), study, tmp_path)
    with pytest.raises(InputError, match="no column z"):
        run.run(make(cases={"table": "table.csv", "columns": ["a", "z"]}), study, tmp_path)
    with pytest.raises(OptionError, match="meen"):
        run.run(make(methods=["meen"]), study, tmp_path)
    with pytest.raises(InputError, match="no row"):
        run.run(make(cases={"table": "table.csv", "columns": ["a", "b"], "where": {"split": ["x"]}}), study, tmp_path)


@pytest.mark.parametrize(
    "path", sorted(Path(__file__).resolve().parents[2].glob("trifuse/recipes/bench/*.yaml")), ids=lambda p: p.name
)
def test_shipped_recipes_are_valid(path: Path) -> None:
    from trifuse import methods

    loaded = recipe.load(path)
    for entry in loaded.methods:
        if entry.method:
            assert methods.get(entry.method).card.name == entry.method


def scans(folder: Path, **other: object) -> Path:
    """A CT and an MR of one patient in one flat export each, the MR with two series."""
    rng = np.random.default_rng(1)
    for kind, number in (("ct", 1), ("mr", 2), ("mr", 3)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        values = rng.integers(0, 900, (20, 24)).astype(np.int16)
        changes = other if kind == "mr" else {}
        made = dicom_slice(values, series=f"1.2.{number}", SeriesNumber=number, Modality=kind.upper(), **changes)
        made.save_as(folder / kind / f"{number}.dcm", enforce_file_format=True)
    (folder / "table.csv").write_text("case,patient,ct,mr,mr_series\nc1,p1,ct,mr,3\n")
    return folder


def test_sources_are_chosen_as_everywhere(tmp_path: Path) -> None:
    data = scans(tmp_path / "data")
    by_table = make(cases={"table": "table.csv", "columns": ["ct", "mr"]})
    (case,) = cases.find(by_table.cases, data)
    third = io.read(data / "mr" / "3.dcm")
    assert np.array_equal(cases.sources(case, by_table.cases)[1].native(), third.native())
    listed = make(cases={"listed": {"c1": ["ct", "mr"]}, "series": ["2:3"]})
    assert listed.digest(listed.methods[0]) != by_table.digest(by_table.methods[0])
    (case,) = cases.find(listed.cases, data)
    assert np.array_equal(cases.sources(case, listed.cases)[1].native(), third.native())
    without = make(cases={"listed": {"c1": ["ct", "mr"]}})
    with pytest.raises(InputError, match="several DICOM series"):
        cases.sources(case, without.cases)


def test_a_case_of_two_patients_is_refused(tmp_path: Path) -> None:
    data = scans(tmp_path / "data", PatientID="somebody else")
    small = make(cases={"table": "table.csv", "columns": ["ct", "mr"]}, metrics=["sd"], scales=[1, 2])
    errors = {row["error"] for row in run.run(small, data, tmp_path / "out")}
    assert len(errors) == 1
    assert "is of another patient" in errors.pop()
    allowed = small.model_copy(update={"cases": small.cases.model_copy(update={"different_patients": True})})
    assert not any(row["error"] for row in run.run(allowed, data, tmp_path / "out"))

"""What is open, how long it stays, and how it goes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

import trifuse
from trifuse.core.errors import InputError
from trifuse.view.opening import cases_of
from trifuse.view.settings import Limits

Viewer = Callable[..., Any]


def names(client: Any) -> list[tuple[str, str]]:
    """Name and role of all that is open."""
    return [(image["name"], image["role"]) for image in client.get("/api/state").json()["images"]]


def test_files_are_opened_in_their_order(viewer: Viewer, study: dict[str, list[Path]]) -> None:
    client, _ = viewer(study["2d"])
    assert names(client) == [("t1.png", "source"), ("t2.png", "source"), ("pet.png", "source")]
    pet = client.get("/api/state").json()["images"][2]
    assert pet["units"] == "of the palette"
    assert pet["functional"]


def test_a_result_finds_its_sources_by_provenance(viewer: Viewer, study: dict[str, list[Path]], tmp_path: Path) -> None:
    for path in study["2d"]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with Image.open(study["2d"][0]) as picture:
        ImageOps.mirror(picture).save(tmp_path / "other.png")
    sources = [tmp_path / path.name for path in study["2d"]]
    trifuse.fuse(sources, "mean").save(tmp_path / "out" / "fused.png")
    client, session = viewer([tmp_path / "out" / "fused.png"])
    assert names(client) == [
        ("t1.png", "source"),
        ("t2.png", "source"),
        ("pet.png", "source"),
        ("mean: fused.png", "fused"),
    ]
    fused = client.get("/api/state").json()["images"][3]
    assert fused["parents"] == [entry.key for entry in list(session.entries.values())[:3]]
    assert client.get(f"/api/images/{fused['key']}/provenance.json").json()["method"] == "mean"


def test_a_source_that_is_not_there_is_told(viewer: Viewer, study: dict[str, list[Path]], tmp_path: Path) -> None:
    trifuse.fuse(study["2d"], "mean").save(tmp_path / "deep" / "er" / "fused.png")
    client, _ = viewer([tmp_path / "deep" / "er" / "fused.png"])
    notes = client.get("/api/state").json()["notes"]
    assert len(notes) == 3
    assert notes[0].startswith("source 1 (T1, 256 x 256) was not found near the result")


def test_a_folder_of_a_comparison_shows_results_and_scores(
    viewer: Viewer, study: dict[str, list[Path]], tmp_path: Path
) -> None:
    trifuse.compare(study["2d"][:2], ["mean", "laplacian"], metrics=["ssim"]).save(tmp_path / "out")
    client, _ = viewer([tmp_path / "out"])
    results = [image for image in client.get("/api/state").json()["images"] if image["role"] == "fused"]
    assert sorted(image["method"] for image in results) == ["laplacian", "mean"]
    assert all(0 < image["scores"]["ssim"] <= 1 for image in results)


def test_a_folder_of_a_cohort_has_a_case_for_each_patient(
    viewer: Viewer, study: dict[str, list[Path]], tmp_path: Path
) -> None:
    from trifuse.cohort import Case, Job, cohort
    from trifuse.fusion import Run

    sources = dict(zip(("t1", "t2"), study["2d"], strict=False))
    cohort([Job(Case(name, sources), tmp_path / "out", "mean", Run(), sheet=False) for name in ("anna", "bert")])
    client, _ = viewer([tmp_path / "out"])
    assert client.get("/api/state").json()["cases"] == ["anna", "bert"]
    state = client.post("/api/cases/1").json()
    assert state["case"] == 1
    assert [image["method"] for image in state["images"]] == ["mean"]
    assert client.post("/api/cases/2").status_code == 400


def test_pictures_of_a_benchmark_are_cases(tmp_path: Path, study: dict[str, list[Path]]) -> None:
    (tmp_path / "records").mkdir()
    for case in ("p10-0a1b2c3d-x1", "p2-0a1b2c3d-x1"):
        folder = tmp_path / "pictures" / case
        folder.mkdir(parents=True)
        (folder / "mean-01234567.png").write_bytes(study["2d"][0].read_bytes())
    assert [case.name for case in cases_of([tmp_path])] == ["p2-x1", "p10-x1"]


def test_what_holds_nothing_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no image"):
        cases_of([tmp_path])
    with pytest.raises(InputError, match="no such file"):
        cases_of([tmp_path / "absent.png"])


def test_an_idle_session_loses_its_files_and_opens_anew(viewer: Viewer, study: dict[str, list[Path]]) -> None:
    client, session = viewer(study["2d"][:1], Limits(idle_seconds=0.2))
    before = session.folder
    assert any(before.rglob("*.raw"))
    time.sleep(0.6)
    assert not any(before.rglob("*.raw"))
    client.get("/api/state")
    while client.get("/api/state").json()["loading"]:
        pass
    assert names(client) == [("t1.png", "source")]


def test_closing_an_upload_removes_its_files(viewer: Viewer, study: dict[str, list[Path]]) -> None:
    from urllib.parse import quote

    client, session = viewer()
    upload = client.post("/api/uploads").json()["upload"]
    headers = {"x-file-name": quote("t1.png")}
    client.put(f"/api/uploads/{upload}", content=study["2d"][0].read_bytes(), headers=headers)
    key = client.post(f"/api/uploads/{upload}").json()["images"][0]["key"]
    assert client.delete(f"/api/images/{key}").status_code == 200
    assert [path for path in session.folder.rglob("*") if path.is_file()] == []
    assert study["2d"][0].exists()


def test_files_of_the_command_line_are_never_removed(
    viewer: Viewer, tmp_path: Path, study: dict[str, list[Path]]
) -> None:
    own = tmp_path / "t1.png"
    own.write_bytes(study["2d"][0].read_bytes())
    client, _ = viewer([own])
    client.delete(f"/api/images/{client.get('/api/state').json()['images'][0]['key']}")
    assert own.exists()


def test_palettes_are_those_of_the_fusion(viewer: Viewer) -> None:
    from trifuse.core import palettes

    client, _ = viewer()
    assert {"grey", "ember", "inferno"} <= set(client.get("/api/palettes").json())
    colours = np.frombuffer(client.get("/api/palettes/ember").content, np.uint8).reshape(256, 3)
    assert np.abs(colours[[0, 255]] - palettes.table("ember")[[0, -1]]).max() <= 0.5
    assert client.get("/api/palettes/nothing").status_code == 422


def test_images_are_saved_in_other_formats(viewer: Viewer, study: dict[str, list[Path]], tmp_path: Path) -> None:
    client, _ = viewer(study["3d"][:1])
    key = client.get("/api/state").json()["images"][0]["key"]
    saved = tmp_path / "again.nii.gz"
    answer = client.get(f"/api/images/{key}/as/nii.gz")
    saved.write_bytes(answer.content)
    assert "t1" not in answer.headers["content-disposition"]
    before, after = trifuse.read(study["3d"][0]), trifuse.read(saved)
    assert np.array_equal(before.native(), after.native())
    assert np.allclose(before.affine, after.affine)
    assert client.get(f"/api/images/{key}/as/exe").status_code == 400
    assert json.loads(client.get("/api/images/none/values").content)["error"].startswith("there is no such image")

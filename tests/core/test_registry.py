"""Registries: names of ours, names that other packages add, and packages that fail."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

import trifuse
from trifuse import Run, io, methods, metrics, upsamplers
from trifuse.cli.app import main
from trifuse.cli.border import told
from trifuse.core.errors import InputError, OptionError, PluginError, PluginWarning
from trifuse.core.image import Image
from trifuse.core.registry import Registry, hint
from trifuse.io import formats

PLUGIN = Path(__file__).resolve().parents[1] / "plugin"

REGISTRIES = (upsamplers.REGISTRY, methods.REGISTRY, metrics.REGISTRY, formats.REGISTRY)


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages: the example plugin, as pip installs it."""
    folder = tmp_path_factory.mktemp("packages")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    done = subprocess.run([*pip, "--target", folder, PLUGIN], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def installed(packages: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The example plugin on the path of this program."""
    monkeypatch.syspath_prepend(packages)
    _forget()
    yield
    _forget()


def _forget() -> None:
    for registry in REGISTRIES:
        registry.__dict__.pop("plugins", None)


def broken(folder: Path, *points: str, group: str = "trifuse.methods") -> Path:
    """A folder of installed packages with one that registers names in this way."""
    record = folder / "broken-2.1.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 2.1\n")
    (record / "entry_points.txt").write_text("\n".join([f"[{group}]", *points]))
    return folder


@pytest.mark.usefixtures("installed")
def test_a_plugins_method_fuses() -> None:
    a, b = np.random.default_rng(0).random((2, 5, 6), dtype=np.float32)
    fused = trifuse.fuse([a, b], "darkest")
    assert np.array_equal(fused.image.pixels[0], np.minimum(a, b))
    assert (fused.provenance["method"], fused.provenance["plugins"]) == ("darkest", ["trifuse-example 1.0"])
    assert "plugins" not in trifuse.fuse([a, b], "max").provenance
    assert methods.names()[-1] == "darkest"
    assert "darkest" in {card.name for card in trifuse.methods()}


@pytest.mark.usefixtures("installed")
def test_a_plugins_metric_measures() -> None:
    fused = np.array([[0.0, 1.0], [0.0, 0.5]], np.float32)
    assert trifuse.evaluate(fused, [fused], metrics="darkness") == {"darkness": 0.5}
    assert "darkness" in {card.name for card in trifuse.metrics()}


@pytest.mark.usefixtures("installed")
def test_a_plugins_format_is_read_and_written(tmp_path: Path) -> None:
    levels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    path = trifuse.fuse([levels, levels], "max").save(tmp_path / "fused.pgm")
    disguised = path.rename(tmp_path / "fused.png")
    assert np.array_equal(trifuse.read(disguised).native()[0], levels)
    assert ".pgm" in formats.suffixes()
    assert formats.REGISTRY.origin("pgm") == "trifuse-example 1.0"
    disguised.write_bytes(b"P5 three four 255 ")
    with pytest.raises(InputError, match=r"not valid PGM.*lacks a number"):
        trifuse.read(disguised)


@pytest.mark.usefixtures("installed")
def test_a_plugins_upsampler_magnifies() -> None:
    a = np.random.default_rng(0).random((2, 5, 6), dtype=np.float32)
    fused = trifuse.fuse(list(a), "max", run=Run(scale=2, upsampler="nearest"))
    assert np.array_equal(fused.image.pixels[0], a.max(axis=0).repeat(2, 0).repeat(2, 1))
    assert fused.provenance["plugins"] == ["trifuse-example 1.0"]


@pytest.mark.usefixtures("installed")
def test_names_say_where_they_come_from() -> None:
    assert methods.origin("darkest") == "trifuse-example 1.0"
    assert methods.origin("mean") == "trifuse"
    assert metrics.origin("darkness") == "trifuse-example 1.0"


def test_the_list_marks_plugins_and_names_those_that_fail(packages: Path, tmp_path: Path) -> None:
    path = os.pathsep.join([str(packages), str(broken(tmp_path, "absent = no_such_module:Method"))])
    run = [sys.executable, "-m", "trifuse.cli.app", "methods"]
    done = subprocess.run(run, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path})
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.split()}
    assert rows["darkest"].rstrip().endswith("trifuse-example 1.0")
    assert rows["mean"].rstrip().endswith("trifuse")
    assert "absent" not in rows
    (told,) = (line for line in done.stderr.splitlines() if "absent" in line)
    assert told.startswith("note: method 'absent' of broken 2.1 cannot be loaded (ModuleNotFoundError: ")


@pytest.mark.parametrize(
    ("point", "why"),
    [
        ("absent = no_such_module:Method", "cannot be loaded (ModuleNotFoundError"),
        ("absent = json:dumps", "is no method"),
        ("other = trifuse.methods.mean:Mean", "has a card that calls it 'mean'"),
    ],
)
def test_a_plugin_that_fails_is_named_and_stops_nobody_else(
    point: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(broken(tmp_path, point))
    registry: Registry[type] = Registry(
        "method", "trifuse.methods", {"max": "max:Max"}, plugins="trifuse.methods", fault="base:fault"
    )
    name = point.split()[0]
    assert registry.names() == ["max", name]
    with pytest.raises(PluginError) as caught:
        registry.get(name)
    assert str(caught.value).startswith(f"method {name!r} of broken 2.1 {why}")
    with pytest.warns(PluginWarning, match="broken 2.1"):
        assert [found for found, _ in registry.working()] == ["max"]


def test_a_plugin_cannot_take_the_name_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(broken(tmp_path, "max = json:dumps"))
    registry: Registry[type] = Registry("method", "trifuse.methods", {"max": "max:Max"}, plugins="trifuse.methods")
    with pytest.warns(PluginWarning, match="'max' of broken 2.1 is left out: trifuse has one"):
        assert registry.names() == ["max"]
    assert registry.get("max").card.name == "max"


def test_of_all_metrics_one_that_fails_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(broken(tmp_path, "absent = no_such_module:metric", group="trifuse.metrics"))
    _forget()
    from trifuse.metrics import presets
    from trifuse.metrics.evaluate import chosen

    every = presets.PRESETS["all"]._replace(metrics=("en", "absent"))
    monkeypatch.setitem(presets.PRESETS, "all", every)
    with pytest.warns(UserWarning, match="left out: metric 'absent' of broken 2.1"):
        assert chosen("all") == (["en"], True)
    _forget()


def test_names_that_do_not_exist_get_the_nearest() -> None:
    with pytest.raises(OptionError, match="did you mean 'bitonicx'"):
        methods.get("bitonix")
    assert hint("zzz", ["a", "b"]) == "there are: a, b"


@pytest.mark.usefixtures("installed")
def test_the_command_line_names_a_plugin_that_throws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    darkest = methods.get("darkest")
    for name in "ab":
        io.write(Image(np.full((1, 8, 9), 0.5, np.float32)), tmp_path / f"{name}.png")
    monkeypatch.setattr(sys.modules[darkest.__module__], "torch", None)
    command = ["fuse", str(tmp_path / "a.png"), str(tmp_path / "b.png"), "-o", str(tmp_path / "c.png"), "-m", "darkest"]
    code, said = ran(command)
    assert code == 2
    assert said.startswith("trifuse: plugin trifuse-example 1.0 failed in trifuse_example.darkest (AttributeError: ")
    assert said.count("\n") == 1
    assert not (tmp_path / "c.png").exists()
    monkeypatch.setenv("TRIFUSE_TRACEBACK", "1")
    assert "in fuse" in ran(command)[1]


def test_the_border_tells_the_machine_and_libraries_from_our_bugs() -> None:
    assert told(ZeroDivisionError("ours")) is None
    assert "no space is left on the device" in str(told(OSError(errno.ENOSPC, "full", "out.nii")))
    assert "not enough memory" in str(told(MemoryError()))
    frame = "import json\ndef read(text):\n    json.loads(text)\n"
    room: dict[str, object] = {"__name__": "trifuse.io.nowhere"}
    exec(frame, room)
    with pytest.raises(ValueError, match="Expecting") as caught:
        room["read"]("{")  # type: ignore[operator]
    assert "a file cannot be read by json (JSONDecodeError" in str(told(caught.value))
    room["__name__"] = "trifuse.methods.nowhere"
    with pytest.raises(ValueError, match="Expecting") as caught:
        room["read"]("{")  # type: ignore[operator]
    assert told(caught.value) is None


def ran(arguments: list[str]) -> tuple[int, str]:
    """Exit code of a command, and what it said on stderr."""
    said = StringIO()
    with patch.object(sys, "argv", ["trifuse", *arguments]), redirect_stderr(said):
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0), said.getvalue()
    return 0, said.getvalue()

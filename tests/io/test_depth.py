"""One range for the 16-bit pictures of a series, and 16 bits out where the sources have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

import trifuse
from trifuse import io
from trifuse.core.errors import OptionError

RAMP = np.linspace(0, 1, 30 * 20).reshape(30, 20)


def saved(path: Path, top: int) -> Path:
    Pillow.fromarray(np.rint(RAMP * top).astype(np.uint16)).save(path)
    return path


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_slices_of_a_series_do_not_jump(tmp_path: Path, suffix: str) -> None:
    paths = [saved(tmp_path / f"ct-{k}.{suffix}", top) for k, top in enumerate((900, 1100, 300))]
    images = [io.read(path) for path in paths]
    assert [image.window for image in images] == [(0, 4095)] * 3
    assert [float(image.pixels.max()) for image in images] == pytest.approx([900 / 4095, 1100 / 4095, 300 / 4095])
    assert images[0].notes[0].endswith("0 to 4095, the depth that holds them and the 2 others of its series")


def test_other_files_are_no_series(tmp_path: Path) -> None:
    first = saved(tmp_path / "t1.png", 900)
    saved(tmp_path / "t2.png", 3000)
    saved(tmp_path / "scan-7.png", 3000)
    (tmp_path / "t3.png").write_bytes(b"broken")
    assert io.read(first).window == (0, 1023)


def test_sixteen_bits_come_out_where_all_grey_sources_have_them(tmp_path: Path) -> None:
    fine, coarse = saved(tmp_path / "a.png", 4000), tmp_path / "b.png"
    Pillow.fromarray(np.rint(RAMP * 255).astype(np.uint8)).save(coarse)
    fused = trifuse.fuse([fine, fine], "max")
    for name in ("f.png", "f.tif"):
        again = io.read(fused.save(tmp_path / name))
        assert again.native().dtype == np.uint16
        assert again.pixels * 65535 == pytest.approx(np.rint(RAMP[None] * 4000) / 4095 * 65535, abs=0.51)
    assert io.read(fused.save(tmp_path / "g.png", bits=8)).native().dtype == np.uint8
    assert io.read(fused.save(tmp_path / "h.jpg")).native().dtype == np.uint8
    assert io.read(trifuse.fuse([fine, coarse], "max").save(tmp_path / "i.png")).native().dtype == np.uint8
    with pytest.raises(OptionError, match="8 or 16 bits"):
        fused.save(tmp_path / "j.png", bits=32)

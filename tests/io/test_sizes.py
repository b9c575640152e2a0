"""What decoding will take is counted before it begins."""

from __future__ import annotations

import io as streams
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image as Pillow

from trifuse import io
from trifuse.core.errors import InputError
from trifuse.io import request


def picture(path: Path, mode: str, side: int = 600) -> Path:
    Pillow.new(mode, (side, side)).save(path)
    return path


@pytest.mark.parametrize(("mode", "each"), [("L", 6), ("RGB", 19), ("P", 20), ("RGBA", 30), ("I;16", 8)])
def test_pictures_count_their_copies(tmp_path: Path, mode: str, each: int) -> None:
    path = picture(tmp_path / "a.png", mode)
    limit = 600 * 600 * each
    io.read(path, limit=limit + 8)
    with pytest.raises(InputError, match=r"too large: its header announces 600 x 600 x . values, which take"):
        io.read(path, limit=limit - 8)


def test_scaled_volumes_count_their_doubles(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.zeros((20, 20, 20), np.int16), np.eye(4))
    image.header.set_slope_inter(0.5, 1)
    image.to_filename(tmp_path / "scaled.nii")
    io.read(tmp_path / "scaled.nii", limit=14 * 8000)
    with pytest.raises(InputError, match="too large"):
        io.read(tmp_path / "scaled.nii", limit=14 * 8000 - 1)


def test_a_small_stream_of_a_huge_picture_is_not_decoded(tmp_path: Path) -> None:
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEGBaseline8Bit, SecondaryCaptureImageStorage, generate_uid

    stream = streams.BytesIO()
    Pillow.new("L", (4000, 4000)).save(stream, "JPEG")
    bomb = Dataset()
    bomb.file_meta = FileMetaDataset()
    bomb.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    bomb.SOPClassUID, bomb.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    bomb.Rows = bomb.Columns = 8
    bomb.SamplesPerPixel, bomb.PhotometricInterpretation, bomb.PixelRepresentation = 1, "MONOCHROME2", 0
    bomb.BitsAllocated, bomb.BitsStored, bomb.HighBit = 8, 8, 7
    bomb.PixelData = encapsulate([stream.getvalue()])
    bomb["PixelData"].is_undefined_length = True
    bomb.save_as(tmp_path / "bomb.dcm", enforce_file_format=True)
    with pytest.raises(InputError, match="its compressed pixels are 4000 x 4000 where its header announces 8 x 8"):
        io.read(tmp_path / "bomb.dcm")


def test_the_limit_is_no_more_than_half_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(request.LIMIT_VARIABLE, raising=False)
    monkeypatch.setattr(request.machine, "memory_total", lambda: 10**9)
    assert request.memory_limit(None) == 5 * 10**8
    monkeypatch.setattr(request.machine, "memory_total", lambda: None)
    assert request.memory_limit(None) == request.DEFAULT_LIMIT

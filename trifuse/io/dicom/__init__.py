"""DICOM: single files, series folders, multi-frame and enhanced objects; derived objects to write.

pydicom reads, highdicom judges whether slices form a volume. `read_file` and `read_folder` give native values
(HU, SUV, Bq/ml, grey levels) as the headers rescale them; `write` makes a new object.
"""

from trifuse.io.dicom.derived import write
from trifuse.io.dicom.exported import write_series
from trifuse.io.dicom.series import read_file, read_folder

__all__ = ["read_file", "read_folder", "write", "write_series"]

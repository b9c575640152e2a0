"""Preparation: a list of studies as a hospital exports them -> a data set to train and measure on.

Each study is read, brought onto one grid with its reference image, resampled to one voxel size, normalised to 0..1 and
written as NIfTI; `manifest.csv` lists them as `trifuse train` and `trifuse bench` read it.
"""

from trifuse.prepare.run import Prepared, prepare
from trifuse.prepare.settings import Settings

__all__ = ["Prepared", "Settings", "prepare"]

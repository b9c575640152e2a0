"""Where the pictures of a training run come from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from trifuse.train.settings.part import Expanded, Part


class Volumes(Part):
    """Volumes whose axial slices join the single pictures.

    Attributes:
        folder: one folder per patient, in it `ct.nii.gz`, `t1.nii.gz`, `pet.nii.gz`.
        patients: names of the folders.
        every: distance of the slices taken.
    """

    folder: Expanded
    patients: tuple[str, ...]
    every: int = Field(default=3, ge=1)


class Tables(Part):
    """Cases listed in CSV tables with the columns `case`, `split`, `path_1`, `path_2`, ... (and `kind`, `functional`).

    The manifest that `trifuse prepare` leaves is such a table, of volumes, for the task `dc2fusion`.

    Attributes:
        tables: the files; paths in them are relative to the table's folder, or to the folder above.
        train, val: which `split` is which.
        functional: only cases with a functional picture in validation (column `functional`).
        leave_out: patients (column `patient`) that are neither learned from nor validated on, whatever their split, as
            those of a test set that the weights are to be compared on.
    """

    kind: Literal["tables"] = "tables"
    tables: tuple[Expanded, ...] = Field(min_length=1)
    train: str = "train"
    val: str = "val"
    functional: bool = False
    leave_out: tuple[str, ...] = ()


class Folder(Part):
    """A folder of registered pictures: one folder per modality with equal file names in each, or one per case.

    Attributes:
        folder: where they lie.
        modalities: the sources in order: folder names (one folder per modality) or file stems (one per case).
        truth: name of the folder (or stem) of fused pictures to learn from; made by a fusing method if not given.
        held_out: share of the cases kept for validation, the last ones by name.
    """

    kind: Literal["folder"] = "folder"
    folder: Expanded
    modalities: tuple[str, ...] = Field(min_length=2)
    truth: str | None = None
    held_out: float = Field(default=0.1, ge=0, lt=1)


class OfficialLayout(Part):
    """The layout of the original programs: `1_sr_16_128/`, `2_sr_...`, `3_sr_...`, `hr_128/` and `1_lr_16/` ...

    Attributes:
        train, val: roots of the two sets; validation is left out if not given.
        low, high: sides in pixels.
        sources: 3 (TFS-Diff) or 1 (SR3: folders `sr_16_128`, `hr_128`, `lr_16`).
    """

    kind: Literal["official"] = "official"
    train: Expanded
    val: Expanded | None = None
    low: int = Field(ge=1)
    high: int = Field(ge=1)
    sources: Literal[1, 3] = 3


class Studies(Part):
    """Volumes of patients, one folder each, whose headers place them in one frame of reference.

    Attributes:
        folder: where the patients' folders lie.
        pairs: file names of the first and the second volume; the second is brought onto the first one's grid.
        train, val: names of the patients' folders.
    """

    kind: Literal["studies"] = "studies"
    folder: Expanded
    pairs: tuple[tuple[str, str], ...] = Field(min_length=1)
    train: tuple[str, ...] = Field(min_length=1)
    val: tuple[str, ...] = ()


Data = Annotated[Tables | Folder | OfficialLayout | Studies, Field(discriminator="kind")]

"""What a benchmark runs: methods, cases, scales, metrics, as a YAML file."""

from __future__ import annotations

import fnmatch
import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from trifuse.bench import row_grid
from trifuse.core.errors import InputError, OptionError, shortened
from trifuse.core.files import FILE_NAME, read_yaml
from trifuse.fusion.settings import SETTINGS, Run

OF_THE_RECIPE = ("scale", "seed", "register", "reference")
"""Fields of `Run` that are the same for all rows, or that the recipe varies itself."""

AS_PUBLISHED = Run(colour="luma")
"""What rows change: tables compare methods with their papers, in which uptake is fused by its luma."""


class Entry(BaseModel):
    """One row of the comparison: a method with its settings, or pictures that somebody published.

    In a recipe the fields of `Run` stand beside those of the row, but for those that the recipe decides
    (`OF_THE_RECIPE`). Method, upsampler and upsample may be lists, which stand for several rows; see `row_grid`.

    Attributes:
        label: name in tables; the method's name if not given.
        method: name of a method; None for `pictures`.
        run: how the method fuses.
        pictures: fused pictures to measure as they are, relative to the data folder; `{case}` and
            `{scale}` are filled in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str = ""
    method: str | None = None
    run: Run = AS_PUBLISHED
    pictures: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _written_out(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return {"method": value} if isinstance(value, str) else value
        own = {name: each for name, each in value.items() if name not in SETTINGS or name in OF_THE_RECIPE}
        if len(own) == len(value):
            return value
        return own | {"run": _run({name: each for name, each in value.items() if name not in own})}

    @model_validator(mode="after")
    def _complete(self) -> Entry:
        if (self.method is None) == (self.pictures is None):
            raise ValueError("give either method or pictures")
        if not self.label:
            object.__setattr__(self, "label", self.method or "pictures")
        return self


def _run(settings: dict[str, Any]) -> Run:
    try:
        return AS_PUBLISHED.changed(**settings)
    except OptionError as error:
        raise ValueError(str(error)) from None


class Cases(BaseModel):
    """Which images: rows of a CSV table of paths, or a list written out.

    Attributes:
        table: CSV file relative to the data folder, one case per row.
        columns: its columns that hold the sources' paths.
        case: columns that together name the case.
        patient: column that names the patient, for means over patients.
        mask: of the lesion, for metrics that need it: a column of the table, or a file name beside the first source.
        where: column -> allowed values.
        limit: at most this many cases, spread evenly over the table.
        listed: case -> paths of its sources, instead of a table.
        series, frames: which DICOM series and which frame of sources that hold several, as `--series` and `--frame`
            have it elsewhere: "2:5", or "pet:5" for the source of column `pet`; columns `pet_series` and `pet_frame`
            of the table choose for a single case, and go first.
        allow_gaps: whether DICOM slices at uneven distances are resampled onto even ones.
        different_patients: whether the headers of a case may name different patients, which is refused otherwise.
        prepare: "minmax576" brings every source and picture to grey 576 x 576, stretched to 0..255, as the
            published DDFM-PALM table did.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str | None = None
    columns: list[str] = Field(default_factory=list)
    case: list[str] = Field(default_factory=lambda: ["case"])
    patient: str | None = "patient"
    mask: str | None = None
    where: dict[str, list[str]] = Field(default_factory=dict)
    limit: int | None = Field(default=None, ge=1)
    listed: dict[str, list[str]] = Field(default_factory=dict)
    series: list[str] = Field(default_factory=list)
    frames: list[str] = Field(default_factory=list)
    allow_gaps: bool = False
    different_patients: bool = False
    prepare: Literal["none", "minmax576"] = "none"

    @model_validator(mode="after")
    def _one_source(self) -> Cases:
        if bool(self.table) == bool(self.listed):
            raise ValueError("give either table (with columns) or listed")
        if self.table and len(self.columns) < 2:
            raise ValueError("columns must name two or more columns of the table")
        return self

    @property
    def choice(self) -> dict[str, list[str] | bool]:
        """What is chosen of all cases alike, as far as anything is."""
        fields: dict[str, list[str] | bool] = {
            "series": self.series,
            "frames": self.frames,
            "allow_gaps": self.allow_gaps,
        }
        return {name: value for name, value in fields.items() if value}


class Recipe(BaseModel):
    """A benchmark.

    Attributes:
        name: short name, used in file names.
        title: heading of the report.
        description: what the numbers mean and do not mean, printed above the tables.
        cases: which images.
        methods: which rows.
        scales: magnifications; above 1 the sources are first made smaller by Pillow's bicubic.
        metrics: a preset or names of metrics.
        truth: method whose result on the full-resolution sources is the ground truth, or None.
        seed: seed of stochastic methods.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=FILE_NAME)
    title: str
    description: str = ""
    cases: Cases
    methods: list[Entry] = Field(min_length=1)
    scales: list[Literal[1, 2, 4, 8]] = Field(default_factory=lambda: [1], min_length=1)  # type: ignore[arg-type]
    metrics: str | list[str] = "default"
    truth: str | None = None
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _written_out(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("methods"), list):
            return value | {"methods": [row for entry in value["methods"] for row in row_grid.rows(entry)]}
        return value

    @model_validator(mode="after")
    def _distinct_labels(self) -> Recipe:
        labels = [entry.label for entry in self.methods]
        twice = {label for label in labels if labels.count(label) > 1}
        if twice:
            raise ValueError(f"labels must differ: {', '.join(sorted(twice))}")
        return self

    def digest(self, entry: Entry) -> str:
        """Hash of all that decides an entry's numbers: a changed recipe is not mistaken for a done one."""
        what = {
            "entry": entry.model_dump(),
            "cases": self.cases.prepare,
            **self.cases.choice,
            "metrics": self.metrics,
            "truth": self.truth,
            "seed": self.seed,
        }
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


def narrowed(recipe: Recipe, limit: int | None = None, methods: str | None = None) -> Recipe:
    """A smaller run of a recipe, whose results a whole run takes over.

    Args:
        limit: at most this many cases, spread evenly.
        methods: rows to keep, comma-separated: labels, names of methods, or shell patterns of labels ("*sr3*").

    Raises:
        OptionError: if a name matches no row.
    """
    changes: dict[str, Any] = {}
    if limit is not None:
        changes["cases"] = recipe.cases.model_copy(update={"limit": limit})
    if methods is not None:
        wanted = [name for name in (part.strip() for part in methods.split(",")) if name]
        for name in wanted:
            if not any(_is_meant(entry, name) for entry in recipe.methods):
                raise OptionError(
                    f"no row is {name!r}; there are: {'; '.join(entry.label for entry in recipe.methods)}"
                )
        changes["methods"] = [entry for entry in recipe.methods if any(_is_meant(entry, name) for name in wanted)]
    return recipe.model_copy(update=changes)


def _is_meant(entry: Entry, name: str) -> bool:
    return name == entry.method or fnmatch.fnmatchcase(entry.label.lower(), name.lower())


def load(path: Path) -> Recipe:
    """Reads a recipe.

    Raises:
        InputError: if it is not there, no YAML, or a field is wrong; the message names the field.
    """
    content = read_yaml(path, "recipe")
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "top level"
        raise InputError(f"{path}: {shortened(where)}: {shortened(first['msg'], 300)}") from None

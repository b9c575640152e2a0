"""What sources are called on pictures and pages: by what made them, never by the names of their files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from trifuse.core.image import Modality


def source_labels(modalities: Sequence[Modality | str]) -> list[str]:
    """`T1`, `PET`; numbered where there are several of one kind (`T1 1`, `T1 2`); `source 2` where it is not known."""
    kinds = [Modality(each) for each in modalities]
    counts, seen = Counter(kinds), Counter[Modality]()
    labels = []
    for number, kind in enumerate(kinds, start=1):
        seen[kind] += 1
        if kind is Modality.OTHER:
            labels.append(f"source {number}")
        else:
            labels.append(f"{kind.value} {seen[kind]}" if counts[kind] > 1 else kind.value)
    return labels

"""Work shared among threads covers every row once."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from trifuse.filters import threads
from trifuse.filters.threads import over_parts


def count_rows(rows: NDArray[np.int64], first: int, last: int) -> None:
    rows[first:last] += 1


@pytest.mark.parametrize("rows", [1, 2, 7, 64])
@pytest.mark.parametrize("workers", [1, 2, 5])
def test_each_row_once(rows: int, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "threads", lambda: workers)
    seen = np.zeros(rows, np.int64)
    over_parts(count_rows, rows, seen)
    assert (seen == 1).all()


def test_errors_come_through() -> None:
    def fail(first: int, last: int) -> None:
        raise ValueError("broken row")

    with pytest.raises(ValueError, match="broken row"):
        over_parts(fail, 8)

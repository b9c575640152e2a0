"""The conditions under which the originals were run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums in the order of the originals, which ran in one thread.

    Set before each test: numba's OpenMP layer raises the number of torch's threads when it starts.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)

"""Batch-OMP against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from trifuse.filters.sparse_coding import Dictionary, batch_omp, fuse_textures, overcomplete_dct, patches


def test_cosine_atoms_have_unit_norm_and_full_rank() -> None:
    atoms = overcomplete_dct()
    assert atoms.shape == (64, 529)
    assert np.allclose(np.linalg.norm(atoms, axis=0), 1)
    assert np.linalg.matrix_rank(atoms) == 64
    assert np.allclose(atoms[:, 1:23].sum(axis=0), 0, atol=1e-12)


@pytest.mark.parametrize("epsilon", [0.01, 0.3])
def test_residual_meets_the_bound_and_is_orthogonal_to_the_chosen_atoms(epsilon: float) -> None:
    rng = np.random.default_rng(0)
    dictionary = Dictionary.of(rng.standard_normal((16, 50)))
    signals = np.vstack([rng.standard_normal((20, 16)), np.full((1, 16), epsilon / 8), np.zeros((1, 16))])
    codes = batch_omp(signals, dictionary, epsilon=epsilon)
    assert (codes.counts[-2:] == 0).all()
    for signal, count, atoms, coefficients in zip(signals[:-2], *codes, strict=False):
        chosen = dictionary.atoms[:, atoms[:count]]
        residual = signal - chosen @ coefficients[:count]
        assert np.linalg.norm(residual) <= epsilon * (1 + 1e-9)
        assert np.abs(chosen.T @ residual).max() < 1e-10
        assert len(set(atoms[:count])) == count
        fewer = chosen[:, :-1] @ np.linalg.lstsq(chosen[:, :-1], signal, rcond=None)[0]
        assert np.linalg.norm(signal - fewer) > epsilon


def test_sparsity_bounds_the_number_of_atoms() -> None:
    rng = np.random.default_rng(1)
    dictionary = Dictionary.of(rng.standard_normal((16, 50)))
    codes = batch_omp(rng.standard_normal((10, 16)), dictionary, sparsity=5)
    assert (codes.counts == 5).all()
    assert codes.coefficients.shape == (10, 5)


def test_patches_are_read_column_by_column() -> None:
    image = np.arange(30.0).reshape(5, 6)
    found = patches(image, 2, 2)
    assert found.shape == (6, 4)
    assert found[1].tolist() == [2, 8, 3, 9]


def test_uncovered_border_is_the_mean() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((2, 11, 9)) * 0.1
    fused = fuse_textures(a, b, Dictionary.of(overcomplete_dct())).fused
    assert np.allclose(fused[-1], (a + b)[-1] / 2)
    assert np.allclose(fused[:, -1], (a + b)[:, -1] / 2)

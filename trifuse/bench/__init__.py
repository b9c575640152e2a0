"""Benchmarks that anyone can rerun: methods x cases x scales x metrics -> one tidy table -> tables, plots, a page.

recipe.py        what to run (YAML); row_grid.py: lists that stand for rows
cases.py         which images
shared.py        what the rows of a case share: truth, small and enlarged sources
run.py           the run: parallel, resumable, one row per method, case, scale and metric
cache_keys.py  what decides a row's numbers, so that a result is not taken for another's
summary.py       means, deviations, ranks and tests of significance
calibration.py   how far a standard deviation over samples can be trusted
tables.py        Markdown and LaTeX
plots.py         box plots, rank plots and reliability
page.py          the HTML page with the pictures side by side
"""

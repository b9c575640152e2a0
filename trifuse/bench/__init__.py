"""Benchmarks that anyone can rerun: methods x cases x scales x metrics -> one tidy table -> tables, plots, a page.

recipe.py    what to run (YAML)
cases.py     which images
run.py       the run: parallel, resumable, one row per method, case, scale and metric
summary.py   means, deviations, ranks and tests of significance
tables.py    Markdown and LaTeX
plots.py     box plots and rank plots
page.py      the HTML page with the pictures side by side
"""

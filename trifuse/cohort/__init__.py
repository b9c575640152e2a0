"""Cohorts: the same fusion of hundreds of patients, on one machine or on a cluster.

cases.py     what a case is, and the ways to name many: a table, folders, a BIDS data set
folders.py   folders of studies, parallel folders
bids.py      BIDS data sets and derivatives
task.py      one case, from files to files
run.py       all cases, resumable
page.py      one page of the whole cohort
"""

from trifuse.cohort.cases import Case, cases_of
from trifuse.cohort.run import Done, cohort
from trifuse.cohort.task import Job

__all__ = ["Case", "Done", "Job", "cases_of", "cohort"]

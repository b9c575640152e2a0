"""Pictures and tables for people: contact sheets, maps of error and uncertainty, cines, tables of metrics."""

from trifuse.report.labels import source_labels
from trifuse.report.sheets import check, contact_sheet, map_sheet
from trifuse.report.tables import metrics_table
from trifuse.report.views import View, middle, views

__all__ = ["View", "check", "contact_sheet", "map_sheet", "metrics_table", "middle", "source_labels", "views"]

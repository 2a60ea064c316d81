"""The verbs of this room: the door for everybody else."""

from payouts.reporting.asking import keep_tax_data, set_tax_exclusion
from payouts.reporting.filing import FILE, discard_report, file_report, freeze_report
from payouts.reporting.preparing import find_report, prepare_report
from payouts.reporting.vault import read_file

__all__ = [
    "FILE",
    "discard_report",
    "file_report",
    "find_report",
    "freeze_report",
    "keep_tax_data",
    "prepare_report",
    "read_file",
    "set_tax_exclusion",
]

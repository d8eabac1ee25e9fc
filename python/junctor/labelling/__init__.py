"""From traffic to a table: a sample of answers, without what identifies people, labelled by people or by a judge.

Content is kept only where a program asks for it (`Sample`), and scrubbed before it is written. What is written has a
line per prompt and model; a column `quality` makes it the long table that `junctor evaluate` and training read. So the
way is: run, keep, label (`write_sheet`, `read_sheets`, or `Judge`), evaluate.
"""

from __future__ import annotations

from junctor.labelling.agreement import Agreement, agreement
from junctor.labelling.judge import Judge, Judged, judged, pairs_of
from junctor.labelling.records import Record, read_records, write_drafts, write_table
from junctor.labelling.sample import Sample
from junctor.labelling.scrub import Scrub, presidio
from junctor.labelling.sheets import read_sheets, write_sheet

__all__ = [
    "Agreement",
    "Judge",
    "Judged",
    "Record",
    "Sample",
    "Scrub",
    "agreement",
    "judged",
    "pairs_of",
    "presidio",
    "read_records",
    "read_sheets",
    "write_drafts",
    "write_sheet",
    "write_table",
]

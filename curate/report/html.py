"""The health report: an HTML page about a run, safe whatever the files are called."""

from __future__ import annotations

from importlib import resources

from curate.report.page import Page, document
from curate.report.sections.aside import aside, duplicates, editing
from curate.report.sections.balance import balance
from curate.report.sections.buckets import buckets
from curate.report.sections.captions import captions
from curate.report.sections.cleaned import cleaned
from curate.report.sections.overview import advice, overview
from curate.report.sections.pictures import pictures
from curate.report.sections.tags import tags, together
from curate.report.sections.training import evaluation, samples, training
from curate.report.sections.traps import traps
from curate.report.style import STYLE


def render(page: Page) -> str:
    """The page as UTF-8 text. Pictures that cannot be read leave an empty frame."""
    sections = [
        ("Samples", samples(page)),
        ("Overview", overview(page)),
        ("Advice", advice(page)),
        ("Checks", traps(page)),
        ("Balance", balance(page)),
        ("Needs editing", editing(page)),
        ("Set aside", aside(page)),
        ("Noise", cleaned(page)),
        ("Duplicates", duplicates(page)),
        ("Captions", captions(page)),
        ("Tags", tags(page)),
        ("Tags together", together(page)),
        ("Buckets", buckets(page)),
        ("Training", training(page)),
        ("Evaluation", evaluation(page)),
        ("Pictures", pictures(page)),
    ]
    program = resources.files("curate.report").joinpath("report.js").read_text(encoding="utf-8")
    return document(page.title, sections, STYLE, program, loads_pictures=not page.thumbnails.inside)

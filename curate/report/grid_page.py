"""The page of a grid: pictures by LoRA, prompt and seed; a click shows one large, a list chooses a prompt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from curate.core.counting import counted
from curate.report.elements import Markup, el, joined
from curate.report.style import STYLE
from curate.report.thumbs import thumbnail
from curate.sampling.grid_file import Grid
from curate.sampling.settings import PictureSettings

# the large pictures are files beside the page; nothing else may be loaded, and nothing runs
_POLICY = "default-src 'none'; img-src data: 'self' file:; style-src 'unsafe-inline'"
_THUMB = 256
_STYLE = """
main{max-width:none}header{max-width:none;position:sticky;left:0}
.grid{overflow:auto;max-height:calc(100vh - 5rem)}
.grid table{width:auto}.grid th,.grid td{vertical-align:top;min-width:0;padding:.35rem}
.grid thead th{position:sticky;top:0;z-index:1;background:Canvas;opacity:1;overflow-wrap:anywhere;max-width:17rem;}
.grid tbody th{position:sticky;left:0;background:Canvas;opacity:1;width:16rem;min-width:11rem;font-weight:400}
.grid tbody th small{display:block;opacity:.65}
.grid td button{border:0;padding:0;background:none;cursor:zoom-in;display:block}
.grid td img{max-height:none;width:auto;max-width:256px;border-radius:4px}
[popover]{border:0;padding:1rem;border-radius:8px;max-width:96vw;max-height:96vh;overflow:auto}
[popover]::backdrop{background:#000c}
[popover] img{max-width:92vw;max-height:80vh;min-height:min(512px,70vh);display:block;margin:auto;object-fit:contain}
[popover] p{margin:.5rem 0 0;max-width:60rem;overflow-wrap:anywhere}
@supports not selector(:popover-open){[popover]{display:none}}
select{font:inherit;max-width:40rem;padding:.2rem .4rem}
"""


def render(grid: Grid, folder: Path) -> str:
    """The page as UTF-8 text; `folder` is where the grid and the page lie."""
    title = f"Grid: {grid.base}"
    prompts = list(dict.fromkeys(row.prompt for row in grid.rows))
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", title),
        el("style", Markup(STYLE + _STYLE + _filter(len(prompts)))),
    )
    count = counted(sum(map(len, grid.files)), "picture")
    top = el("header", el("h1", title), _choice(prompts), el("span", f"{count}; click one to see it large"))
    head_row = el("tr", el("th", ""), *(el("th", *_lines(label)) for label in grid.columns))
    rows = [_row(grid, number, prompts.index(row.prompt), folder) for number, row in enumerate(grid.rows)]
    table = el("div", el("table", el("thead", head_row), el("tbody", *rows)), class_="grid")
    body = el("body", top, el("main", table, *_large(grid)))
    return "<!doctype html>\n" + el("html", head, body, lang="en") + "\n"


def _filter(count: int) -> str:
    """Rules that hide the rows of the prompts that are not chosen: no program is needed for it."""
    return "".join(f'body:has(option[value="{n}"]:checked) tbody tr:not(.p{n}){{display:none}}' for n in range(count))


def _choice(prompts: list[str]) -> Markup:
    """The list of prompts."""
    if len(prompts) < 2:
        return Markup("")
    options = [el("option", text or "no prompt", value=str(n)) for n, text in enumerate(prompts)]
    return el("label", "prompt ", el("select", el("option", "all", value="all"), *options))


def _row(grid: Grid, number: int, prompt: int, folder: Path) -> Markup:
    row = grid.rows[number]
    cells = [
        el("td", el("button", _thumb(folder / name, _line(grid.columns[c])), popovertarget=f"x{number}-{c}"))
        for c, name in enumerate(grid.files[number])
    ]
    return el("tr", el("th", row.prompt or "no prompt", el("small", _settings(row))), *cells, class_=f"p{prompt}")


def _thumb(path: Path, name: str) -> Markup:
    source = thumbnail(path, _THUMB)
    return el("img", src=source, alt=name) if source else el("div", "cannot be shown", class_="blank")


def _line(label: str) -> str:
    return label.replace("\n", ", ")


def _lines(label: str) -> list[str]:
    """A label with its line breaks: as text they would be shown as signs."""
    first, *rest = label.split("\n")
    return [first, *(part for line in rest for part in (el("br"), line))]


def _settings(row: PictureSettings) -> str:
    negative = f", not: {row.negative}" if row.negative else ""
    return f"seed {row.seed}, {row.width}×{row.height}, {row.sampler} {row.steps}, CFG {row.guidance:g}{negative}"


def _large(grid: Grid) -> Iterator[Markup]:
    """What a click on a picture opens."""
    for number, (row, names) in enumerate(zip(grid.rows, grid.files, strict=True)):
        for c, name in enumerate(names):
            address = quote(name)
            yield el(
                "div",
                el("img", src=address, alt=_line(grid.columns[c]), loading="lazy"),
                el("p", el("b", _line(grid.columns[c])), " ", row.prompt, " ", el("a", "file", href=address)),
                el("p", _settings(row), class_="hint"),
                popover="",
                id=f"x{number}-{c}",
            )


def section(grid: Grid, folder: Path, most: int = 6) -> Markup:
    """The grid in a report of its own: the first rows, with small pictures."""
    head = el("tr", el("th", ""), *(el("th", *_lines(label)) for label in grid.columns))
    rows = [
        el(
            "tr",
            el("th", row.prompt or "no prompt", el("small", f" seed {row.seed}")),
            *(el("td", _thumb(folder / name, _line(grid.columns[c]))) for c, name in enumerate(names)),
        )
        for row, names in list(zip(grid.rows, grid.files, strict=True))[:most]
    ]
    more = el("p", f"and {counted(len(grid.rows) - most, 'row')} more", class_="hint")
    table = el("div", el("table", el("thead", head), el("tbody", *rows)), class_="wide sheet")
    return joined(table, more if len(grid.rows) > most else "")

"""Carries out an evaluation: draws, measures with one model after another, scores, ranks, recommends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curate.core.events import Phase
from curate.errors import CurateError
from curate.evaluate import metrics
from curate.evaluate.measure import Measuring, Pictures
from curate.evaluate.plan import BASE, Plan, Shot
from curate.evaluate.prompts import KINDS
from curate.evaluate.recommend import reach_in_words, reach_of_errors, recommend, repeating
from curate.evaluate.result import PICTURES, Evaluation, Example, Repetition, Row
from curate.evaluate.scores import Cell, Measured, Reference, measure, rank
from curate.sampling import picture_file
from curate.sampling.grid import Column
from curate.train.data.dataset import Picture

Pixels = NDArray[np.uint8]
Read = Callable[[Path], Pixels]
_NEAREST, _EXAMPLES = 4, 2
"""Repetitions that are shown of a LoRA and a concept, and pictures of a concept and kind."""
_CROP = 0.05
"""Share of each side that the altered training picture lacks: a tenth of width and height."""


def judge(plan: Plan, measuring: Measuring, read: Read) -> Evaluation:
    """The result; what is drawn or measured already is not done again.

    `read` decodes a training picture. Raises InputError, MissingError, Interrupted, CurateError.
    """
    drawn = draw(plan)
    plan.drawing.release()
    digests = {path: plan.drawing.context.digests.of(path) for path in drawn.values()}
    generated: Pictures = {digest: partial(picture_file.pixels, path) for path, digest in digests.items()}
    of_shot = {key: digests[path] for key, path in drawn.items()}
    references = {name: _reference(pictures, plan, measuring, read) for name, pictures in plan.training.items()}
    rows = measuring.pictures(generated, plan.viewers["dino"])
    seen = measuring.pictures(generated, plan.viewers["clip"])
    words = measuring.texts([shot.shows for shot in plan.shots], plan.viewers["clip"])
    losses = _style_losses(plan, of_shot, generated, measuring)
    cells: dict[tuple[str, str, str], Cell] = {}
    for column in plan.columns:
        for concept, kind, shots in _groups(plan.shots):
            own = [of_shot[column.label, s.text, s.seed] for s in shots]
            base = [of_shot[BASE, s.text, s.seed] for s in shots]
            cells[column.label, concept, kind] = Cell(
                np.stack([rows[d] for d in own]).astype(np.float64),
                np.stack([seen[d] for d in own]).astype(np.float64),
                np.stack([words[s.shows] for s in shots]).astype(np.float64),
                np.array([losses.get(pair, 0.0) for pair in zip(base, own, strict=True)]),
                [s.number for s in shots],
                [s.seed for s in shots],
            )
    return _result(plan, cells, references, drawn)


def draw(plan: Plan) -> dict[tuple[str, str, int], Path]:
    """The files by column, prompt and seed, drawn where they are missing."""
    requests, found = plan.requests(), dict[tuple[str, str, int], Path]()
    wanted = [(column, shot) for column in plan.columns for shot in _once(plan.shots)]
    context = plan.drawing.context
    for drawn in plan.drawing.write(requests, plan.folder / PICTURES):
        column, shot = wanted[drawn.index]
        found[column.label, shot.text, shot.seed] = drawn.path
        context.tell(Phase(context.stage, "drawing pictures", len(found), len(requests)))
    return found


def _once(shots: Sequence[Shot]) -> list[Shot]:
    """The shots without those that another concept has too, in the order of the plan's requests."""
    found: dict[tuple[str, int], Shot] = {}
    for shot in shots:
        found.setdefault((shot.text, shot.seed), shot)
    return list(found.values())


def _groups(shots: Sequence[Shot]) -> Iterator[tuple[str, str, list[Shot]]]:
    """(concept, kind, its shots), where there are any."""
    for concept in dict.fromkeys(shot.concept for shot in shots):
        for kind in KINDS:
            if own := [shot for shot in shots if (shot.concept, shot.kind) == (concept, kind)]:
                yield concept, kind, own


def _reference(
    pictures: Sequence[Picture], plan: Plan, measuring: Measuring, read: Read
) -> tuple[Reference, list[Picture]]:
    """A concept's training pictures that can be decoded, and from when on one of them counts as repeated."""
    once = list({p.digest: p for p in pictures}.values())
    ways: Mapping[str, Callable[[Pixels], Pixels]] = {"": _same, " mirrored": _mirrored, " cropped": _cropped}
    shown: Pictures = {
        p.digest + way: partial(_altered, read, p.path, change) for way, change in ways.items() for p in once
    }
    found = measuring.pictures(shown, plan.viewers["dino"])
    once = [p for p in once if all(p.digest + way in found for way in ways)]
    if not once:
        raise CurateError(f"no training picture of {pictures[0].concept} can be decoded")
    rows = {way: np.stack([found[p.digest + way] for p in once]).astype(np.float64) for way in ways}
    altered = [(metrics.unit(rows[""]) * metrics.unit(rows[way])).sum(1) for way in ways if way]
    threshold = metrics.copy_threshold(metrics.nearest_fellows(rows[""]), np.concatenate(altered))
    return Reference(rows[""], threshold), once


def _altered(read: Read, path: Path, change: Callable[[Pixels], Pixels]) -> Pixels:
    return change(read(path))


def _same(pixels: Pixels) -> Pixels:
    return pixels


def _mirrored(pixels: Pixels) -> Pixels:
    return np.ascontiguousarray(pixels[:, ::-1])


def _cropped(pixels: Pixels) -> Pixels:
    down, across = (round(_CROP * side) for side in pixels.shape[:2])
    return np.ascontiguousarray(pixels[down : len(pixels) - down, across : pixels.shape[1] - across])


def _style_losses(
    plan: Plan, of_shot: Mapping[tuple[str, str, int], str], generated: Pictures, measuring: Measuring
) -> Mapping[tuple[str, str], float]:
    """By the digests of the base's picture and a LoRA's of the same prompt and seed, for prompts of styles."""
    styled = _once([shot for shot in plan.shots if shot.kind == "style"])
    groups = [
        (of_shot[BASE, s.text, s.seed], [of_shot[column.label, s.text, s.seed] for column in plan.loras])
        for s in styled
    ]
    return measuring.style_losses(groups, generated, plan.viewers["vgg"])


def _result(
    plan: Plan,
    cells: Mapping[tuple[str, str, str], Cell],
    references: Mapping[str, tuple[Reference, list[Picture]]],
    drawn: Mapping[tuple[str, str, int], Path],
) -> Evaluation:
    rows, repetitions, measures = _measured(plan, cells, references, drawn)
    names = [column.label for column in plan.loras]
    ranks, repeats = rank(rows, names), repeating(rows)
    recommended, reason = recommend(rows, measures, ranks, repeats)
    errors = reach_of_errors(rows)
    return Evaluation(
        identity=plan.identity(),
        base=plan.drawing.name,
        quick=plan.options.quick,
        count=plan.options.count,
        columns=tuple(column.label for column in plan.columns),
        files=tuple(str(column.loras[0].path) for column in plan.loras),
        companions=tuple(plan.options.with_lora),
        training={name: len(pictures) for name, (_, pictures) in references.items()},
        thresholds={name: reference.threshold for name, (reference, _) in references.items()},
        rows=tuple(rows),
        ranks=ranks,
        repeats=repeats,
        repetitions=tuple(_first(repetitions)),
        examples=tuple(_examples(plan, plan.columns, drawn)),
        errors=errors,
        recommended=recommended,
        reason=reason,
        reach=reach_in_words(errors, plan.options.quick, plan.options.count),
        models={role: getattr(plan.options, role) for role in plan.viewers},
    )


def _measured(
    plan: Plan,
    cells: Mapping[tuple[str, str, str], Cell],
    references: Mapping[str, tuple[Reference, list[Picture]]],
    drawn: Mapping[tuple[str, str, int], Path],
) -> tuple[list[Row], list[Repetition], dict[tuple[str, str, str], dict[str, Measured]]]:
    """Rows of scores, repeated training pictures (nearest first), and what was measured of each cell."""
    rows: list[Row] = []
    repetitions: list[Repetition] = []
    measures: dict[tuple[str, str, str], dict[str, Measured]] = {}
    for (column, concept, kind), cell in cells.items():
        reference, pictures = references[concept]
        base = None if column == BASE else cells[BASE, concept, kind]
        each = len(cell.seeds) / len(set(cell.prompts))
        own = measures[column, concept, kind] = measure(cell, kind, reference, base)
        scores = {name: one.score for name, one in own.items()}
        rows.append(Row(column, concept, kind, len(cell.seeds), each, scores))
        if base is not None:
            shots = next(s for c, k, s in _groups(plan.shots) if (c, k) == (concept, kind))
            paths = [drawn[column, shot.text, shot.seed] for shot in shots]
            repetitions += _repetitions(plan, column, concept, cell, reference, pictures, paths)
    repetitions.sort(key=lambda r: (-r.cosine, r.picture))
    return rows, repetitions, measures


def _repetitions(
    plan: Plan,
    column: str,
    concept: str,
    cell: Cell,
    reference: Reference,
    pictures: Sequence[Picture],
    paths: Sequence[Path],
) -> Iterator[Repetition]:
    """The drawn pictures that are as near to a training picture as a copy is."""
    best, cosines = metrics.nearest(cell.rows, reference.rows)
    for path, number, cosine in zip(paths, best, cosines, strict=True):
        if cosine >= reference.threshold:
            training = f"{pictures[number].path.parent.name}/{pictures[number].path.name}"
            yield Repetition(column, concept, path.relative_to(plan.folder).as_posix(), training, float(cosine))


def _first(repetitions: Sequence[Repetition]) -> Iterator[Repetition]:
    """The nearest few of each LoRA and concept; a picture counts once, though several kinds may hold it."""
    counts: dict[tuple[str, str], set[str]] = {}
    for one in repetitions:
        own = counts.setdefault((one.column, one.concept), set())
        if len(own) < _NEAREST and one.picture not in own:
            own.add(one.picture)
            yield one


def _examples(plan: Plan, columns: Sequence[Column], drawn: Mapping[tuple[str, str, int], Path]) -> Iterator[Example]:
    """The first pictures of every column, concept and kind: of the first prompts, with the first seed."""
    for column in columns:
        for concept, kind, shots in _groups(plan.shots):
            first = list({shot.number: shot for shot in reversed(shots)}.values())[::-1][:_EXAMPLES]
            for shot in first:
                path = drawn[column.label, shot.text, shot.seed].relative_to(plan.folder).as_posix()
                yield Example(column.label, concept, kind, shot.text, path)

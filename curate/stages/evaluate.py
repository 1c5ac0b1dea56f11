"""evaluate: scores of the trained LoRA and its checkpoints, and which one to take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from curate.core.env import Env
from curate.core.events import Listener, Saved
from curate.core.findings import Findings, failures
from curate.core.record import Manifest
from curate.core.stage import DatasetStage
from curate.errors import CurateError, MissingError
from curate.evaluate.options import UNKEYED, EvaluateOptions, panel

if TYPE_CHECKING:
    from curate.evaluate.plan import Plan
    from curate.sampling.drawing_base import Context


class Evaluate(EvaluateOptions, DatasetStage):
    """Score the LoRA files of a training against the training pictures, and recommend one.

    Every LoRA draws the same prompts with the same seeds, and so does the base alone. There are five kinds of prompts:
    training captions, the trigger alone, other content, other styles, and prompts without the trigger.

    \b
    fidelity         likeness to the training pictures (DINOv2)
    controllability  likeness to the prompt (CLIP)
    diversity        how much the pictures of one prompt differ (Vendi score)
    preservation     the base's styles stay (VGG19), and the concept does not appear without its trigger

    A LoRA that repeats its training pictures is named. The result is in lora/evaluation/NAME/: evaluation.html,
    evaluation.json, scores.csv and the pictures. Edit lora/evaluation/prompts.yaml to change the prompts.
    """

    version: ClassVar[int] = 1
    reads_folder: ClassVar[bool] = True
    finishes_steps: ClassVar[bool] = True
    reads: ClassVar[frozenset[str]] = frozenset(
        ("image", "tags", "sentence", "edited", "trigger", "repeats", "style", "aside")
    )
    writes: ClassVar[frozenset[str]] = frozenset()
    concept_reads: ClassVar[frozenset[str]] = frozenset(("class_word",))
    unkeyed: ClassVar[frozenset[str]] = UNKEYED
    usual: ClassVar[frozenset[str]] = frozenset(
        (
            *("lora", "with_lora", "checkpoints", "base", "pictures", "seeds", "quick", "prompts"),
            *("width", "height", "steps", "guidance", "sampler", "batch", "offload", "output_dir"),
        )
    )

    @classmethod
    def panel(cls, option: str) -> str | None:
        """The heading of the option's group."""
        return panel(option)

    def check_source(self, source: Path) -> None:
        """Raises InputError for a folder in another layout."""
        from curate.train.data import folders

        folders.check(source)

    def missing(self, env: Env) -> Sequence[CurateError]:
        """Models that judge, base, LoRA files, prompts and device; a hub name counts as there unless offline is set."""
        return failures(self._checks(env))

    def _checks(self, env: Env) -> Iterator[Callable[[], object]]:
        from curate.adapters.tensor_file import TensorFile
        from curate.diffusion.device import resolve_device
        from curate.diffusion.locate import locate_base
        from curate.evaluate.models import VIEWERS, locate
        from curate.evaluate.prompt_lists import read_lists
        from curate.sampling.loras import lora_strength

        def here(check: Callable[[], object]) -> None:
            try:
                check()
            except MissingError:
                if env.offline:
                    raise

        for role in VIEWERS:
            yield lambda role=role: here(lambda: locate(role, getattr(self, role), offline=True))
        if self.base:
            yield lambda: here(lambda: locate_base(self.base, offline=True))
        for text in (*self.lora, *self.with_lora):
            yield lambda text=text: TensorFile.open(lora_strength(text).path)
        if self.prompts:
            yield lambda: read_lists(Path(self.prompts).expanduser())
        yield lambda: resolve_device(env.device, env.require_gpu)

    def run(self, manifest: Manifest, env: Env, tell: Listener) -> Manifest:
        """Draws and measures what is missing. Raises InputError, MissingError, Interrupted, CurateError."""
        from curate.evaluate import result as names
        from curate.evaluate.judge import judge
        from curate.evaluate.measure import Measuring
        from curate.evaluate.prompt_lists import write_usual
        from curate.sampling.stage_context import open_context

        with open_context(env, tell, "evaluate") as (context, store):
            plan = self._plan(manifest, env, context)
            for line in plan.warnings:
                context.note("warning", line)
            if not plan.lists.exists():
                write_usual(plan.lists)
            result = judge(plan, Measuring(store, context, self.embed_batch), env.pictures.read)
            _write(plan, result.to_json(), result.to_csv())
            for name in result.repeats:
                context.note("warning", f"{name} repeats training pictures: {result.repeats[name]:.0%} of a concept's")
            context.note("info", f"recommended: {result.recommended}; the page says on what grounds")
            tell(Saved("evaluation", str(plan.folder / names.PAGE)))
        return manifest

    def is_current(self, manifest: Manifest, env: Env, tell: Listener) -> bool:
        """Whether the result of exactly these LoRAs, pictures, prompts and models is there."""
        from curate.evaluate import result as names
        from curate.sampling.stage_context import open_context

        with open_context(env, tell, "evaluate") as (context, _):
            try:
                plan = self._plan(manifest, env, context)
                identity = plan.identity()
            except CurateError:
                return False  # `run` says why
        result = names.read(plan.folder / names.RESULT)
        files = (names.PAGE, names.TABLE)
        if result is None or result.identity != identity or not all((plan.folder / name).is_file() for name in files):
            return False
        tell(Saved("evaluation", str(plan.folder / names.PAGE), recalled=True))
        return True

    def findings(self, manifest: Manifest, env: Env) -> Findings | None:
        """Ranks and scores as tables, the recommended LoRA with the grounds."""
        import json

        from curate.evaluate import result as names
        from curate.report import evaluation_page
        from curate.sampling.stage_context import open_context

        with open_context(env, _silent, "evaluate") as (context, _):
            folder = self._plan(manifest, env, context).folder
        result = names.read(folder / names.RESULT)
        if result is None:
            return None
        tables = [evaluation_page.summary_rows(result), evaluation_page.score_rows(result)]
        closing = [f"recommended: {result.recommended}", result.reason, result.reach]
        return Findings(tables, closing, json.loads(result.to_json()))

    def _plan(self, manifest: Manifest, env: Env, context: Context) -> Plan:
        from curate.evaluate.plan import make_plan

        left_out = frozenset(Path(r.image.path) for r in manifest if r.aside)
        return make_plan(self, env.output, env.concepts, context, left_out)


def _write(plan: Plan, as_json: str, as_csv: str) -> None:
    """The files of a result. The page comes last: where it is, all of it is."""
    from curate.core.files import write_text
    from curate.evaluate import result as names
    from curate.report.evaluation_page import render

    write_text(plan.folder / names.RESULT, as_json)
    write_text(plan.folder / names.TABLE, as_csv)
    result = names.read(plan.folder / names.RESULT)
    assert result is not None
    training = next(iter(plan.training.values()))[0].path.parent.parent
    write_text(plan.folder / names.PAGE, render(result, plan.folder, training))


def _silent(_: object) -> None:
    """A listener that drops events."""

"""sample: pictures with the LoRA that was trained, beside those of the base alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from curate.core.env import Env
from curate.core.events import Listener, Phase, Saved
from curate.core.record import Manifest
from curate.core.stage import DatasetStage
from curate.errors import CurateError, InputError
from curate.sampling.options import UNKEYED, GridOptions, panel

if TYPE_CHECKING:
    from curate.sampling.drawing_base import Context
    from curate.sampling.grid import Column
    from curate.sampling.grid_file import Grid
    from curate.sampling.loras import LoraStrength
    from curate.sampling.pictures import Pictures
    from curate.sampling.settings import PictureSettings


class Plan(NamedTuple):
    """A grid that is to be drawn into a folder."""

    pictures: Pictures
    columns: Sequence[Column]
    rows: Sequence[PictureSettings]
    folder: Path


class Sample(GridOptions, DatasetStage):
    """Draw pictures with the trained LoRA and its checkpoints, beside those of the base alone.

    Without prompts it draws the trigger words of each concept. The base and how it is read are those of the training.
    The pictures are in lora/grid/NAME/ and in the report. `curate grid FOLDER` draws the same.
    """

    version: ClassVar[int] = 1
    reads_folder: ClassVar[bool] = True
    finishes_steps: ClassVar[bool] = True
    reads: ClassVar[frozenset[str]] = frozenset(("image", "tags", "sentence", "edited", "trigger", "repeats", "aside"))
    writes: ClassVar[frozenset[str]] = frozenset()
    unkeyed: ClassVar[frozenset[str]] = UNKEYED

    @classmethod
    def panel(cls, option: str) -> str | None:
        """The heading of the option's group."""
        return panel(option)

    def missing(self, env: Env) -> Sequence[CurateError]:
        """A prompt file that is not there, or a prompt that is wrong."""
        try:
            self.read_prompts()
        except CurateError as error:
            return [error]
        return []

    def plan(
        self,
        folder: Path,
        context: Context,
        run: str = "",
        out: Path | None = None,
        further: Sequence[LoraStrength] = (),
    ) -> Plan:
        """The grid of a training in a folder, by the name of its LoRA, the latest without one; `further` LoRAs beside.

        Raises InputError.
        """
        from curate.sampling.grid import columns_of, evenly
        from curate.sampling.grid_file import grid_folder
        from curate.sampling.loras import LoraStrength
        from curate.sampling.pictures import Pictures
        from curate.train.output.trained import find_trained, trigger_prompts

        trained = find_trained(folder, run, context.offline)
        pictures = Pictures(trained.base, trained.model_options(self), context)
        prompts = self.read_prompts() or trigger_prompts(folder)
        if not prompts:
            raise InputError(f"there is nothing to draw: {folder} holds no N_trigger folder", "give prompts")
        loras = evenly([LoraStrength(path) for path in trained.loras], self.checkpoints)
        side = trained.side or pictures.traits.resolution
        rows = self.pictures(prompts, side, pictures.family, pictures.distilled)
        place = out or grid_folder(trained.loras[-1])
        return Plan(pictures, columns_of([*loras, *further], self.strengths), rows, place)

    def run(self, manifest: Manifest, env: Env, tell: Listener) -> Manifest:
        """Draws what is missing. Raises InputError, MissingError, Interrupted, CurateError."""
        from curate.sampling.stage_context import open_context

        with open_context(env, tell, "sample") as (context, _):
            draw(self.plan(env.output, context), context)
        return manifest

    def is_current(self, manifest: Manifest, env: Env, tell: Listener) -> bool:
        """Whether the pictures of what is trained now are there."""
        from curate.sampling import grid, grid_file
        from curate.sampling.stage_context import open_context

        with open_context(env, tell, "sample") as (context, _):
            try:
                plan = self.plan(env.output, context)
                requests = grid.requests_of(plan.columns, plan.rows)
                found = [plan.pictures.find(one, plan.folder / grid_file.PICTURES) for one in requests]
            except CurateError:
                return False  # `run` says why
        paths = [path for path in found if path is not None]
        known = grid_file.read(plan.folder)
        listed = [name for row in known.files for name in row] if known else []
        names = [path.relative_to(plan.folder).as_posix() for path in paths]
        if len(paths) < len(found) or sorted(listed) != sorted(names) or not (plan.folder / grid_file.SHEET).is_file():
            return False
        tell(Saved("grid", str(plan.folder / grid_file.SHEET), recalled=True))
        return True


def draw(plan: Plan, context: Context) -> tuple[Grid, int]:
    """Draws what is missing of a grid and tells of its files; the grid, and how many pictures were there before.

    Raises InputError, Interrupted, CurateError.
    """
    from curate.sampling import grid, grid_file

    total, paths, recalled = len(plan.columns) * len(plan.rows), list[Path](), 0
    for drawn in grid.draw(plan.pictures, plan.columns, plan.rows, plan.folder):
        paths.append(drawn.path)
        recalled += drawn.recalled
        context.tell(Phase(context.stage, "drawing pictures", len(paths), total))
    made = grid.finish(plan.pictures.name, plan.columns, plan.rows, paths, plan.folder)
    context.tell(Saved("grid", str(plan.folder / grid_file.SHEET)))
    return made, recalled

"""train: a LoRA from the prepared folder."""

from __future__ import annotations

import contextlib
import dataclasses
import textwrap
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from curate import captions
from curate.core import registry
from curate.core.events import Listener, Note
from curate.core.record import Manifest
from curate.core.stage import DatasetStage, Env, Findings
from curate.diffusion.family import families
from curate.errors import CurateError
from curate.train.options import PANELS, UNKEYED, WORDS, TrainOptions, algorithms, presets
from curate.train.options.kohya import keys as kohya_keys

if TYPE_CHECKING:
    from curate.train.data.job import Context


CARRIED = ("toy", "tiny")
"""Bases that are a part of curate."""


class Train(TrainOptions, DatasetStage):
    """Train a LoRA, LoHa, LoKr or another adapter on a folder of captioned pictures in N_trigger sub-folders.

    curate train FOLDER --base MODEL is all you need. The folder can come from any program.

    \b
    Which algorithm (--algo):
    {algorithms}
    If it learns too little: use lokr with factor 4 to 8, or a higher rank.
    If it learns too much (style leaks, poses stick): use loha, a high factor, a lower rank, or ia3.
    loha, lokr and ia3 files often do not work with other base models.
    Training only the attention layers reduces fidelity.

    \b
    Guides (--guide). Your own options override their settings:
    {guides}
    """

    version: ClassVar[int] = 1
    distributed: ClassVar[bool] = True
    reads_folder: ClassVar[bool] = True
    finishes_steps: ClassVar[bool] = True
    prints_config: ClassVar[bool] = True
    reads: ClassVar[frozenset[str]] = frozenset(
        ("image", "tags", "sentence", "edited", "trigger", "repeats", "style", "aside")
    )
    writes: ClassVar[frozenset[str]] = frozenset()
    unkeyed: ClassVar[frozenset[str]] = UNKEYED - {"output_dir"} - WORDS

    usual: ClassVar[frozenset[str]] = frozenset(
        (
            *("base", "from_kohya", "guide", "layer_preset", "algo", "rank", "alpha", "resolution", "flip", "shuffle"),
            *("keep_tokens", "caption_extension", "caption_dropout", "masked_loss", "reg_folder", "clip_skip"),
            *("epochs", "steps", "batch", "accumulate", "seed", "learning_rate", "unet_lr", "text_lr", "optimizer"),
            *("schedule", "warmup", "min_snr", "noise_offset", "start_from", "output_name", "output_dir"),
            *("save_every_n_epochs", "validation", "sample_prompts"),
            *("fit", "gradient_checkpointing", "precision", "base_precision", "swap_blocks"),
        )
    )

    @classmethod
    def panel(cls, option: str) -> str | None:
        """The heading of the option's group."""
        return next((title for title, group in PANELS.items() if option in group.model_fields), None)

    @classmethod
    def help_text(cls) -> str:
        """The docstring with every algorithm and guide that there is."""
        text = super().help_text().replace("    {algorithms}", textwrap.indent(algorithms.table(), " " * 4))
        return text.replace("    {guides}", textwrap.indent(presets.table(), " " * 6))

    def problems(self) -> Mapping[str, str]:
        """A base model that is neither carried, nor on disk, nor named as on the hub (owner/model)."""
        if "/" in self.base or not registry.misnamed(self.base, CARRIED, "base model"):
            return {}
        near = registry.closest(self.base, (*CARRIED, *families()))
        meant = next(iter(families()[near].common), "") if near in families() else near
        hint = f'did you mean "{meant}"? ' if meant else ""
        kinds = "a file, a folder, a hub name (owner/model), `toy` or `tiny`"
        return {"base": f'unknown base model "{self.base}": {hint}It may be {kinds}'}

    def check_records(self, manifest: Manifest, env: Env, tell: Listener) -> None:
        """Warns where `tiny` is trained because no base was named."""
        if warning := self.warning_without_base():
            tell(Note("warning", warning, self.name))

    def warning_without_base(self) -> str:
        """What to say where no base was named; "" where one was."""
        if "base" in self.model_fields_set:
            return ""
        return "base: none is given, so `tiny` is trained: its weights are random, and it learns nothing useful"

    @property
    def needs_masks(self) -> bool:
        """Whether the loss is masked."""
        return self.masked_loss

    @property
    def needed_captions(self) -> tuple[str, ...]:
        """What it reads, and what curate writes: a folder without any caption is a mistake."""
        return (*captions.EXTENSIONS, self.caption_extension.casefold())

    def missing(self, env: Env) -> Sequence[CurateError]:
        """Base, VAE, tokenizer, prompts, folders, LoRA to start from, optimizer, device and room for the LoRA."""
        from curate.train.planning import requirements

        return requirements.missing(self, env.output, env.device, env.require_gpu, env.offline)

    def check_source(self, source: Path) -> None:
        """Raises InputError for a folder in another layout."""
        from curate.train.data import folders

        folders.check(source)

    @classmethod
    def counterpart(cls, name: str) -> tuple[str, str]:
        """kohya's names, and `preset`, which was one option once."""
        return ("guide or layer_preset", "") if name == "preset" else kohya_keys.counterpart(name)

    def training_options(self) -> Mapping[str, Any]:
        """The options, with the base's resolution where none is given and the base is on disk."""
        from curate.diffusion.detect import traits

        options = self.model_dump()
        if self.resolution is None:
            with contextlib.suppress(CurateError):
                options["resolution"] = traits(self.base, offline=True, family=self.family).resolution
        return options

    def configuration(self, source: Path, explicit: Collection[str], device: str) -> Findings:
        """Every effective value and where it came from, the run's length, estimate and advice; trains nothing."""
        from curate.train.planning.explain import findings
        from curate.train.runtime.device import resolve_device

        result = findings(self, source, explicit, resolve_device(device))
        # the family stands for a base that is not there yet
        warning = self.warning_without_base() if self.family is None else ""
        return dataclasses.replace(result, closing=[*result.closing, f"warning: {warning}"]) if warning else result

    def run(self, manifest: Manifest, env: Env, tell: Listener) -> Manifest:
        """Trains on `env.output`. Raises InputError, MissingError, Interrupted (after saving), CurateError."""
        from curate.train.planning.memory_plan import within_memory
        from curate.train.trainer import train

        with self._context(manifest, env, tell) as context:
            options, chosen = within_memory(self, context.device)
            if chosen:
                context.note("info", chosen)
            train(options, context)
        return manifest

    def is_current(self, manifest: Manifest, env: Env, tell: Listener) -> bool:
        """Whether the LoRA of exactly these options and of what the folder holds now is there, unchanged."""
        from curate.train.planning.memory_plan import within_memory
        from curate.train.runtime import distributed
        from curate.train.trainer import identity_of, is_current

        if distributed.size() > 1:
            return False  # several processes find it out together, in `run`
        with self._context(manifest, env, tell) as context:
            try:
                options, _ = within_memory(self, context.device)
                return is_current(options, context, identity_of(options, context)[0])
            except CurateError:
                return False  # `run` says why

    def recall_or_run(
        self, manifest: Manifest, recalled: Manifest | None, env: Env, tell: Listener, started: Callable[[], None]
    ) -> Manifest:
        """The files are read once: what they make of the run serves to recall it and to train."""
        from curate.train.planning.memory_plan import within_memory
        from curate.train.runtime import distributed
        from curate.train.trainer import identity_of, is_current, train

        with self._context(manifest, env, tell) as context:
            try:
                options, chosen = within_memory(self, context.device)
                identity = identity_of(options, context) if distributed.size() == 1 else None
                if recalled is not None and identity and is_current(options, context, identity[0]):
                    return recalled
            except CurateError:
                started()
                raise
            started()
            if chosen:
                context.note("info", chosen)
            train(options, context, identity)
        return manifest

    @contextlib.contextmanager
    def _context(self, manifest: Manifest, env: Env, tell: Listener) -> Generator[Context]:
        """What training works with. The ledger is the driver's, or the folder's own where no driver has it open.

        Further processes of a launcher only read it: the first holds it for as long as it trains.
        """
        from curate.core.digests import FileDigests
        from curate.core.store import Store, ledger_place
        from curate.train.data.job import Context
        from curate.train.runtime import distributed
        from curate.train.runtime.device import resolve_device

        with contextlib.ExitStack() as stack:
            store = env.store or stack.enter_context(Store(ledger_place(env.output)))
            digests = FileDigests(store, keeps=distributed.rank() == 0, stopping=env.stopping)
            yield Context(
                folder=env.output,
                read=env.pictures.read,
                device=resolve_device(env.device, env.require_gpu),
                offline=env.offline,
                tell=tell,
                stopping=env.stopping,
                left_out=_set_aside(manifest),
                digests=digests,
                triggers={Path(r.image.path): r.trigger for r in manifest if r.trigger},
            )


def _set_aside(manifest: Manifest) -> frozenset[Path]:
    """The files of pictures that were set aside; in a folder that curate did not prepare they lie among the others."""
    return frozenset(Path(r.image.path) for r in manifest if r.aside)

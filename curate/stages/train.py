"""train: a LoRA from the prepared folder."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import ClassVar

from curate.core import registry
from curate.core.events import Listener, Saved
from curate.core.record import Manifest
from curate.core.stage import DatasetStage, Env, Findings
from curate.train.options import UNKEYED, TrainOptions


class Train(TrainOptions, DatasetStage):
    """Train a LoRA, LoHa or LoKr on a folder of N_trigger sub-folders with captioned pictures.

    The folder on disk is what is trained, whoever made it; records only say when to look again.
    """

    version: ClassVar[int] = 1
    reads: ClassVar[frozenset[str]] = frozenset(("image", "tags", "sentence", "edited", "trigger", "repeats", "style", "aside"))
    writes: ClassVar[frozenset[str]] = frozenset()
    unkeyed: ClassVar[frozenset[str]] = UNKEYED - {"output_dir"}

    def problems(self) -> Mapping[str, str]:
        """A base model that is neither carried, nor on disk, nor named as on the hub (owner/model)."""
        wrong = "" if "/" in self.base else registry.misnamed(self.base, ("tiny",), "base model")
        return {"base": wrong + " or a hub name (owner/model)"} if wrong else {}

    def configuration(self, source: Path, given: Collection[str], device: str) -> Findings:
        """Every effective value and where it came from, the run's length, estimate and advice; trains nothing.

        `given` are the options that the user wrote. Raises InputError.
        """
        from curate.train.config import findings
        from curate.train.trainer import chosen_device

        return findings(self, source, given, chosen_device(device))

    def run(self, manifest: Manifest, env: Env, tell: Listener) -> Manifest:
        """Trains on `env.output`. Raises InputError, MissingError, Interrupted (after saving), CurateError."""
        from curate.train.prepare import Context
        from curate.train.trainer import chosen_device, train

        train(
            self,
            Context(
                env.output,
                env.door.read,
                chosen_device(env.device, env.require_gpu),
                env.offline,
                tell,
                env.stopping,
                _set_aside(manifest),
            ),
        )
        return manifest

    def stands(self, manifest: Manifest, env: Env, tell: Listener) -> bool:
        """Whether the LoRA of exactly these options and of what the folder holds now is there, unchanged."""
        from curate.errors import CurateError
        from curate.train import parallel
        from curate.train.identity import identify

        if parallel.size() > 1:
            # found out together, in `run`
            return False
        try:
            run, _ = identify(self, env.output, env.offline, _set_aside(manifest))
        except CurateError:
            return False
        wanted = Path(self.output_dir).expanduser() if self.output_dir else env.output / "lora"
        if not run.stands(env.output) or run.path(env.output).parent.resolve() != wanted.resolve():
            return False
        tell(Saved("lora", str(run.path(env.output)), recalled=True))
        return True


def _set_aside(manifest: Manifest) -> frozenset[Path]:
    """The files of pictures that were set aside; in a folder that curate did not prepare they lie among the others."""
    return frozenset(Path(r.image.path) for r in manifest if r.aside)

"""Which run a folder and options make: digests without loading a model, so that a rerun is quick."""

from __future__ import annotations

from pathlib import Path

from curate.core.digests import FileDigests, file_digest, text_digest
from curate.diffusion.detect import yaml_prediction
from curate.diffusion.locate import base_digest, locate_base, text_encoder_digest, vae_digest
from curate.train.data.dataset import Dataset, add_regularisation, read_dataset
from curate.train.options import TrainOptions
from curate.train.output import run_records


def identify(
    options: TrainOptions,
    folder: Path,
    offline: bool,
    left_out: frozenset[Path] = frozenset(),
    digests: FileDigests | None = None,
) -> tuple[run_records.Run, Dataset]:
    """The run that these options and the folder's present content make, as far as it came, and that content."""
    data = read_dataset(folder, options.caption_reading, digests, masks=options.masked_loss, left_out=left_out)
    if options.regularization:
        add_regularisation(data, options.regularization, options.caption_reading, digests)
    weights = base_digest(options.base, offline, digests)
    place = locate_base(options.base, offline)
    if place.is_file() and yaml_prediction(place) == "v":
        weights = text_digest(weights, "v")
    if options.family is not None and "." in options.family:
        # of the same weights a plug-in makes another model
        weights = text_digest(weights, options.family)
    if options.vae:
        weights = text_digest(weights, vae_digest(options.vae, offline, digests))
    if options.text_encoder:
        weights = text_digest(weights, text_encoder_digest(options.text_encoder, offline, digests))
    if options.start_from:
        from curate.train.network.warm_start import start_files

        weights = text_digest(weights, *(file_digest(path, digests) for path in start_files(options.start_from)))
    run = run_records.Run.of(folder, run_records.run_id(options, data.digest, weights))
    run.options, run.data, run.base = run_records.keyed(options), data.digest, weights
    if digests is not None:
        digests.commit()
    return run, data

"""What the metadata say of the pictures: how many of which folder, their buckets and their tags."""

from __future__ import annotations

from collections import Counter
from typing import Any

from curate.train.data import buckets, captions
from curate.train.data.dataset import Picture
from curate.train.data.job import Job, resolution_of
from curate.train.data.latents import Entry
from curate.train.data.run_plan import bucket_sides
from curate.train.options import TrainOptions


def dataset_values(job: Job) -> dict[str, Any]:
    """Values by kohya's names, without `ss_`."""
    own = [entry for entry in job.entries if not entry.picture.reg]
    regularising = [entry for entry in job.entries if entry.picture.reg]
    shown: Counter[buckets.Size] = Counter()
    tags: dict[str, Counter[str]] = {}
    for entry in own:
        shown[entry.fit.bucket] += entry.picture.repeats
    for picture in dict.fromkeys(entry.picture for entry in own):
        tags.setdefault(picture.concept, Counter()).update(_tags(picture, job.options))
    shapes = {str(i): {"resolution": list(size), "count": n} for i, (size, n) in enumerate(sorted(shown.items()))}
    smallest, largest = bucket_sides(job.options, resolution_of(job))
    return {
        "num_train_images": sum(shown.values()),
        "num_reg_images": job.order.showings_per_epoch - sum(shown.values()),
        # those of a validation_folder change no byte
        "num_validation_images": len({entry.picture.path for entry in job.held if not entry.picture.reg}),
        "resolution": str((resolution_of(job), resolution_of(job))),
        "enable_bucket": True,
        "bucket_no_upscale": not job.options.upscale,
        "min_bucket_reso": smallest if job.options.upscale else None,
        "max_bucket_reso": largest if job.options.upscale else None,
        "bucket_info": {"buckets": shapes, "mean_img_ar_error": aspect_error(own)},
        "dataset_dirs": _folders(own),
        "reg_dataset_dirs": _folders(regularising),
        "tag_frequency": {concept: dict(found.most_common()) for concept, found in tags.items()},
    }


def _tags(picture: Picture, options: TrainOptions) -> list[str]:
    """The tags of a picture's captions; one that several captions have counts once."""
    tags = [[tag.strip() for tag in text.split(",") if tag.strip()] for text in captions.every(picture, options)]
    return tags[0] if len(tags) == 1 else list(dict.fromkeys(tag for one in tags for tag in one))


def aspect_error(entries: list[Entry]) -> float:
    """Mean over the pictures of how far width/height of the bucket is from the picture's own, as kohya tells it."""
    errors = [abs(e.fit.bucket[0] / e.fit.bucket[1] - e.picture.width / e.picture.height) for e in entries]
    return sum(errors) / len(errors) if errors else 0.0


def _folders(entries: list[Entry]) -> dict[str, dict[str, int]]:
    """Repeats and number of pictures of each folder."""
    found: dict[str, dict[str, int]] = {}
    for picture in dict.fromkeys(entry.picture for entry in entries):
        held = found.setdefault(picture.concept, {"n_repeats": picture.repeats, "img_count": 0})
        held["img_count"] += 1
    return found

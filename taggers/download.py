"""Downloads: a published model's files from the Hugging Face hub, cache first, or how to place them by hand."""

from __future__ import annotations

import os
from pathlib import Path

from taggers.cache import cache_folder
from taggers.errors import MissingModelError, library_reason
from taggers.family import Model

FOLDER = "CURATE_MODELS"
"""Environment variable: a folder in which models may lie as NAME/FILE, looked at before the hub's cache."""


def fetch(model: Model, *, offline: bool = False) -> Path:
    """The folder that holds the model's files: placed by hand, cached, or fetched now (resumed, with progress).

    Raises MissingModelError naming the files and where to put them.
    """
    return placed(model) or cached(model) or _download(model, offline=offline)


def placed(model: Model) -> Path | None:
    """The folder under `$CURATE_MODELS` or the models folder in which all files lie, None without one."""
    folder = by_hand(model)
    return folder if all((folder / f).is_file() for f in model.files) else None


def by_hand(model: Model) -> Path:
    """Where the files may be placed by hand."""
    base = os.environ.get(FOLDER)
    if base:
        return Path(base) / model.name
    return cache_folder() / "models" / model.name


def cached(model: Model) -> Path | None:
    """The snapshot in the hub's cache that holds all files, None where one is missing. Asks no network."""
    from huggingface_hub import try_to_load_from_cache

    found = [try_to_load_from_cache(model.repo, f, revision=model.revision) for f in model.files]
    paths = [Path(f) for f in found if isinstance(f, str)]
    return _top(paths[0], model.files[0]) if len(paths) == len(model.files) else None


def _download(model: Model, *, offline: bool) -> Path:
    if offline or os.environ.get("HF_HUB_OFFLINE", "").casefold() in ("1", "true", "yes", "on"):
        raise _missing(model, "and offline mode is on (offline, or HF_HUB_OFFLINE)")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        paths = [Path(hf_hub_download(model.repo, f, revision=model.revision)) for f in model.files]
    except GatedRepoError as error:
        terms = f"accept its terms on https://huggingface.co/{model.repo} and log in with `hf auth login`"
        raise MissingModelError(f"{model.name} is gated: its author asks for consent to terms", terms) from error
    except RepositoryNotFoundError as error:
        raise _missing(model, f"and the hub does not know {model.repo} (or it is private)") from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise _missing(model, f"and the download failed: {library_reason(error)}") from error
    return _top(paths[0], model.files[0])


def _missing(model: Model, why: str) -> MissingModelError:
    files = ", ".join(model.files)
    within = ", in sub-folders as they are there" if any("/" in f for f in model.files) else ""
    url = f"https://huggingface.co/{model.repo}/tree/{model.revision}"
    return MissingModelError(
        f"the tagger {model.name} is not on this machine, {why}",
        f"fetch {files} from {url} and put them into {by_hand(model)}{within}",
    )


def _top(path: Path, name: str) -> Path:
    """The snapshot's folder, given the path of the file `name` in it."""
    return path.parents[len(Path(name).parts) - 1]

"""Check names: the checks of `curate check` with what people call them, for whoever makes none of them."""

from __future__ import annotations

from collections.abc import Mapping

CHECKS: Mapping[str, str] = {
    "unreadable": "pictures that cannot be opened",
    "dataset-file": "a dataset.toml that cannot be read",
    "dataset-folder": "folders that a dataset.toml names and that are not there",
    "folder-name": "folder names without a whole number of repeats",
    "folder-empty": "folders of concepts without pictures",
    "loose-pictures": "pictures outside the N_name folders",
    "deeper-pictures": "pictures in folders inside a concept's folder",
    "format": "picture formats that trainers do not read",
    "shared-caption": "pictures that share one caption file",
    "consent": "pictures marked 'no AI training'",
    "tiny": "tiny pictures",
    "aspect": "extreme aspect ratios",
    "enlarged": "pictures that training enlarges much",
    "cropped": "pictures that training crops much",
    "transparent": "transparent pictures",
    "animated": "animations",
    "caption-missing": "pictures without caption",
    "caption-empty": "empty captions",
    "caption-unreadable": "captions that cannot be read",
    "caption-encoding": "captions that are not plain UTF-8",
    "caption-lines": "captions of several lines",
    "caption-choices": "captions with choices such as {a|b}",
    "caption-twice": "pictures with two captions",
    "caption-alone": "captions without picture",
    "caption-of-another": "captions that belong to another picture",
    "trigger": "captions without trigger words",
    "tokens": "captions longer than the token limit",
    "token-split": "words that the tokenizer splits into many pieces",
    "underscores": "tags written with underscores",
    "escapes": "captions with backslashes before brackets",
    "vocabulary": "tags that the vocabulary does not know",
    "balance": "concepts that are shown much more often than others",
    "duplicates": "the same picture in one concept more than once",
    "duplicates-across": "the same picture in several concepts",
    "validation-overlap": "pictures that are trained and validated",
    "mask-unreadable": "masks that cannot be opened",
    "mask-alone": "masks without picture",
    "mask-missing": "pictures without mask beside pictures with one",
    "mask-shape": "masks of another shape than their picture",
    "mask-black": "masks that are black all over",
}
"""What is checked, in the order in which it is shown: what costs most comes first."""

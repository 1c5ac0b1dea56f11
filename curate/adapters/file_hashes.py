"""The hashes under which people and sites know a LoRA file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from curate.adapters.tensor_file import CHUNK, LEGACY, TensorFile


@dataclass(frozen=True, slots=True)
class Hashes:
    """Hashes of a file, in hexadecimal.

    sha256   of the whole file; its first ten digits are AutoV2, which A1111 and Civitai show
    content  of what follows the header: `sshs_model_hash`; its first twelve digits are AutoV3
    legacy   of 64 KiB at 1 MiB, eight digits: AutoV1
    stored   what the metadata say that `content` is; "" where they say nothing
    """

    sha256: str
    content: str
    legacy: str
    stored: str

    @property
    def auto_v2(self) -> str:
        """The short hash of the file."""
        return self.sha256[:10].upper()

    @property
    def auto_v3(self) -> str:
        """The short hash of the tensors."""
        return self.content[:12].upper()

    @property
    def fits(self) -> bool:
        """Whether the metadata name the right hash, or none."""
        return not self.stored or self.stored == self.content


def hashes_of(file: TensorFile) -> Hashes:
    """All hashes of a file, read once."""
    whole, content, legacy = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
    at = 0
    with file.path.open("rb") as opened:
        while piece := opened.read(CHUNK):
            whole.update(piece)
            content.update(piece[max(0, file.data_start - at) :])
            legacy.update(piece[max(0, LEGACY.start - at) : max(0, LEGACY.stop - at)])
            at += len(piece)
    stored = file.metadata.get("sshs_model_hash", "")
    return Hashes(whole.hexdigest(), content.hexdigest(), legacy.hexdigest()[:8], stored)

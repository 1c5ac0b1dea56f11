"""Caption encoding: the type of options that name one; apart, since pydantic takes longer to load than a help page."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from curate.core.caption_options import codec

CaptionEncoding = Annotated[str, AfterValidator(codec)]
"""A codec of Python's, or auto."""

"""Tools on finished LoRA files: info, check, resize, merge, extract, convert, metadata."""

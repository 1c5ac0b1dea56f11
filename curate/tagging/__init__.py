"""Tagging: models run over records, scores and sentences kept for the selection that follows."""

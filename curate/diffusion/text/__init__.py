"""Captions as networks take them: tokenizers, text encoders and what is kept of them."""

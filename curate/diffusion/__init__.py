"""Base models: one family a file. Nothing heavy is loaded until a model is."""

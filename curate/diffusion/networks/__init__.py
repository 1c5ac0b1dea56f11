"""Networks of flow families as code: configurations from the shapes of files, and layers without values."""

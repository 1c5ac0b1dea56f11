"""The sections of the HTML report: each tells in plain words first, then in tables and pictures."""

"""Review: a local web page on which a person sees and corrects a dataset, and the server behind it."""

"""One tagger family per file; each defines one public class of `taggers.family.Family`."""

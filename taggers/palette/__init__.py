"""palette: a tagger without weights, whose graph measures colours and backgrounds."""

"""Whether a model is still read as it was locked. No model runs here."""

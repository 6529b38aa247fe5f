"""Grade an answer: an extraction and a gold become an outcome with its reason."""

"""How completions become text, and where in it a model thinks and answers."""

"""A model folder's tokenizer: how it is loaded, and what makes two of them the same."""

"""What is proven about a training run: its tokens, its scores, its two ends."""

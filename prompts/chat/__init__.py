"""What a chat template does beside placing messages: system text of its own, the end of a reply."""

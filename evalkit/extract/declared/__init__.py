"""What a marker, a box or a phrase declares, once it is found: its content read as an answer."""

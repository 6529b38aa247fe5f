"""One module a group of commands; importing this package registers them all."""

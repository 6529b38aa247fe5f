"""One module a group of commands; importing this package registers them all."""

import trainkit.cli.train  # noqa: F401

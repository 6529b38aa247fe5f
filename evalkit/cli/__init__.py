"""One module a group of commands; importing this package registers them all."""

import evalkit.cli.doctor  # noqa: F401

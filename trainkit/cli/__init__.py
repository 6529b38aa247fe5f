"""One module a group of commands; importing this package registers them all."""

import trainkit.cli.doctor  # noqa: F401
import trainkit.cli.plan  # noqa: F401
import trainkit.cli.train  # noqa: F401
import trainkit.cli.watch  # noqa: F401

"""One module a group of commands; importing this package registers them all."""

import evalkit.cli.check  # noqa: F401
import evalkit.cli.cost  # noqa: F401
import evalkit.cli.diff  # noqa: F401
import evalkit.cli.doctor  # noqa: F401
import evalkit.cli.extract  # noqa: F401
import evalkit.cli.noise  # noqa: F401
import evalkit.cli.prompts  # noqa: F401
import evalkit.cli.report  # noqa: F401
import evalkit.cli.runs  # noqa: F401
import evalkit.cli.score  # noqa: F401
import evalkit.cli.tasks  # noqa: F401

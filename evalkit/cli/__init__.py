"""One module a group of commands; importing this package registers them all."""

import evalkit.cli.check
import evalkit.cli.cost
import evalkit.cli.diff
import evalkit.cli.doctor
import evalkit.cli.extract
import evalkit.cli.noise
import evalkit.cli.prompts
import evalkit.cli.report
import evalkit.cli.runs
import evalkit.cli.score
import evalkit.cli.tasks
import evalkit.cli.why  # noqa: F401
from evalkit.cli.app import app
from evalkit.cli.help import EXAMPLES, GROUPS
from evalkit.run_app import describe

describe(app, GROUPS, EXAMPLES)

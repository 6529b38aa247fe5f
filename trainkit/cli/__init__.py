"""One module a group of commands; importing this package registers them all."""

import trainkit.cli.agree
import trainkit.cli.audit
import trainkit.cli.doctor
import trainkit.cli.merge
import trainkit.cli.plan
import trainkit.cli.train
import trainkit.cli.watch  # noqa: F401
from evalkit.run_app import describe
from trainkit.cli.app import app
from trainkit.cli.help import EXAMPLES, GROUPS

describe(app, GROUPS, EXAMPLES)

"""The errors a user is meant to read: one line, no traceback, an exit code.

`evalkit.cli` and `trainkit.cli` print them to stderr. Every message says what was got, what is
allowed, and the command that fixes it.
"""


class UserError(Exception):
    """Bad input (exit code 2)."""

    exit_code = 2


class Mismatch(UserError):
    """Prompts, rows or scoring differ where they must be equal (exit code 3).

    `detail` holds the readable diff, printed below the one-line message.
    """

    exit_code = 3

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class Failed(UserError):
    """The work itself failed, or a gate was not met (exit code 1)."""

    exit_code = 1

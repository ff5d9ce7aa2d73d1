"""Every error that a person can cause, as an exception whose message says what to do next.

Errors in *data* are not here: they are values (dead letters). A command prints a `UserError` as one
sentence and exits with status 2; anything else that escapes is a bug.
"""


class UserError(Exception):
    """Something the user can mend. The message is one clear sentence that says what to do."""


class Poisoned(Exception):
    """A commit failed, so memory is ahead of the log. The process must end; a restart reads the truth."""

"""The exceptions whose message a user is meant to read, in one line and without a traceback."""


class UserError(Exception):
    """A mistake of the user's, told in one line that names the value, what was expected and how to fix it.

    The command line prints the message without a traceback and exits with status 2.
    """


class UnfinishedError(UserError):
    """Work that stopped because of something outside of it, such as a server that is down; told like any mistake.

    What is done stays: the run's folder is kept, as failed, and `--resume` goes on with what is missing.
    """


class StorageError(Exception):
    """What the disk refuses, told in one line that names the path: no space, no rights, a folder that is gone.

    The command line prints the message without a traceback and exits with status 1; the run is `failed`. `reason` is
    the message's part without the path.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason or message

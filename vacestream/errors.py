"""What a user can get wrong or run out of, a class an exit code (0: done, 1: a job failed)."""


class VacestreamError(Exception):
    """The user's mistake or the machine's limit: one sentence saying what, where, and what to do instead."""

    exit_code = 1
    code = "VS-JOB"


class RecipeError(VacestreamError):
    """A recipe or a command line that cannot be meant; nothing was loaded."""

    exit_code = 2
    code = "VS-RECIPE"


class InputError(VacestreamError):
    """A file that cannot be read, is empty, or is too short."""

    exit_code = 3
    code = "VS-INPUT"


class ModelError(VacestreamError):
    """Weights that are missing, damaged, or of another model."""

    exit_code = 4
    code = "VS-MODEL"


class OutOfMemoryError(VacestreamError):
    """A recipe that the device cannot hold."""

    exit_code = 5
    code = "VS-MEMORY"


class OutputError(VacestreamError):
    """A file, pipe or device that cannot be written."""

    exit_code = 6
    code = "VS-OUTPUT"


class NotMetError(VacestreamError):
    """A measured value that is not at the level asserted."""

    exit_code = 7
    code = "VS-ASSERT"


class StoppedError(VacestreamError):
    """Ctrl-C: what is on disk plays."""

    exit_code = 130
    code = "VS-INTERRUPTED"


class EnoughError(StoppedError):
    """--stop-after: no error, but the same way out."""

    exit_code = 0


class TerminatedError(VacestreamError):
    """SIGTERM: what is on disk plays."""

    exit_code = 143
    code = "VS-TERMINATED"

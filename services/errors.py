"""One error tree, mapped to HTTP in one place (``api/errors.py``) and to exit codes in one (``sightline/cli``).

SightlineError
├── InvalidInput      somebody's input is wrong: names the field, the value and the remedy
│   ├── Unsupported     a form of input that is not understood
│   └── CatalogueError  the catalogue does not lint; carries its problems
├── NotFound          what was asked for does not exist
├── Conflict          it exists already, or is in use by another
│   └── LogInUse        another process writes the embedded log
├── Refused           not allowed here, or not with this key
│   └── Unauthenticated   nobody knows who is asking
├── TooLarge          a bounded size was exceeded
└── Unavailable       a part of the system cannot be reached or is not ready
    ├── LogGap        the log no longer has what a state needs next
    └── Stuck         a worker does not get on, though it could: it ends, to be started again
"""

from __future__ import annotations

from collections.abc import Sequence

_SHOWN = 5
"""Problems of a catalogue that are told at once."""


class SightlineError(Exception):
    """Root of all errors that a user can do something about.

    ``code`` is a stable, kebab-case word for programs; ``remedy`` tells a person what to do next.
    """

    code = "error"

    def __init__(
        self, message: str, *, field: str | None = None, value: object = None, remedy: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.value = value
        self.remedy = remedy


class InvalidInput(SightlineError):
    """Input that cannot be used."""

    code = "invalid-input"


class Unsupported(InvalidInput):
    """A media type or encoding that is not understood."""

    code = "unsupported-media-type"


class CatalogueError(InvalidInput):
    """The catalogue has ``problems`` (each a ``services.catalogue.problems.Problem``; its text says the first)."""

    code = "catalogue"

    def __init__(self, problems: Sequence[object]) -> None:
        count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
        more = [f"… and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        lines = [*map(str, problems[:_SHOWN]), *more]
        super().__init__(f"the catalogue has {count}:\n" + "\n".join(lines), remedy="sightline lint")
        self.problems = tuple(problems)


class NotFound(SightlineError):
    """Nothing is known by that name."""

    code = "not-found"


class Conflict(SightlineError):
    """It is there already, or held by somebody else."""

    code = "conflict"


class LogInUse(Conflict):
    """Another process writes the embedded log."""


class Refused(SightlineError):
    """Not allowed."""

    code = "refused"


class Unauthenticated(Refused):
    """No key, or none that is known."""

    code = "unauthenticated"


class TooLarge(SightlineError):
    """Larger than the stated bound."""

    code = "too-large"


class Unavailable(SightlineError):
    """A part of the system is away; trying again later may help."""

    code = "unavailable"


class LogGap(Unavailable):
    """The log has lost records that a state still needs: an alarm, never skipped over."""

    code = "log-gap"


class Stuck(Unavailable):
    """A worker does not get on though records wait: its process ends, and a supervisor starts another one."""

    code = "stuck"

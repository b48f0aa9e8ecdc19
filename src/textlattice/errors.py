"""Every error that textlattice raises on purpose.

TextlatticeError
├── ConfigError         (ValueError)    a setting that cannot be used
├── DataError           (ValueError)    a source, a table or a row that cannot be used
│   └── TextTooLongError                a text of more tokens or characters than are read
├── ArtefactError       (OSError)       a model folder that is missing, damaged or refused
├── MissingExtraError   (ImportError)   a part that needs an optional dependency
└── TrainingError       (RuntimeError)  training that cannot go on
    └── ResumeError     (ValueError)    a checkpoint of another training, or a damaged one

A message says who, what was expected, what came, and what to do.
"""


class TextlatticeError(Exception):
    """Base of all errors that textlattice raises on purpose."""


class ConfigError(TextlatticeError, ValueError):
    """A setting that cannot be used."""


class DataError(TextlatticeError, ValueError):
    """A source, a table or a row that cannot be used."""


class TextTooLongError(DataError):
    """A text that is too long to be read.

    Args:
        found: How long it is, in words.
        most: How long it may be.
        place: Which of the texts it is, from 0; None where there is but one.
    """

    def __init__(self, found: str, most: str, place: int | None = None) -> None:
        where = "the text" if place is None else f"the text at place {place}"
        super().__init__(f"{where}: expected at most {most}, got {found}; split it into several texts.")
        self.found, self.most, self.place = found, most, place

    def at(self, place: int) -> "TextTooLongError":
        """The same of the text at a place."""
        return TextTooLongError(self.found, self.most, place)


class ArtefactError(TextlatticeError, OSError):
    """A model folder that is missing, damaged or refused."""


class MissingExtraError(TextlatticeError, ImportError):
    """A part that needs an optional dependency which is not installed."""

    def __init__(self, part: str, extra: str) -> None:
        super().__init__(
            f"{part} needs the extra [{extra}]; install it with: pip install 'textlattice[{extra}]'"
        )


class TrainingError(TextlatticeError, RuntimeError):
    """Training that cannot go on."""


class ResumeError(TrainingError, ValueError):
    """A checkpoint that this training cannot continue: other rows, settings or versions made it, or it is damaged."""

"""Resource limits, so that no input can take the machine down."""

from __future__ import annotations

from dataclasses import dataclass

from annokit.errors import LimitExceeded, Where

__all__ = ["DEFAULT_LIMITS", "Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one input may ask for. Every limit has a CLI option of the same name.

    Attributes
    ----------
    max_line_bytes : int
        Length of one NDJSON line; a longer one is skipped without being held in memory.
    max_document_bytes : int
        Size of a file that has to be read as a whole.
    max_pixels : int
        Height times width of one image or mask.
    max_vertices : int
        Vertices of one object, over all its rings.
    max_frames : int
        Frames of one video.
    max_entries : int
        Files in one archive.
    max_unpacked_bytes : int
        What may come out of one archive.
    max_ratio : int
        How many times larger than the archive that may be, from 64 MiB on.
    max_errors : int
        Records put aside before the run gives up: the format is probably another one.

    Examples
    --------
    >>> Limits(max_pixels=100).check("max_pixels", 128)
    Traceback (most recent call last):
    annokit.errors.LimitExceeded: 128 is over the limit max_pixels of 100 (raise it with --max-pixels)
    """

    max_line_bytes: int = 64 << 20
    max_document_bytes: int = 4 << 30
    max_pixels: int = 178_956_970
    max_vertices: int = 10_000_000
    max_frames: int = 10_000_000
    max_entries: int = 1_000_000
    max_unpacked_bytes: int = 64 << 30
    max_ratio: int = 200
    max_errors: int = 10_000

    def check(self, name: str, value: int, where: Where | None = None) -> None:
        """Raise LimitExceeded when `value` is over the limit called `name`."""
        if value > getattr(self, name):
            raise self.exceeded(name, value, where)

    def exceeded(self, name: str, value: int, where: Where | None = None) -> LimitExceeded:
        """The error for `value` over the limit called `name`, to be raised or reported."""
        option = "--" + name.replace("_", "-")
        problem = f"{value} is over the limit {name} of {getattr(self, name)}"
        return LimitExceeded(problem, where=where, hint=f"raise it with {option}")


DEFAULT_LIMITS = Limits()

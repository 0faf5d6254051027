"""Finds confidential names however they are dressed. Stands alone: nothing of Pegboard is imported below this."""

from .automaton import MissingAutomatonError
from .matching import Hit, Matcher, masked, merged
from .names import Name, NamesError, id_of, objection, read_names
from .stream import ByteStream, Stream

__all__ = [
    "ByteStream",
    "Hit",
    "Matcher",
    "MissingAutomatonError",
    "Name",
    "NamesError",
    "Stream",
    "id_of",
    "masked",
    "merged",
    "objection",
    "read_names",
]

"""Finds confidential names however they are dressed. Stands alone: nothing of Pegboard is imported below this."""

from .automaton import MissingAutomatonError
from .hashed import HashedList
from .matching import Hit, Matcher, masked, merged
from .names import Name, NamesError, id_of, objection, read_names
from .payload import each_text, mask_value
from .standins import ShownStream, StandIns
from .stream import ByteStream, Stream

__all__ = [
    "ByteStream",
    "HashedList",
    "Hit",
    "Matcher",
    "MissingAutomatonError",
    "Name",
    "NamesError",
    "ShownStream",
    "StandIns",
    "Stream",
    "each_text",
    "id_of",
    "mask_value",
    "masked",
    "merged",
    "objection",
    "read_names",
]

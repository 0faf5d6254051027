"""`dataclass` for the frozen words of the host, in a quarter of the library's time to make the class.

The library writes each of a frozen class's six methods as source text and compiles it, 0.6 ms per class here; a start
makes fifty of them. Here only `__init__` is compiled, and the other methods are shared. Everything else is the
library's: `dataclasses.fields`, `replace` and `asdict` know these classes as their own, and so does a type checker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:
    import dataclasses
    from dataclasses import MISSING, FrozenInstanceError, fields
    from operator import attrgetter

    _fill = object.__setattr__
    _READS = {}
    """What of an instance counts where it is compared, by its class."""
    _SHARED = frozenset({"__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__"})

    def dataclass(cls=None, /, **options):
        """Make a dataclass. With `frozen=True` it has no slots: an instance is a dict that is filled at once."""
        if options == {"slots": True}:
            return _slotted if cls is None else _slotted(cls)
        if not options.get("frozen") or options.keys() - {"frozen", "eq"}:
            return dataclasses.dataclass(cls, **options)
        shared = _SHARED if options.get("eq", True) else _SHARED - {"__eq__", "__hash__"}

        def make(cls):
            made = dataclasses.dataclass(init=False, repr=False, eq=False)(cls)
            made.__init__ = _init(made)
            for name in shared - vars(cls).keys():
                setattr(made, name, globals()[name])
            return made

        return make

    def _slotted(cls):
        made = dataclasses.dataclass(slots=True, repr=False, eq=False)(cls)
        made.__repr__, made.__eq__, made.__hash__ = __repr__, __eq__, None
        return made

    def _init(cls):
        """Compile the one method that must know the fields by name, because a generic one would be slow to call."""
        names = {"_fill": _fill, "_MISSING": MISSING}
        given, items = ["self"], []
        for one in fields(cls):
            name = value = one.name
            if not one.init:  # at its default, or made by `__post_init__`
                if one.default_factory is not MISSING:
                    names[f"_{name}"], value = one.default_factory, f"_{name}()"
                elif one.default is not MISSING:
                    names[f"_{name}"], value = one.default, f"_{name}"
                else:
                    continue
            elif one.default_factory is not MISSING:
                names[f"_{name}"] = one.default_factory
                given.append(f"{name}=_MISSING")
                value = f"_{name}() if {name} is _MISSING else {name}"
            elif one.default is not MISSING:
                names[f"_{name}"] = one.default
                given.append(f"{name}=_{name}")
            else:
                given.append(name)
            items.append(f"{name!r}: {value}")
        after = "\n self.__post_init__()" if hasattr(cls, "__post_init__") else ""
        exec(f"def __init__({', '.join(given)}):\n _fill(self, '__dict__', {{{', '.join(items)}}}){after}", names)
        made = names["__init__"]
        made.__qualname__ = f"{cls.__qualname__}.__init__"
        made.__module__ = cls.__module__
        made.__annotations__ = {one.name: one.type for one in fields(cls)} | {"return": None}
        return made

    def _compared(self):
        read = _READS.get(type(self))
        if read is None:
            names = [one.name for one in fields(self) if one.compare]
            read = _READS[type(self)] = attrgetter(*names) if names else lambda word: ()
        return read(self)

    def __repr__(self):
        said = ", ".join([f"{one.name}={getattr(self, one.name)!r}" for one in fields(self) if one.repr])
        return f"{type(self).__qualname__}({said})"

    def __eq__(self, other):
        return _compared(self) == _compared(other) if type(other) is type(self) else NotImplemented

    def __hash__(self):
        return hash(_compared(self))

    def __setattr__(self, name, value):
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name):
        raise FrozenInstanceError(f"cannot delete field {name!r}")

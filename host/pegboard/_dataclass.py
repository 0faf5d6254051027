"""`dataclass` for the words of the host, in a quarter of the library's time to make the class.

The library writes each of a frozen class's six methods as source text and compiles it, 0.6 ms per class here; a start
makes a hundred of them. Here only `__init__` is compiled, when the first instance is made, and the other methods are
shared. Everything else is the library's: `dataclasses.fields`, `replace` and `asdict` know these classes as their own,
and so does a type checker.
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
    _KNOWN = {"frozen", "slots", "eq"}

    def dataclass(cls=None, /, **options):
        """Make a dataclass. With `frozen=True` alone an instance is a dict that is filled at once."""
        if options.keys() - _KNOWN:
            return dataclasses.dataclass(cls, **options)

        def make(cls):
            return _made(cls, **options)

        return make if cls is None else make(cls)

    def _made(cls, *, frozen=False, slots=False, eq=True):
        said = set(vars(cls))  # what a class says itself stands
        made = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots)(cls)
        if "__init__" not in said:
            made.__init__ = _FirstInit(made, frozen=frozen, slots=slots)
        shared = {"__repr__": __repr__}
        if eq:
            shared |= {"__eq__": __eq__, "__hash__": __hash__ if frozen else None}
        if frozen:
            shared |= {"__setattr__": __setattr__, "__delattr__": __delattr__}
        if frozen and slots:
            shared |= {"__getstate__": __getstate__, "__setstate__": __setstate__}
        for name in shared.keys() - said:
            setattr(made, name, shared[name])
        return made

    class _Factory:
        """Stands in a signature for a default that is made anew for each instance."""

        def __repr__(self):
            return "<factory>"

    _FACTORY = _Factory()

    class _FirstInit:
        """Stands for `__init__` until somebody wants it: most of the classes of a start never make an instance."""

        def __init__(self, cls, **options):
            self._cls = cls
            self._options = options

        def __get__(self, instance, owner=None):
            made = self._cls.__init__ = _init(self._cls, **self._options)
            return made if instance is None else made.__get__(instance)

    def _init(cls, *, frozen, slots):
        """Compile the one method that must know the fields by name, because a generic one would be slow to call."""
        names = {"_fill": _fill, "_FACTORY": _FACTORY}
        given, by_name, values = ["self"], [], {}
        for one in fields(cls):
            name = value = one.name
            taken = by_name if one.kw_only else given
            if not one.init:  # at its default, or made by `__post_init__`
                if one.default_factory is not MISSING:
                    names[f"_{name}"], value = one.default_factory, f"_{name}()"
                elif one.default is not MISSING:
                    names[f"_{name}"], value = one.default, f"_{name}"
                else:
                    continue
            elif one.default_factory is not MISSING:
                names[f"_{name}"] = one.default_factory
                taken.append(f"{name}=_FACTORY")
                value = f"_{name}() if {name} is _FACTORY else {name}"
            elif one.default is not MISSING:
                names[f"_{name}"] = one.default
                taken.append(f"{name}=_{name}")
            else:
                taken.append(name)
            values[name] = value
        if by_name:
            given += ["*", *by_name]
        if not frozen:
            body = [f"self.{name} = {value}" for name, value in values.items()]
        elif slots:
            body = [f"_fill(self, {name!r}, {value})" for name, value in values.items()]
        else:
            body = [f"_fill(self, '__dict__', {{{', '.join(f'{name!r}: {value}' for name, value in values.items())}}})"]
        if hasattr(cls, "__post_init__"):
            body.append("self.__post_init__()")
        exec("\n ".join([f"def __init__({', '.join(given)}):", *(body or ["pass"])]), names)
        made = names["__init__"]
        made.__qualname__ = f"{cls.__qualname__}.__init__"
        made.__module__ = cls.__module__
        made.__annotations__ = {one.name: one.type for one in fields(cls)} | {"return": None}
        return made

    def __getstate__(self):
        return [getattr(self, one.name) for one in fields(self)]

    def __setstate__(self, state):
        for one, value in zip(fields(self), state, strict=True):
            _fill(self, one.name, value)

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

"""The file tools: Read, Write, Edit, Glob and Grep."""

from __future__ import annotations

from pegboard.context import Registry
from pegboard.hookspecs import hookimpl
from pegboard_builtins.file_tools import edit, globbing, grep, read, write


@hookimpl
def register(registry: Registry) -> None:
    """Add the five tools."""
    registry.add_tool(read.read, write.write, edit.edit, globbing.glob, grep.grep)

"""The file tools: Read, Write, Edit, NotebookEdit, Glob and Grep."""

from __future__ import annotations

from pegboard.context import Registry
from pegboard.hookspecs import hookimpl
from pegboard_builtins.file_tools import edit, globbing, grep, notebook_edit, read, write


@hookimpl
def register(registry: Registry) -> None:
    """Add the six tools."""
    registry.add_tool(read.read, write.write, edit.edit, notebook_edit.notebook_edit, globbing.glob, grep.grep)

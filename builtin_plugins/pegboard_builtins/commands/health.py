"""What `pegboard doctor` says of commands and skills: taken names, files that do not count."""

from __future__ import annotations

from pegboard.context import Ailment, Registry
from pegboard.errors import PegboardError
from pegboard.frontmatter import NestedError
from pegboard.output import visible
from pegboard_builtins.commands.forking import forks
from pegboard_builtins.commands.places import Found, shelf, wanted_of
from pegboard_builtins.commands.settings import CommandSettings


def ailments_of(registry: Registry) -> list[Ailment]:
    """Return what is wrong, or waits, a line each."""
    host, view = registry.host, registry.all_settings()
    shelved = shelf(host.project, host.config_dir, view, view.parse("commands", CommandSettings))
    found = [Ailment(problem, mend="rename it") for problem in shelved.problems]
    for one in shelved.found:
        if one.shadowed is not None:
            text = f"/{one.name} is {visible(str(one.shadowed))}, which comes first"
            found.append(Ailment(text, visible(str(one.path)), "rename one of them", wrong=False))
    for path, one in {one.path: one for one in shelved.found}.items():
        try:
            found += _of_file(one, visible(str(path)), registry)
        except PegboardError as error:
            found.append(Ailment(str(error), mend="mend that file"))
    return found


def _of_file(one: Found, where: str, registry: Registry) -> list[Ailment]:
    head = one.content.head
    found = []
    try:
        head.hooks()
    except NestedError as error:
        found.append(Ailment(f"its `hooks` do not count: {error.problem}", f"{where}:{error.line}", "mend it"))
    said = head.text("context").strip()
    if said and not forks(one):
        text = f"`context` is {visible(said[:40])!r}; only `fork` means anything"
        found.append(Ailment(text, f"{where}:{head.lines['context']}", "write `fork`, or leave it out"))
    if "agent" in head.lines and not said:
        text = "`agent` means nothing without `context: fork`"
        found.append(Ailment(text, f"{where}:{head.lines['agent']}", "add that, or leave it out"))
    project = registry.host.project
    if one.is_skill and not head.text("description"):
        found.append(Ailment("no `description` says when to load it", f"{where}:1", "write one", wrong=False))
    if one.place.origin == "project" and not registry.consented(project, wanted_of(one, project)):
        text = "does not count: nobody consented to it as it is now"
        found.append(Ailment(text, where, "look at it and consent with `pegboard trust`", wrong=False))
    return found

"""The page of the ways out: what the host and the built-ins declare, and what `undercover` does there by default."""

from __future__ import annotations

from collections.abc import Iterator

from reference_pages.command_line import command_sections, commands_of
from reference_pages.markdown import code, page, table
from reference_pages.settings import host_of_built_ins

from pegboard.host import HostFace
from pegboard_builtins.undercover.settings import AT_HOME, DONE, UndercoverSettings

MEANT = {
    "commit": "A message that becomes history: `git commit`, `notes`, `merge`; with `--amend` the old one.",
    "tag": "The name and the message of a tag.",
    "branch": "The name of a new branch.",
    "pr": "Pull requests, issues, releases, gists (`gh`, `glab`, `hub`, `tea`), and the files that they send.",
    "push": "`git push`: the commits, files, branches and tags that it takes along.",
    "package": "`npm publish`, `twine upload`, `docker push` and the like, with the manifest of the package.",
    "file": "Files in a repository that is not internal, their names too.",
    "network": "Commands and tools that talk to a host (`curl`, `ssh`, `scp`, a URL), and the files that they send.",
    "search": "Queries of web searches.",
    "mcp": "Inputs of tools of MCP servers.",
    "external": "Inputs of tools that declare no surface.",
}


def surfaces_page() -> str:
    """Return the page."""
    from pegboard_builtins.undercover.verbs import app

    found = list(commands_of(app, "undercover "))
    return page(
        "Ways out",
        "the code of the host and of `undercover`",
        "Whatever leaves a session does so on a surface, and filters (`Registry.add_filter`) see it there. A filter of "
        "a name also gets what is below it: `hook` covers `hook.http`. Plugins declare their own with "
        "`Registry.add_surface`; a tool names those that its input leaves by in `@tool(egress=...)`, an empty list "
        "for none.",
        [*_parts(), "## The verbs", *command_sections(found)],
    )


def _parts() -> Iterator[str]:
    settings = UndercoverSettings()
    with host_of_built_ins() as host:
        declared = HostFace(host).surfaces()
    yield "## Words"
    yield "What `undercover` does where its settings say nothing. Where the repository is internal, " + (
        ", ".join(map(code, sorted(AT_HOME))) + " are shown as they are."
    )
    rows = [
        (code(name), owner, one.help, "nothing: it is inside" if one.inside else code(str(settings.policy(name))))
        for name, (owner, one) in declared.items()
    ]
    yield table(("surface", "declared by", "what leaves", "`undercover`"), rows)
    yield "## Deeds"
    yield "What tools do, as `undercover` tells it apart. None of it is ever rewritten."
    yield table(("surface", "what it is", "`undercover`"), [(code(n), MEANT[n], code(str(p))) for n, p in DONE.items()])

"""`pegboard demo`: a real session in ten seconds, offline, in a git repository that is thrown away."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

PROMPT = "The test fails. Find out why, mend it, and clean up behind you."

FILES = {
    "prices.py": (
        '"""Prices with tax."""\n\n\ndef with_tax(net: float, rate: float = 0.19) -> float:\n    return net + rate\n'
    ),
    "test_prices.py": (
        "import unittest\n\nfrom prices import with_tax\n\n\nclass WithTax(unittest.TestCase):\n"
        "    def test_tax_is_a_share_of_the_price(self):\n        self.assertAlmostEqual(with_tax(100), 119)\n\n\n"
        'if __name__ == "__main__":\n    unittest.main()\n'
    ),
    ".env": "API_KEY=not-for-models\n",
}

SCRIPT = """
[[turn]]
text = "I run the test first."
[[turn.call]]
name = "Bash"
input = { command = "python3 -m unittest -q test_prices", description = "Run the test" }

[[turn]]
expect = { tool_result = { contains = "FAILED" } }
text = "It fails. I read the code, and the settings beside it."
[[turn.call]]
name = "Read"
input = { file_path = "prices.py" }
[[turn.call]]
name = "Read"
input = { file_path = ".env" }

[[turn]]
expect = { contains = "net + rate" }
text = "The tax is added as an amount, not as a share. I mend that."
[[turn.call]]
name = "Edit"
input = { file_path = "prices.py", old_string = "net + rate", new_string = "net * (1 + rate)" }

[[turn]]
text = "I run the test again, and clean up."
[[turn.call]]
name = "Bash"
input = { command = "python3 -m unittest -q test_prices", description = "Run the test again" }
[[turn.call]]
name = "Bash"
input = { command = "rm -rf .git __pycache__", description = "Clean up" }

[[turn]]
expect = { contains = ["OK", "rm -rf"] }
text = "with_tax multiplies now, and the test passes. rm -rf was refused, so the folder stays as it is."
"""

HOOKS = {"hooks": {"trust_project": True, "claude": False}}
"""The hooks of the demo's project run without a question: it wrote them itself. Nobody else's do."""


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Keep the folder and the session.")] = False,
) -> None:
    """See it work: a scripted model, real tools, three hooks that decide, and the trace of it all.

    Runs offline in a temporary git repository; nothing outside it is touched.
    """
    folder = Path(tempfile.mkdtemp(prefix="pegboard-demo-"))
    try:
        asyncio.run(_demo(folder))
        if keep:
            print(f"\nKept: {folder}")
    finally:
        if not keep:
            import shutil

            shutil.rmtree(folder, ignore_errors=True)


async def _demo(folder: Path) -> None:
    from pegboard._cli.demo_hooks import hook_files, receiver
    from pegboard.host import Host, Options

    project = folder / "shop"
    script = folder / "script.toml"
    script.write_text(SCRIPT, encoding="utf-8")
    with receiver() as address:
        _make_repository(project, hook_files(address))
        _introduce(project)
        async with Host(
            project,
            state_dir=folder / "state",
            config_dir=folder / "config",
            environment={"PEGBOARD_NO_PLUGINS": "memory"},  # its daemon would outlive the folder
            no_plugins="",  # packs that happen to be installed have no part in this
            command_line=HOOKS,
        ) as host:
            session = host.session(Options(model=f"scripted:{script}", mode="acceptEdits"), show=_show)
            async with session:
                result = await session.run(PROMPT)
    print(f"\n{_bold('The session ended:')} {result.reason}, after {result.steps} steps.")
    _print_trace(session.path)
    _what_next()


def _make_repository(project: Path, hooks: dict[str, str]) -> None:
    project.mkdir()
    for name, text in {**FILES, **hooks}.items():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(text, encoding="utf-8")
    who = ["-c", "user.name=Demo", "-c", "user.email=demo@localhost", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-q", "-m", "Start"]):
        subprocess.run(["git", *words], cwd=project, check=False, capture_output=True)


def _introduce(project: Path) -> None:
    print(f"A git repository with a failing test lies in {project}.\n")
    print("Its settings (.pegboard/settings.toml) declare three hooks that watch the tools:")
    print("  no-secrets     a Python function: nobody reads .env")
    print("  no-rm-rf       a shell command:   no rm -rf")
    print("  approve-tests  an HTTP call:      test runs are approved\n")
    print(f"{_bold('Prompt:')} {PROMPT}\n")


def _show(shown: Any) -> None:
    if shown.kind == "text":
        print(f"{_bold('model')}  {shown.text}")
    elif shown.kind == "tool":
        given = shown.data["input"]
        print(f"  tool {shown.text}: {given.get('command') or given.get('file_path')}")
    elif shown.kind == "result":
        outcome = shown.data["outcome"]
        lines = shown.text.strip().splitlines() or [""]
        print(f"       {_coloured(outcome)}  {lines[0 if outcome == 'denied' else -1][:150]}")


def _print_trace(path: Path) -> None:
    from pegboard._agent.journal import read_records
    from pegboard._cli.trace import print_timeline

    print(f"\n{_bold('The trace')} (pegboard trace):\n")
    print_timeline(read_records(path))


def _what_next() -> None:
    print(
        f"\n{_bold('Try next')}\n"
        "  pegboard hooks add                       ready-to-use hooks, and how to get one\n"
        "  pegboard hooks specs                     the eleven hooks, and who implements them\n"
        "  pegboard plugins list                    what is installed, with status and reason\n"
        "  pegboard run -m anthropic:NAME PROMPT    a session with a real model (needs ANTHROPIC_API_KEY)\n"
        "  pegboard trace; pegboard why last        what happened in it, and who decided"
    )


def _bold(text: str) -> str:
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() else text


def _coloured(outcome: str) -> str:
    if not sys.stdout.isatty():
        return outcome
    colour = "32" if outcome == "ok" else "31"
    return f"\033[{colour}m{outcome}\033[0m"

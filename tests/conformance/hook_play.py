"""Plays a recorded case: a project, its hooks as real programs, a session with the scripted model, what happened."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pegboard.errors import ModelError, PegboardError
from pegboard.hookspecs import hookimpl
from pegboard.host import Host, Options
from pegboard.messages import EndReason, TextBlock, ToolResult, ToolResultBlock, ToolUseBlock
from pegboard.requests import BlockDone, ModelDone, Purpose, Request
from pegboard.settings import load_settings
from pegboard.testing import installed
from pegboard.tools import tool

HERE = Path(__file__).parent
CASES: dict[str, dict[str, Any]] = {
    case["id"]: case for case in map(json.loads, (HERE / "cases.jsonl").read_text(encoding="utf-8").splitlines())
}
SUPPLEMENTS: dict[str, dict[str, Any]] = json.loads((HERE / "supplements.json").read_text(encoding="utf-8"))
PYTHON = f"{sys.executable} -I -S"
PLUGINS = (
    "wire_hooks",
    "shell_tool",
    "file_tools",
    "permissions",
    "compaction",
    "project_memory",
    "retry",
    "commands",
    "agents",
    "planning_tools",
    "worktrees",
    "auto_mode",
)
LONG = {
    "@@BIG10K@@": "x" * 10_050,
    "@@BIG150K@@": "y" * 150_000,
    "@@BIG12K@@": "".join(f"line {number:05} of the big output\n" for number in range(415)),
}
_names = itertools.count(1)
entry_point = cache(installed)

HOOK = """
import json, os, sys, time
here = os.path.dirname(os.path.abspath(__file__))
name = sys.argv[1]
number = 0
while True:
    try:
        os.close(os.open(os.path.join(here, "call-%s-%d" % (name.replace("/", "_"), number)), os.O_CREAT | os.O_EXCL))
        break
    except FileExistsError:
        number += 1
def note(**facts):
    line = json.dumps({"hook": name, "call": number, **facts}).encode() + b"\\n"
    file = os.open(os.path.join(here, "seen.jsonl"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line)
    os.close(file)
raw = sys.stdin.buffer.read().decode()
with open(os.path.join(here, "answers.json"), encoding="utf-8") as file:
    answer = json.load(file).get(name, {})
if "by_call" in answer:
    answer = answer["by_call"][min(number, len(answer["by_call"]) - 1)]
facts = {}
if answer.get("probe_transcript"):
    with open(json.loads(raw)["transcript_path"], encoding="utf-8") as file:
        facts["transcript"] = [line for line in file if '"role":"assistant"' in line]
note(raw=raw, cwd=os.getcwd(), arguments=sys.argv[2:], **facts)
if answer.get("env_file"):
    with open(os.environ["CLAUDE_ENV_FILE"], "a") as file:
        file.write(answer["env_file"])
time.sleep(answer.get("sleep", 0))
stdout = answer.get("stdout", "")
text = stdout if isinstance(stdout, str) else json.dumps(stdout, separators=(",", ":"), ensure_ascii=False)
sys.stdout.buffer.write(text.encode())
sys.stdout.buffer.flush()
sys.stderr.write(answer.get("stderr", ""))
sys.stderr.flush()
note(done=True)
os._exit(answer.get("exit", 0))
"""
"""A hook that answers as the case says, and notes what it was sent and that it came to its end."""


class NoSubjectError(Exception):
    """The case is about something that does not exist here yet; the text names it."""


@dataclass(slots=True)
class HookRun:
    """One hook that ran. `raw` is the line that it was sent."""

    name: str
    raw: str
    completed: bool
    http: bool = False
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def sent(self) -> dict[str, Any]:
        """The event as values."""
        sent: dict[str, Any] = json.loads(self.raw)
        return sent


@dataclass(slots=True)
class Played:
    """What happened: hooks in the order of their start, what was new in each request of the turn, the end."""

    case: dict[str, Any]
    root: Path
    runs: list[HookRun] = field(default_factory=list)
    requests: list[list[Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)
    ends: list[EndReason] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    connections: set[int] = field(default_factory=set)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def project(self) -> Path:
        """Where the agent worked."""
        return self.root / "project"


# --- the project ---------------------------------------------------------------------------------------


class Stage:
    """The folders of one case, and the words of its recording made ours."""

    def __init__(self, case: dict[str, Any], root: Path, url: str = "") -> None:
        self.case = case
        self.more = SUPPLEMENTS.get(case["id"], {})
        self.root = root
        self.project = root / "project"
        self.hooks = root / "hooks"
        self.url = url

    @property
    def first_prompt(self) -> str:
        """The recordings' prompt; a long one where the conversation must be worth a compaction."""
        return "go " * 40_000 if self.more.get("long") else "go"

    def words(self, value: Any) -> Any:
        """Replace what stands for folders, hooks and long texts."""
        if isinstance(value, dict):
            return {self.words(key): self.words(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.words(inner) for inner in value]
        if not isinstance(value, str):
            return value
        program = str(self.hooks / "hook.py")
        for word, text in (
            ("/usr/bin/python3 -I @HOOK", f"{PYTHON} {program}"),
            ("@HOOK", program),
            ("@H ", f"{PYTHON} {program} "),
            ("@PROJ", str(self.project)),
            ("@URL", self.url),
            ("http://127.0.0.1:18999", self.url),
            ("<WORK>", str(self.root)),
            ("<TMP>", "/tmp"),
            *LONG.items(),
        ):
            value = value.replace(word, text)
        return value

    def build(self) -> None:
        """Write everything that is there before the first prompt."""
        for folder in (self.project / ".claude", self.hooks, self.root / "config", self.root / "home"):
            folder.mkdir(parents=True)
        (self.hooks / "hook.py").write_text(HOOK, encoding="utf-8")
        answers = self.words(self.case["hook_answers"] or {})
        (self.hooks / "answers.json").write_text(json.dumps(answers), encoding="utf-8")
        self.write(".claude/settings.json", self.case["settings"])
        if "local" in self.more:
            self.write(".claude/settings.local.json", self.more["local"])
        if "user" in self.more:
            self.write(str(self.root / "home" / ".claude" / "settings.json"), self.more["user"])
        for name, content in (self.case.get("files") or {}).items():
            self.write(name, content)
        if self.more.get("git"):
            git = ["git", "-C", str(self.project), "-c", "user.name=a", "-c", "user.email=a@b.c"]
            subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
            subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)

    def write(self, name: str, content: Any) -> None:
        """Write a file; values become JSON."""
        path = self.project / self.words(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content, indent=1, ensure_ascii=False)
        path.write_text(self.words(text), encoding="utf-8")

    def runs(self) -> list[HookRun]:
        """Return which hooks ran, in the order in which they noted what they were sent."""
        try:
            lines = (self.hooks / "seen.jsonl").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        notes = [json.loads(line) for line in lines]
        done = {(note["hook"], note["call"]) for note in notes if note.get("done")}
        return [
            HookRun(note["hook"], note["raw"], (note["hook"], note["call"]) in done, facts=note)
            for note in notes
            if "raw" in note
        ]


# --- HTTP hooks ----------------------------------------------------------------------------------------


@asynccontextmanager
async def http_server(stage: Stage, played: Played) -> AsyncIterator[str]:
    """Answer HTTP hooks on loopback as the case's supplement says: an empty 200 where it says nothing."""
    from aiohttp import web

    calls: dict[str, int] = {}

    async def answer(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        raw = await request.text()
        played.runs.append(HookRun(name, raw, completed=True, http=True))
        played.headers.append({key.lower(): value for key, value in request.headers.items()})
        assert request.transport is not None
        played.connections.add(request.transport.get_extra_info("peername")[1])
        said = stage.more.get("http", {}).get(name, {})
        number = calls[name] = calls.get(name, -1) + 1
        if "by_call" in said:
            said = said["by_call"][min(number, len(said["by_call"]) - 1)]
        if said.get("close"):
            request.transport.abort()
        body = said.get("body", "")
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(
            status=said.get("status", 200),
            text=None if said.get("status") == 204 else text,
            content_type=said.get("type", "application/json"),
            headers=stage.words(said.get("headers", {})),
        )

    app = web.Application()
    app.router.add_post("/hook/{name}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


# --- what stands between session and model -----------------------------------------------------------------


class Witness:
    """Notes what each request of the turn has that no earlier one had; answers prompt and agent hooks."""

    def __init__(self, stage: Stage, played: Played) -> None:
        self._stage = stage
        self._played = played
        self._seen: dict[str, int] = {}
        self._verdicts = 0

    @hookimpl
    async def model_call(self, request: Request, call_next: Any) -> Any:
        if request.purpose is Purpose.HOOK:
            self._played.asked.append(request)
            async for event in self._judge():
                yield event
            return
        if request.purpose is Purpose.TURN:
            self._note(request)
        async for event in call_next(request):
            yield event

    def _note(self, request: Request) -> None:
        new, count = [], {}
        for message in request.messages:
            for block in message.content:
                if isinstance(block, ToolUseBlock):
                    if block.id not in self._played.calls:
                        self._played.calls.append(block.id)
                    continue
                if message.role != "user" or not isinstance(block, TextBlock | ToolResultBlock):
                    continue
                key = block.model_dump_json()
                count[key] = count.get(key, 0) + 1
                if count[key] > self._seen.get(key, 0):
                    new.append(block)
        self._seen = count
        self._played.requests.append(new)

    async def _judge(self) -> Any:
        verdicts = self._stage.more.get("verdicts", [])
        said = verdicts[min(self._verdicts, len(verdicts) - 1)]
        self._verdicts += 1
        facts = {"text": said} if isinstance(said, str) else said
        await asyncio.sleep(facts.get("sleep", 0))
        if "error" in facts:
            raise ModelError("boom", status=facts["error"], retryable=True)
        if "call" in facts:
            yield BlockDone(block=ToolUseBlock(id="verdict", name="StructuredOutput", input=facts["call"]))
        else:
            yield BlockDone(block=TextBlock(text=facts["text"]))
        yield ModelDone(stop_reason="end_turn")


@tool(name="mcp__orc__echo", read_only=True)
def echo(text: str) -> ToolResult:
    """Say it again."""
    return ToolResult(content=(TextBlock(text=f"MCP-ECHO {text}"),))


@tool(name="mcp__orc__fail", read_only=True)
def fail(text: str = "") -> ToolResult:
    """Fail."""
    return ToolResult(content=(TextBlock(text=f"MCP-FAILED {text}"),), is_error=True)


@tool(name="mcp__orc__hooktool", read_only=True)
def hooktool(text: str, log: str = "", cmd: str = "", whole: str = "", missing: str = "") -> str:
    """Note how it was called, and answer with the text."""
    given = {"text": text, "log": log, "cmd": cmd, "whole": whole, "missing": missing}
    with open(log, "a", encoding="utf-8") as file:
        file.write(json.dumps(given) + "\n")
    return text


class McpServer:
    """The tools of the recordings' MCP server `orc`."""

    mcp__orc__echo = echo
    mcp__orc__fail = fail
    mcp__orc__hooktool = hooktool

    @hookimpl
    def register(self, registry: Any) -> None:
        for one in (echo, fail, hooktool):
            registry.add_tool(one)


# --- playing -------------------------------------------------------------------------------------------

OF_NO_MEANING = {"--tools": 1, "--input-format": 1, "--mcp-config": 1, "--permission-prompt-tool": 1}
"""Arguments of the reference program that say nothing about hooks, with how many words follow."""
NEED_CONSENT = (".claude/commands/", ".claude/agents/", ".claude/skills/")
MODES = {"manual": "default"}


@dataclass(slots=True)
class How:
    """How a session is opened: what the case's arguments mean here."""

    mode: str = ""
    tables: dict[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    setup: str = ""
    resume: bool = False
    interactive: bool = False
    mcp: bool = False
    agent: str = ""
    worktree: str = ""
    flags: dict[str, bool] = field(default_factory=dict)


def how(stage: Stage, arguments: list[str]) -> How:
    """Read the arguments. Raises NoSubjectError for those of a subject that is missing."""
    found = How(tables={"hooks": {"trust_project": True}})
    if "TaskCreate" in json.dumps(stage.case["model_turns"]):
        found.flags["tasks"] = True
    words = iter(arguments)
    for word in words:
        if word == "--permission-mode":
            mode = next(words)
            found.mode = MODES.get(mode, mode)
            if mode == "auto":
                found.flags["auto_mode"] = True
        elif word == "--dangerously-skip-permissions":
            found.mode = "bypassPermissions"
        elif word == "--settings":
            found.tables["hooks"] |= stage.words(json.loads(next(words)))["hooks"]
        elif word == "--plugin-dir":
            found.tables["plugins"] = {"folders": [os.path.normpath(stage.words(next(words)))]}
        elif word == "--agents":
            found.tables["agents"] = {"define": json.loads(next(words))}
        elif word == "--effort":
            found.tables["model"] = {"effort": next(words)}
        elif word == "--agent":
            found.agent = next(words)
        elif word == "--worktree":
            found.worktree = next(words)
        elif word == "--bare":
            found.without = ("wire_hooks",)
            del found.tables["hooks"]
        elif word in ("--init", "--maintenance"):
            found.setup = word.removeprefix("--")
        elif word == "--autocompact":
            found.tables["model"] = {"context_window": int(next(words))}
        elif word == "--resume":
            found.resume = next(words) == "@SESSION"
        elif word in OF_NO_MEANING:
            found.interactive |= word == "--permission-prompt-tool"
            found.mcp |= word == "--mcp-config"
            for _ in range(OF_NO_MEANING[word]):
                next(words)
        else:
            raise AssertionError(f"{stage.case['id']}: nobody knows {word}")
    return found


def script_of(stage: Stage) -> list[dict[str, Any]]:
    """Return the model's turns as the scripted model takes them."""
    turns = []
    subs = [{**turn, "purpose": "subagent"} for turn in stage.more.get("sub_turns", ())]
    for turn in stage.words([*stage.case["model_turns"], *subs]):
        made: dict[str, Any] = {"purpose": turn["purpose"]} if "purpose" in turn else {}
        if "text" in turn:
            made["text"] = turn["text"]
        if "tools" in turn:
            made["call"] = turn["tools"]
        if "usage" in turn:
            made["usage"] = turn["usage"]
        if "stop_reason" in turn:
            made["stop_reason"] = turn["stop_reason"]
        if "error" in turn:
            made["error"] = {"status": turn["error"], "message": f"API Error: {turn['error']} {turn['message']}"}
        turns.append(made)
    return turns


async def play(case: dict[str, Any], root: Path) -> Played:
    """Play a case in *root*, an empty folder. Raises NoSubjectError."""
    played = Played(case, root)
    stage = Stage(case, root)
    async with AsyncExitStack() as stack:
        if "@URL" in json.dumps(case["settings"]):
            stage.url = await stack.enter_async_context(http_server(stage, played))
        stage.build()
        scripted = entry_point("scripted_model").load()
        model = scripted.play(f"case-{next(_names)}", script_of(stage))
        witness = Witness(stage, played)
        session_id = ""
        for step in case.get("steps") or [{}]:
            for name, content in step.get("files", {}).items():
                stage.write(name, content)
            wanted = how(stage, step.get("args") or case.get("args") or [])
            prompt = step["prompt"] if "prompt" in step else case.get("prompt") or stage.first_prompt
            session_id = await _step(stage, played, witness, model, wanted, prompt, session_id)
    played.runs = [*stage.runs(), *played.runs]
    return played


async def _step(
    stage: Stage, played: Played, witness: Witness, model: str, wanted: How, prompt: str | None, session_id: str
) -> str:
    plugins: list[tuple[str, Any]] = [("witness", witness)]
    if wanted.mcp:
        plugins.append(("mcp_server", McpServer()))
    retries = int((stage.case.get("env") or {}).get("CLAUDE_CODE_MAX_RETRIES", 3))
    tables: dict[str, Any] = {
        "session": {"fsync": "off", "no_progress_stop": 1000, "no_progress_warn": 1000},
        "retry": {"attempts": 1 + retries, "base_delay": 0},
        **wanted.tables,
    }
    if wanted.flags:
        tables["flags"] = {"values": wanted.flags}
    view = load_settings(
        stage.project,
        config_dir=stage.root / "config",
        trusted=True,
        environment={},
        command_line=tables,
        managed=None,
    )
    names = [name for name in (*PLUGINS, "scripted_model") if name not in wanted.without]
    if wanted.flags:
        names.append("flags")
    host = Host(
        stage.project,
        settings=view,
        state_dir=stage.root / "state",
        config_dir=stage.root / "config",
        environment={},
        entry_points=[entry_point(name) for name in names],
        plugins=plugins,
    )
    setup = (wanted.setup,) if wanted.setup else ()
    options = Options(
        model=model,
        mode=wanted.mode,
        interactive=wanted.interactive,
        setup=setup,
        agent=wanted.agent,
        worktree=wanted.worktree,
    )
    async with host:
        if any(name.startswith(NEED_CONSENT) for name in stage.case.get("files") or ()):
            host.trust.consent(host.cwd, host.wanted())
        if wanted.resume:
            session = host.resume(session_id, options, show=lambda shown: None)
        else:
            session = host.session(options, show=lambda shown: None)
        async with session:
            await _converse(stage, played, session, wanted, prompt)
        played.notices += [record.text for record in session.journal if getattr(record, "type", "") == "notice"]
    return session.session_id


async def _converse(stage: Stage, played: Played, session: Any, wanted: How, prompt: str | None) -> None:
    if prompt is not None and prompt.split()[0] == "/compact":
        done = await session.compact(prompt.partition("/compact")[2].strip())
        played.ends.append(EndReason.COMPLETED)
        played.texts.append("compacted" if done else "not compacted")
        return
    prompts = [session.first_prompt, prompt] if session.first_prompt else [prompt]
    prompts += [prompt] * (stage.more.get("prompts", 1) - 1)
    for one in prompts:
        turn = asyncio.ensure_future(session.run(one))
        if "interrupt_after" in stage.more:
            await asyncio.sleep(stage.more["interrupt_after"])
            await session.interrupt()
        try:
            result = await turn
        except PegboardError as error:
            played.ends.append(EndReason.ERROR)
            played.texts.append(str(error))
            continue
        played.ends.append(result.reason)
        played.texts.append(result.text)

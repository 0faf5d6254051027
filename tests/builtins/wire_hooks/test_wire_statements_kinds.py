"""The contract's statements C73 to C88, one test each: other kinds of handlers, lifecycle (hook-contract 6 E)."""

from __future__ import annotations

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from talk import outcomes, pre, results, specific, told

from pegboard import tool
from pegboard.messages import EndReason
from pegboard.testing import call

pytestmark = pytest.mark.anyio

BASH = call("Bash", command="echo out")


class Server:
    """Answers every POST with what it is told, and keeps what it was sent."""

    def __init__(self) -> None:
        self.status, self.body, self.kind = 200, b"{}", "application/json"
        self.requests: list[tuple[dict[str, str], dict[str, Any]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append((dict(self.headers), json.loads(body)))
                self.send_response(outer.status)
                self.send_header("Content-Type", outer.kind)
                self.send_header("Content-Length", str(len(outer.body)))
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, *said: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()


def judged(text):
    """A turn of the model that a hook asks."""
    return {"text": text, "purpose": "hook"}


async def run(host, *turns):
    host.model.script(*(turns or (BASH, "Done.")))
    return await host.prompt("Go.")


@pytest.mark.parametrize(
    ("status", "body", "kind", "outcome"),
    [
        pytest.param(200, json.dumps(pre("deny", "by http")), "application/json", "denied", id="200 with a deny"),
        pytest.param(403, json.dumps(pre("deny", "by http")), "application/json", "ok", id="403 decides nothing"),
        pytest.param(200, "TEXT", "text/plain", "ok", id="text is no context"),
        pytest.param(204, "", "application/json", "ok", id="204 is fine"),
    ],
)
async def test_c73_an_http_hook_decides_with_a_json_answer_alone(project, host_of, server, status, body, kind, outcome):
    server.status, server.body, server.kind = status, body.encode(), kind
    project.declare({"PreToolUse": [{"type": "http", "url": server.url}]})
    async with host_of() as host:
        await run(host)
        assert outcomes(host) == [outcome]
        assert "TEXT" not in told(host)
        assert server.requests[0][1]["tool_name"] == "Bash"
        [row] = host.records("declared")[0].rows
        assert row.status == ("ran" if status in (204,) or outcome == "denied" else "failed")


async def test_c73_a_server_that_is_not_there_lets_the_tool_run(project, host_of):
    project.declare({"PreToolUse": [{"type": "http", "url": "http://127.0.0.1:9/hook"}]})
    async with host_of() as host:
        await run(host)
        assert outcomes(host) == ["ok"]
        assert any("hook error" in notice for notice in host.notices)


async def test_c74_a_header_holds_only_variables_that_are_allowed(project, host_of, server, monkeypatch):
    for allowed, outer, value in ((["TOK"], None, "Bearer secret"), ([], None, "Bearer"), (["TOK"], ["X"], "Bearer")):
        server.requests.clear()
        entry = {"type": "http", "url": server.url, "headers": {"Authorization": "Bearer $TOK"}}
        project.declare({"PreToolUse": [{**entry, "allowedEnvVars": allowed}]})
        outer_bound = {"allowed_variables": outer} if outer is not None else {}
        async with host_of(settings={"hooks": {"trust_project": True, **outer_bound}}) as host:
            monkeypatch.setenv("TOK", "secret")
            await run(host)
        assert server.requests[0][0]["Authorization"].strip() == value


async def test_c75_an_empty_list_of_urls_lets_no_http_hook_run(project, host_of, server):
    project.declare({"PreToolUse": [{"type": "http", "url": server.url}]}, allowedHttpHookUrls=[])
    async with host_of() as host:
        await run(host)
        assert outcomes(host) == ["ok"]
        assert server.requests == []


@tool(name="mcp__files__check", read_only=True)
def check(p: str) -> str:
    """Say whether a path may be touched."""
    return json.dumps(pre("deny", f"hands off {p}"))


async def test_c76_an_mcp_tool_gets_paths_of_the_event_and_one_that_is_not_there_decides_nothing(project, host_of):
    entry = {"type": "mcp_tool", "server": "files", "tool": "check", "input": {"p": "${tool_input.file_path}"}}
    project.declare({"PreToolUse": [{"matcher": "Write", **entry}]})
    write = call("Write", file_path="a.txt", content="x")
    async with host_of() as host:
        host.load(check)
        await run(host, write, "Done.")
        assert f"hands off {project.root / 'a.txt'}" in results(host)[0]
    async with host_of() as host:
        await run(host, write, "Done.")
        assert outcomes(host) == ["ok"]
        assert any("hook error" in notice for notice in host.notices)


async def test_c77_a_prompt_hook_denies_and_ends_the_turn_unless_it_says_to_go_on(project, host_of):
    answer = judged('{"ok": false, "reason": "not on my watch"}')
    for go_on, reason in ((False, EndReason.STOPPED), (True, EndReason.COMPLETED)):
        project.declare({"PreToolUse": [{"type": "prompt", "prompt": "Is $ARGUMENTS fine?", "continueOnBlock": go_on}]})
        async with host_of() as host:
            result = await run(host, BASH, answer, "Done.")
            assert (result.reason, outcomes(host)) == (reason, ["denied"])
            assert "not on my watch" in results(host)[0]


async def test_c78_a_prompt_hook_may_say_that_what_it_wants_cannot_be_had(project, host_of):
    project.declare({"Stop": [{"type": "prompt", "prompt": "Is it done?"}]})
    async with host_of() as host:
        result = await run(host, "Done.", judged('{"ok": false, "impossible": true, "reason": "r"}'))
        assert (result.reason, result.text) == (EndReason.COMPLETED, "Done.")
    async with host_of() as host:
        turns = ["Half.", judged('{"ok": false, "reason": "go on"}'), "Whole.", judged('{"ok": true}')]
        result = await run(host, *turns)
        assert result.text == "Whole."
        assert "go on" in told(host)


async def test_c79_a_prompt_gets_the_event_in_place_of_its_arguments(project, host_of):
    seen = []

    class Watch:
        from pegboard import hookimpl

        @hookimpl(before="*")
        def model_call(self, request, call_next):
            if request.purpose == "hook":
                seen.append(request.messages[0].text)
            return call_next(request)

    for prompt in ("\\$1 and $ARGUMENTS", "Is it fine?"):
        project.declare({"PreToolUse": [{"type": "prompt", "prompt": prompt}]})
        async with host_of() as host:
            host.load(Watch())
            await run(host, BASH, judged('{"ok": true}'), "Done.")
    first, second = seen
    assert first.startswith("$1 and {")
    assert json.loads(first.removeprefix("$1 and "))["tool_name"] == "Bash"
    assert second.startswith("Is it fine?")
    assert '"tool_name":"Bash"' in second


async def test_c80_a_background_hook_decides_nothing_and_its_context_comes_later(project, host_of):
    answer = pre("deny", "no", additionalContext="LATE-CONTEXT")
    project.declare({"PreToolUse": [{"command": project.hook("h", stdout=answer), "async": True}]})
    async with host_of() as host:
        await run(host, BASH, call("Bash", command="sleep 1"), "Done.")
        assert outcomes(host) == ["ok", "ok"]
        assert "LATE-CONTEXT" in told(host)


async def test_c80_a_background_hook_ends_with_its_session(project, host_of):
    mark = project.folder / "survived"
    project.declare({"PreToolUse": [{"command": f"sleep 2; touch {mark}", "async": True}]})
    async with host_of() as host:
        await run(host)
        await host.session.close()
    await asyncio.sleep(2.2)
    assert not mark.exists()


async def test_c81_a_waking_hook_counts_at_once_where_nobody_waits_for_later(project, host_of):
    """The recording is newer than the statement: a run without a person waits for it, and exit 2 blocks."""
    project.declare({"PreToolUse": [{"command": project.hook("h", exit=2, stderr="E-WORD"), "asyncRewake": True}]})
    async with host_of() as host:
        await run(host)
        assert (outcomes(host), "E-WORD" in results(host)[0]) == (["denied"], True)


async def test_c82_once_is_ignored_in_settings(project, host_of):
    project.declare({"PreToolUse": [{"command": project.hook("h"), "once": True}]})
    async with host_of() as host:
        await run(host, BASH, BASH, "Done.")
    assert project.ran == ["h", "h"]


async def test_c82_once_counts_in_a_skill(project, host_of):
    head = ["hooks:", "  PreToolUse:", "    - hooks:", "        - type: command", "          once: true"]
    head.append(f"          command: {project.hook('h')}")
    path = project.outer / "config" / "skills" / "once" / "SKILL.md"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(["---", "description: x", *head, "---", "Text."]))
    async with host_of() as host:
        host.builtin("commands")
        await run(host, call("Skill", skill="once"), [BASH, BASH], BASH, "Done.")
        host._stale = True  # a new process
        await run(host, BASH, "Done.")
    assert project.ran == ["h"]


async def test_c83_what_ends_a_turn_of_the_main_thread_is_not_told_of_a_sub_agent(project, host_of):
    project.declare({"Stop": [project.hook("stop")], "SubagentStop": [project.hook("substop")]})
    async with host_of() as host:
        host.builtin("agents")
        agent = call("Agent", description="look", prompt="Look.")
        await run(host, agent, "Done.", {"text": "Found.", "purpose": "subagent"})
    assert project.ran == ["substop", "stop"]
    assert project.seen[0][1]["last_assistant_message"] == "Found."


async def test_c84_an_api_error_fires_stop_failure_instead_of_stop_and_nothing_that_it_says_counts(project, host_of):
    answer = {"decision": "block", "continue": False, "systemMessage": "x"}
    project.declare({"Stop": [project.hook("stop")], "StopFailure": [project.hook("failure", stdout=answer)]})
    async with host_of() as host:
        result = await run(host, {"error": {"status": 401}})
        assert result.reason is EndReason.ERROR
        assert project.ran == ["failure"]
        assert project.seen[0][1]["error"] == "authentication_failed"


async def test_c85_a_resume_runs_the_start_hook_once_more_and_replays_what_it_said_before(project, host_of):
    start = {"command": project.hook("h", stdout=specific("SessionStart", additionalContext="START-CTX"))}
    project.declare({"SessionStart": [start]})
    async with host_of() as host:
        await run(host, "Done.")
        host._stale = True  # a new process
        project.hook("h", stdout="")
        host.model.script("Done.")
        await host.prompt("Go on.")
        assert [sent["source"] for _, sent in project.seen] == ["startup", "resume"]
        assert told(host).count("START-CTX") == 1


async def test_c86_a_start_hook_may_bring_the_first_prompt(project, host_of):
    answer = specific("SessionStart", initialUserMessage="Look around.")
    project.declare({"SessionStart": [project.hook("h", stdout=answer)]})
    async with host_of() as host:
        host.model.script("Done.")
        await host.open()
        assert host.session.first_prompt == "Look around."


async def test_c87_the_transcript_has_compact_lines_with_one_block_each(project, host_of):
    project.declare({"Stop": [project.hook("h")]})
    async with host_of() as host:
        await run(host, "First words.", "Second words.")
    path = project.seen[0][1]["transcript_path"]
    with open(path) as file:
        lines = [line for line in file if '"role":"assistant"' in line]
    blocks = [block for line in lines for block in json.loads(line)["message"]["content"]]
    assert [block["text"] for block in blocks if block["type"] == "text"] == ["First words."]


async def test_c88_every_hook_that_an_event_is_for_has_a_row_that_says_what_became_of_it(project, host_of):
    one = project.hook("one", stdout=pre("deny", "because"))
    project.declare(
        {
            "PreToolUse": [
                {"command": one, "id": "guard"},
                {"command": one},
                {"command": project.hook("late", sleep=30), "timeout": 0.3},
                {"command": project.hook("off"), "enabled": False},
                {"matcher": "Edit", "command": project.hook("other")},
            ]
        }
    )
    async with host_of() as host:
        await run(host)
        [record] = host.records("declared")
        rows = {row.id.partition("@")[0]: row for row in record.rows}
        assert {name: row.status for name, row in rows.items()} == {
            "guard": "deduplicated",
            "PreToolUse/2.1": "ran",
            "PreToolUse/3.1": "timeout",
            "PreToolUse/4.1": "disabled",
        }
        decided = rows["PreToolUse/2.1"]
        assert (decided.verdict, decided.reason, decided.effect) == ("deny", "because", "won")
        assert (record.outcome, record.winner, record.subject) == ("deny", decided.id, "toolu_1_1")
        assert decided.where.startswith(str(project.root / ".claude" / "settings.json"))
        assert json.loads(record.payload)["tool_name"] == "Bash"


@pytest.mark.parametrize("wait", [0.0, 0.6], ids=["which ends at once", "which goes on"])
async def test_a_hook_may_say_on_its_first_line_that_nobody_should_wait(project, host_of, wait):
    """hook-behaviour, f38: a published plugin installs what it needs this way."""
    late = json.dumps(specific("PreToolUse", additionalContext="LATE-WORDS", permissionDecision="deny"))
    first = '{"async":true,"asyncTimeout":60000}'
    project.declare({"PreToolUse": [{"command": f"echo '{first}'; sleep {wait}; echo '{late}'", "timeout": 30}]})
    async with host_of() as host:
        await run(host, BASH, call("Bash", command="sleep 1.5"), "Done.")
        assert outcomes(host) == ["ok", "ok"]
        assert "LATE-WORDS" in told(host)
        assert [row.status for record in host.records("declared") for row in record.rows] == ["background"] * 2

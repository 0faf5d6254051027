"""What a new pack can begin with: a tool, a hook, a flag, a verb, a model, a compactor, each with its test.

A `$m` stands for the module's name, a `$n` for the distribution's.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Piece:
    """One kind of thing that a pack brings: code and test, what both import, and its lines of `register`.

    Lines that grow with the name of the pack end in a comma or leave room, so that they stay formatted.
    """

    name: str
    about: str
    code: str
    test: str
    imports: tuple[str, ...]
    test_imports: tuple[str, ...] = ()
    registers: str = ""
    constants: str = ""
    permissions: tuple[str, ...] = ()
    """What its hooks may do only if the pack declares it."""


PIECES = (
    Piece(
        "tool",
        "a tool",
        '''\
@tool(read_only=True)
def ${m}_count(text: str, min_length: int = 1) -> int:
    """Count the words of a text.

    Args:
        text: What is counted.
        min_length: Shorter words do not count.
    """
    return sum(len(word) >= min_length for word in text.split())
''',
        """\
def test_words_are_counted(pegboard_host: HostFixture) -> None:
    pegboard_host.load($m)
    work = pegboard_host.invoke("${m}_count", text="to be or not", min_length=3)
    outcome = pegboard_host.run(work)
    assert outcome.result.content == "1"
""",
        imports=("pegboard:tool",),
    ),
    Piece(
        "hook",
        "a hook",
        '''\
@hookimpl(guard=True, matcher="Bash")
def pre_tool(call: ToolCall) -> Decision | None:
    """Keep the machine on. A guard that breaks refuses the call; None means: no opinion."""
    if "shutdown" in str(call.input.get("command", "")).split():
        return Decision.deny("this machine stays on; ask the user to do it")
    return None
''',
        """\
def test_the_machine_stays_on(pegboard_host: HostFixture) -> None:
    pegboard_host.load($m)
    for command, check in (("shutdown now", assert_denied), ("ls", assert_no_opinion)):
        check(pegboard_host.run(pegboard_host.fire("pre_tool", tool="Bash", input={"command": command})))
""",
        imports=("pegboard:Decision", "pegboard:ToolCall", "pegboard:hookimpl"),
        test_imports=("pegboard.testing:assert_denied", "pegboard.testing:assert_no_opinion"),
    ),
    Piece(
        "flag",
        "a flag",
        '''\
@hookimpl(flag="$m.polite")
def prompt_submit() -> PromptDecision:
    """Ask for a polite answer; only where the flag is on."""
    return PromptDecision(context="Answer politely.")
''',
        """\
@pytest.mark.parametrize("value", [True, False])
def test_the_flag_decides_about_politeness(pegboard_host: HostFixture, value: bool) -> None:
    pegboard_host.builtin("flags")
    pegboard_host.settings["flags"] = {"values": {"$m.polite": value}}
    pegboard_host.load($m)
    outcome = pegboard_host.run(pegboard_host.fire("prompt_submit", prompt="Hello."))
    assert ("Answer politely." in str(outcome.contexts)) is value
""",
        imports=("pegboard:PromptDecision", "pegboard:flag", "pegboard:hookimpl"),
        permissions=("context",),
        test_imports=("pytest",),
        constants="""\
POLITE = flag(
    "$m.polite",
    False,
    owner="$n",
    help="The model is asked to answer politely.",
)
""",
    ),
    Piece(
        "command",
        "a verb",
        '''\
def greet(name: str = "world") -> None:
    """Greet somebody: `pegboard $n --name you`."""
    typer.echo(f"Hello, {name}, from $n.")
''',
        """\
def test_the_verb_greets(capsys: pytest.CaptureFixture[str]) -> None:
    $m.greet("you")
    assert capsys.readouterr().out == "Hello, you, from $n.\\n"


def test_the_verb_is_registered(pegboard_host: HostFixture) -> None:
    pegboard_host.load($m)
    assert pegboard_host.plugins["$m"].status == "active"
    pegboard_host.run(pegboard_host.open())
    assert "$n" in pegboard_host.host.board.commands
""",
        imports=("typer", "pegboard:Registry", "pegboard:hookimpl"),
        test_imports=("pytest",),
        registers="""\
registry.add_command(
    "$n",
    "$m:greet",
    help="Greet somebody.",
)
""",
    ),
    Piece(
        "model",
        "a model",
        '''\
@hookimpl(after="*")
def model_call(request: Request, call_next: CallNext) -> AsyncIterator[StreamEvent]:
    """Answer requests for our models, and hand on those for others."""
    return _answer(request) if request.model.startswith("$m:") else call_next(request)


async def _answer(request: Request) -> AsyncIterator[StreamEvent]:
    said = [block.text for block in request.messages[-1].content if isinstance(block, TextBlock)]
    text = f"You said: {' '.join(said)}"
    yield ModelStarted(model=request.model)
    yield TextDelta(text=text)
    yield BlockDone(block=TextBlock(text=text))
    yield ModelDone(stop_reason="end_turn")
''',
        """\
def test_the_model_answers(pegboard_host: HostFixture) -> None:
    pegboard_host.load($m)
    pegboard_host.options = Options(model="$m:echo")
    result = pegboard_host.run(pegboard_host.prompt("Hello."))
    assert result.text == "You said: Hello."
""",
        imports=(
            "collections.abc:AsyncIterator",
            "pegboard:ModelInfo",
            "pegboard:Registry",
            "pegboard:Request",
            "pegboard:StreamEvent",
            "pegboard:TextBlock",
            "pegboard:hookimpl",
            "pegboard.requests:BlockDone",
            "pegboard.requests:CallNext",
            "pegboard.requests:ModelDone",
            "pegboard.requests:ModelStarted",
            "pegboard.requests:TextDelta",
        ),
        test_imports=("pegboard.testing:Options",),
        registers='registry.add_model(ModelInfo(prefix="$m", help="Says again what it was told."))\n',
    ),
    Piece(
        "compactor",
        "a compactor",
        '''\
@hookimpl
def compact(job: CompactionJob) -> CompactionResult | None:
    """Keep the conversation from the last prompt on, and the pins; None lets the next compactor try."""
    prompts = [place for place, message in enumerate(job.messages) if _is_prompt(message)]
    if not prompts or prompts[-1] == 0:
        return None
    first, *rest = job.messages[prompts[-1] :]
    note = TextBlock(text="\\n".join(("What was said before is left out.", *job.pins)))
    kept = Message(role=first.role, content=(note, *first.content))
    left_out = f"{prompts[-1]} messages left out"
    return CompactionResult(messages=(kept, *rest), strategy="$m", summary=left_out)


def _is_prompt(message: Message) -> bool:
    return message.role == "user" and all(isinstance(block, TextBlock) for block in message.content)
''',
        """\
def test_the_last_prompt_stays(pegboard_host: HostFixture) -> None:
    pegboard_host.load($m)
    messages = [
        Message(role="user", content=(TextBlock(text="Tell me a long story."),)),
        Message(role="assistant", content=(TextBlock(text="Once upon a time " * 50),)),
        Message(role="user", content=(TextBlock(text="Thanks."),)),
    ]
    answer, by = pegboard_host.run(pegboard_host.fire("compact", messages=messages, pins=("42",)))
    assert by == "$m"
    [kept] = answer.messages
    assert "Thanks." in str(kept.content) and "42" in str(kept.content)
""",
        imports=(
            "pegboard:CompactionJob",
            "pegboard:CompactionResult",
            "pegboard:Message",
            "pegboard:TextBlock",
            "pegboard:hookimpl",
        ),
        test_imports=("pegboard:Message", "pegboard:TextBlock"),
        permissions=("rewrite",),
    ),
)

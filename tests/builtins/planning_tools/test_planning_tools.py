"""TodoWrite and AskUserQuestion in a session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pegboard.decisions import Resolution
from pegboard.hookspecs import Ask, hookimpl
from pegboard.host import Options
from pegboard.messages import OutcomeKind, ToolResultBlock
from pegboard.testing import HostFixture, call

TODO = {"content": "Run the tests", "status": "in_progress", "activeForm": "Running the tests"}
QUESTION = {"question": "Which one?", "header": "Choice", "options": [{"label": "A"}, {"label": "B"}]}


def results(host: HostFixture) -> list[ToolResultBlock]:
    return [block for message in host.messages for block in message.content if isinstance(block, ToolResultBlock)]


@pytest.mark.anyio
async def test_a_list_needs_no_permission_and_lasts(tmp_path: Path) -> None:
    async with HostFixture(folder=tmp_path) as host:
        host.builtin("planning_tools")
        host.model.script([call("TodoWrite", todos=[TODO])], "done", [call("TodoWrite", todos=[])], "done")
        await host.prompt("Plan.")
        assert results(host)[0].content == "The list has been written: 0 of 1 done."
        outcome = await host.invoke("TodoWrite", todos=[{**TODO, "status": "completed"}, TODO, TODO])
        assert outcome.result.data["oldTodos"] == [TODO]
        assert "2 things are in progress" in str(outcome.result.content)


@pytest.mark.anyio
@pytest.mark.parametrize("wrong", [{**TODO, "status": "doing"}, {**TODO, "content": ""}, {"content": "x"}])
async def test_a_wrong_list_is_refused_and_the_old_one_stays(tmp_path: Path, wrong: dict[str, Any]) -> None:
    async with HostFixture(folder=tmp_path) as host:
        host.builtin("planning_tools")
        await host.invoke("TodoWrite", todos=[TODO])
        assert (await host.invoke("TodoWrite", todos=[wrong])).kind is OutcomeKind.ERROR
        assert (await host.invoke("TodoWrite", todos=[])).result.data["oldTodos"] == [TODO]


class Person:
    """Answers questions as a terminal would."""

    def __init__(self, answers: dict[str, str] | None) -> None:
        self.answers = answers

    @hookimpl
    def resolve_ask(self, ask: Ask) -> Resolution | None:
        if self.answers is None:
            return None
        return Resolution(allow=True, updated_input={**ask.call.input, "answers": self.answers})


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answers", "said"),
    [
        pytest.param({"Which one?": "B"}, "Which one?\n  B", id="answered"),
        pytest.param(None, "nobody can be asked", id="nobody there"),
        pytest.param({"Another?": "B"}, "was not asked", id="another question"),
    ],
)
async def test_a_question_is_answered_by_who_resolves_it(
    tmp_path: Path, answers: dict[str, str] | None, said: str
) -> None:
    settings = {"permissions": {"allow": ["AskUserQuestion"]}}
    async with HostFixture(folder=tmp_path, settings=settings, options=Options(interactive=True)) as host:
        host.load(Person(answers))
        host.builtin("planning_tools", "permissions")
        host.model.script([call("AskUserQuestion", questions=[QUESTION])], "done")
        await host.prompt("Ask me.")
        assert said in str(results(host)[0].content)


@pytest.mark.anyio
@pytest.mark.parametrize("interactive", [True, False])
async def test_only_where_a_person_can_answer_may_the_model_ask_one(tmp_path: Path, interactive: bool) -> None:
    async with HostFixture(folder=tmp_path, options=Options(interactive=interactive)) as host:
        host.builtin("planning_tools")
        await host.open()
        assert ("AskUserQuestion" in host.session.tools()) is interactive

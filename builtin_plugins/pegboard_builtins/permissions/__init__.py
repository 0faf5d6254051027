"""Permission rules: deny, ask and allow, from every layer of the settings and from .claude/settings*.json."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pegboard.context import Ctx, Registry
from pegboard.decisions import Answer, Decision, Resolution, Verdict
from pegboard.declares import Declares
from pegboard.errors import SettingsError
from pegboard.flags import Ramp
from pegboard.hookspecs import Ask, hookimpl
from pegboard.messages import ToolCall
from pegboard.records import AskRecord, DirectoryAdded, Event, Record, RulesGranted
from pegboard_builtins.permissions.answers import (
    OpenQuestions,
    add_folder,
    added_folders,
    grant,
    granted_rules,
    lend,
    remember,
    stored_answer,
)
from pegboard_builtins.permissions.settings import TABLE, TIGHTENING, PermissionSettings

if TYPE_CHECKING:
    from pegboard_builtins.permissions.rules import RuleSet
    from pegboard_builtins.permissions.subject import Subject

declares = Declares(permissions=["approve", "context"])

_MODE_WAS_SET = "mode_was_set"
_FROM_NARROW = ("plan", "dontAsk", "default", "acceptEdits", "auto", "bypassPermissions")
_open_questions = OpenQuestions()


@hookimpl
def register(registry: Registry) -> None:
    """Declare `[permissions]` and tell `doctor` about rules that do not count."""
    wrong: list[str] = []
    try:
        registry.settings(PermissionSettings, table=TABLE, tightening=TIGHTENING)
    except SettingsError as error:
        # A guard that is switched off by a typing error would be worse than one that leaves the typing error out.
        wrong.append(str(error))

    def rules_are_well_formed() -> str | None:
        from pegboard_builtins.permissions.rules import compile_rules

        problems = [*wrong, *compile_rules(registry.all_settings(), Path.cwd()).problems]
        return "\n".join(problems) or None

    registry.add_health_check("permission rules", rules_are_well_formed)
    registry.add_command(
        "permissions", "pegboard_builtins.permissions.verbs:app", help="Which rules there are, and what they say."
    )


@hookimpl(guard=True)
def pre_tool(call: ToolCall, ctx: Ctx) -> Decision | None:
    """Say what rules and mode mean for a call; no opinion leaves it to the host's default."""
    # Imported with the first call: the shell's grammar is half of this plugin, and no session starts with it.
    from pegboard_builtins.permissions.decide import decide
    from pegboard_builtins.permissions.rules import rules_for, with_granted
    from pegboard_builtins.permissions.subject import Subject

    granted = granted_rules(ctx.shared, ctx.prompt_id)
    rules = rules_for(ctx.all_settings, ctx.project, ctx.workspace)
    rules = with_granted(rules, granted, ctx.workspace, added_folders(ctx.shared))
    tool = ctx.tools.get(call.name)
    read_only = tool is not None and tool.read_only
    subject = Subject(call.name, call.input, read_only, ctx.cwd, ctx.workspace, ctx.journal.path)
    mode = _mode(ctx, rules)
    ramps = ctx.all_settings.table(TABLE).get("ramps")
    if not ramps:
        return _with_always(decide(subject, rules, mode), subject, rules, mode, ctx)
    from pegboard_builtins.permissions.ramps import differs, parted

    in_force, held = parted(rules, ramps, ctx.flags, lambda text: ctx.notice(text, level="warning"))
    decision = decide(subject, in_force, mode)
    for one in held:
        would = decide(subject, one.rules, mode)
        if differs(decision, would):
            verdict, reason = (str(would.verdict), would.reason) if would is not None else ("none", "")
            ctx.shadow("pre_tool", call.id, verdict, reason, flag=one.flag, by=one.rule, warn=one.how is Ramp.WARN)
    return _with_always(decision, subject, in_force, mode, ctx)


def _with_always(decision: Decision | None, subject: Subject, rules: RuleSet, mode: str, ctx: Ctx) -> Decision | None:
    """Say by which rules such calls would run from now on, where a person is going to be asked."""
    asks = decision.verdict is Verdict.ASK if decision is not None else not subject.read_only
    if not asks or not ctx.interactive:
        return decision
    from pegboard_builtins.permissions.always import always_rules

    found = always_rules(subject, rules, mode)
    return (decision or Decision()).model_copy(update={"always": found}) if found else decision


def _mode(ctx: Ctx, rules: RuleSet) -> str:
    """Return the mode that counts: the session's, and the one of our table until somebody has set another."""
    if ctx.agent_id and ctx.mode != "default":
        # What a definition says is no word of a person: it can narrow the table's mode, and does not end it.
        modes = [ctx.mode] if ctx.shared.get(_MODE_WAS_SET) or not rules.mode else [ctx.mode, rules.mode]
        return min(modes, key=_FROM_NARROW.index)
    if ctx.mode != "default":
        if rules.mode and not ctx.shared.get(_MODE_WAS_SET):
            ctx.shared[_MODE_WAS_SET] = True
        return ctx.mode
    return rules.mode if rules.mode and not ctx.shared.get(_MODE_WAS_SET) else "default"


@hookimpl(before="*")
def resolve_ask(ask: Ask, ctx: Ctx) -> Resolution | None:
    """Answer as the person did for this session; else let the next be asked, and watch how that ends."""
    answer = stored_answer(ctx.shared, ask)
    if answer is None:
        _open_questions.add(ctx.session_id, ask)
    return answer


@hookimpl(matcher="ask")
def event(record: Record, ctx: Ctx) -> None:
    """Keep an answer that was given for more than once."""
    if isinstance(record, AskRecord):
        key = _open_questions.close(ctx.session_id, record)
        if key is not None:
            remember(ctx.shared, key, allow=record.allowed)
            grant(ctx.shared, record)
            if record.remember == "always" and record.allowed and record.rules:
                _keep(ctx, record)


def _keep(ctx: Ctx, record: AskRecord) -> None:
    from pegboard_builtins.permissions.keeping import keep_rules

    rules = ", ".join(record.rules)
    try:
        file = keep_rules(ctx.config_dir, ctx.project, record.rules)
    except SettingsError as wrong:
        ctx.notice(f"allowed for this session only, because it cannot be kept: {rules}: {wrong}", level="warning")
    else:
        ctx.notice(f"from now on allowed in this folder: {rules} ({file})")


@hookimpl(matcher="SessionStart|RulesGranted|DirectoryAdded")
def lifecycle(event: Event, ctx: Ctx) -> Answer | None:
    """Tell at the start of a session which rules do not count: a rule that does nothing must not be silent.

    Keep the rules that a command brings along, for its prompt, and the folders that a person adds.
    """
    if isinstance(event, RulesGranted):
        lend(ctx.state, ctx.prompt_id, event.rules)
    if isinstance(event, DirectoryAdded):
        add_folder(ctx.shared, event.directory)
        return Answer(context=f"The user has added the folder {event.directory}: it belongs to the workspace, too.")
    if event.name == "SessionStart":
        from pegboard_builtins.permissions.rules import rules_for

        for problem in rules_for(ctx.all_settings, ctx.project, ctx.workspace).problems:
            ctx.notice(problem, level="warning")
    return None

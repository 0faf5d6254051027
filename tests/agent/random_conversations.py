"""Random conversations that the Messages API would take, for properties: tools, thinking, pictures, steering."""

from __future__ import annotations

from itertools import count

from hypothesis import strategies as st

from pegboard.messages import (
    DocumentBlock,
    ImageBlock,
    Message,
    Origin,
    RedactedThinkingBlock,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
)

PICTURE = ImageBlock(source={"type": "base64", "media_type": "image/png", "data": "AAAA"})
PDF = DocumentBlock(source={"type": "base64", "media_type": "application/pdf", "data": "AAAA"})
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=12).filter(
    lambda text: not text.isspace()
)
TOOLS = ("Read", "Bash", "Grep")


@st.composite
def texts(draw):
    """Text of very different lengths; hypothesis draws only a word of it."""
    word = draw(WORDS)
    return word + " and so on" * draw(st.sampled_from([0, 0, 3, 40, 300, 1500]))


@st.composite
def results(draw, call_id):
    text = draw(texts())
    content = draw(
        st.sampled_from([text, "", (TextBlock(text=text),), (TextBlock(text=text), PICTURE), (PICTURE, PDF), ()])
    )
    return ToolResultBlock(tool_use_id=call_id, content=content, is_error=bool(content) and draw(st.booleans()))


@st.composite
def prompts(draw):
    origins = draw(st.sampled_from([(), (Origin.USER,)]))
    blocks = [TextBlock(text=draw(texts()), origins=origins)]
    if draw(st.booleans()):
        blocks.append(PICTURE.model_copy(update={"origins": origins}))
    if draw(st.booleans()):
        blocks.append(TextBlock(text="context of a hook", origins=(Origin.HOOK,)))
    return Message(role="user", content=tuple(blocks))


@st.composite
def thoughts(draw):
    kinds = draw(st.sampled_from(["", "", "thinking", "redacted", "both"]))
    blocks = []
    if kinds in ("thinking", "both"):
        blocks.append(ThinkingBlock(thinking=draw(texts()), signature="s"))
    if kinds in ("redacted", "both"):
        blocks.append(RedactedThinkingBlock(data="secret"))
    return blocks


@st.composite
def steps(draw, numbers):
    """One assistant message with calls, and the user message with their results."""
    blocks = draw(thoughts())
    if draw(st.booleans()):
        blocks.append(TextBlock(text=draw(texts())))
    calls = [
        ToolUseBlock(id=f"call_{next(numbers)}", name=draw(st.sampled_from(TOOLS)), input={"q": draw(WORDS)})
        for _ in range(draw(st.integers(1, 3)))
    ]
    answers = [draw(results(call.id)) for call in draw(st.permutations(calls))]
    if draw(st.sampled_from([False, False, True])):
        answers.append(TextBlock(text=draw(texts()), origins=(Origin.USER,)))  # a steering message
    return [Message(role="assistant", content=(*blocks, *calls)), Message(role="user", content=tuple(answers))]


@st.composite
def conversations(draw, ends=("prompt", "results", "answer")):
    """A valid conversation; *ends* says how it may end."""
    numbers = count()
    messages = []
    for _ in range(draw(st.integers(0, 3))):
        messages.append(draw(prompts()))
        for _ in range(draw(st.integers(0, 4))):
            messages += draw(steps(numbers))
        messages.append(Message(role="assistant", content=(*draw(thoughts()), TextBlock(text=draw(texts())))))
    end = draw(st.sampled_from(ends))
    if end != "answer" or not messages:
        messages.append(draw(prompts()))
    if end == "results":
        for _ in range(draw(st.integers(1, 8))):
            messages += draw(steps(numbers))
    elif end == "answer" and len(messages) == 1:
        messages.append(Message(role="assistant", content=(TextBlock(text="yes"),)))
    return tuple(messages)

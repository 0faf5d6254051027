"""What a server's tool answered, as the model reads it and as hooks are told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pegboard.messages import Origin, ResultPart, TextBlock, ToolResult, disarmed, picture_of
from pegboard_builtins.mcp.words import clean

if TYPE_CHECKING:
    from mcp_types import CallToolResult

PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
MOST_PICTURES = 20
TEXT_BESIDE_PICTURES = 30_000
"""Characters of text that are kept where there are pictures, too; a text alone the host cuts, and keeps in a file."""


def result_of(answer: CallToolResult) -> ToolResult:
    """Return a tool's result: pictures stay pictures, structured content is there as JSON."""
    structured = _structured(answer)
    parts = list(_parts(answer, structured))
    if all(isinstance(part, TextBlock) for part in parts):
        content: Any = "\n\n".join(part.text for part in parts if isinstance(part, TextBlock))
    else:
        content = tuple(_bounded(parts))
    return ToolResult(
        content=content, data=_data(answer, structured), is_error=bool(answer.is_error), origins=(Origin.MCP,)
    )


def _parts(answer: CallToolResult, structured: str | None) -> Iterator[ResultPart]:
    pictures = 0
    for block in answer.content:
        if block.type == "text":
            yield TextBlock(text=disarmed(block.text))
        elif block.type == "image":
            pictures += 1
            yield _picture(block.mime_type, block.data, pictures)
        elif block.type == "audio":
            yield TextBlock(text=f"[sound of the type {clean(block.mime_type, 80)}, {_bytes(block.data)}: not shown]")
        elif block.type == "resource_link":
            words = f"[resource {clean(block.name, 200)}: {clean(str(block.uri), 2000)}]"
            yield TextBlock(text=f"{words} {clean(block.description, 2000)}" if block.description else words)
        else:
            pictures += (getattr(block.resource, "mime_type", None) or "") in PICTURES
            yield _resource(block.resource, pictures)
    if structured is not None:
        yield TextBlock(text=disarmed(structured))


def _picture(mime: str, data: str, number: int) -> ResultPart:
    picture = picture_of(data) if number <= MOST_PICTURES else None
    return picture or TextBlock(text=f"[picture of the type {clean(mime, 80)}, {_bytes(data)}: not shown]")


def _resource(resource: Any, pictures: int) -> ResultPart:
    where = clean(str(resource.uri), 2000)
    text = getattr(resource, "text", None)
    if text is not None:
        return TextBlock(text=f"[resource {where}]\n{disarmed(text)}")
    mime = resource.mime_type or ""
    if mime in PICTURES:
        return _picture(mime, resource.blob, pictures)
    return TextBlock(text=f"[resource {where} of the type {clean(mime, 80)}, {_bytes(resource.blob)}: not shown]")


def _structured(answer: CallToolResult) -> str | None:
    """Return the structured content as JSON, unless a text says the same already (which servers are asked to do)."""
    if answer.structured_content is None:
        return None
    from pydantic_core import from_json, to_json

    for block in answer.content:
        if block.type == "text":
            if answer.structured_content == {"result": block.text}:
                return None  # as the official package wraps a plain text
            try:
                if from_json(block.text) == answer.structured_content:
                    return None
            except ValueError:
                continue
    return to_json(answer.structured_content).decode()


def _data(answer: CallToolResult, structured: str | None) -> list[dict[str, Any]]:
    """Return the contract's `tool_response`: the blocks as the server sent them, and structured content as one more."""
    blocks = [block.model_dump(mode="json", by_alias=True, exclude_none=True) for block in answer.content]
    return blocks if structured is None else [*blocks, {"type": "text", "text": structured}]


def _bounded(parts: list[ResultPart]) -> Iterator[ResultPart]:
    left = TEXT_BESIDE_PICTURES
    for part in parts:
        if isinstance(part, TextBlock):
            text = part.text
            if len(text) > left:
                text = f"{text[:left]}\n[... {len(text) - left:,} more characters are not shown]"
            left = max(0, left - len(part.text))
            yield TextBlock(text=text)
        else:
            yield part


def _bytes(base64: str) -> str:
    return f"{len(base64) * 3 // 4:,} bytes"

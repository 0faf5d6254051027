"""Windows one below the other, each as high as it wants to be: a layout that asks each of them once for its height."""

from __future__ import annotations

from collections.abc import Sequence

from prompt_toolkit.layout.containers import AnyContainer, Container, to_container
from prompt_toolkit.layout.dimension import Dimension
from prompt_toolkit.layout.mouse_handlers import MouseHandlers
from prompt_toolkit.layout.screen import Screen, WritePosition


class Stack(Container):
    """*parts* from top to bottom; where there is no room for all rows, the first parts lose theirs.

    prompt_toolkit's `HSplit` asks every window four times and puts an empty one between any two, which is a third of
    what drawing takes.
    """

    def __init__(self, parts: Sequence[AnyContainer]) -> None:
        self._parts = [to_container(part) for part in parts]
        self._asked: tuple[int, int] = (0, 0)
        self._heights: list[int] = []

    def reset(self) -> None:
        """Forget what was scrolled."""
        for part in self._parts:
            part.reset()

    def get_children(self) -> list[Container]:
        """Return the parts."""
        return self._parts

    def preferred_width(self, max_available_width: int) -> Dimension:
        """Take all there is."""
        return Dimension(preferred=max_available_width)

    def preferred_height(self, width: int, max_available_height: int) -> Dimension:
        """Return the height of all parts; a frame asks for this first."""
        wanted = (part.preferred_height(width, max_available_height) for part in self._parts)
        self._asked, self._heights = (width, max_available_height), [one.preferred for one in wanted]
        return Dimension(preferred=sum(self._heights))

    def write_to_screen(
        self,
        screen: Screen,
        mouse_handlers: MouseHandlers,
        write_position: WritePosition,
        parent_style: str,
        erase_bg: bool,
        z_index: int | None,
    ) -> None:
        """Draw each part below the one before it."""
        place = write_position
        if self._asked[0] != place.width:
            self.preferred_height(place.width, place.height)
        lacking = sum(self._heights) - place.height
        row = place.ypos
        for part, wanted in zip(self._parts, self._heights, strict=True):
            lost = min(wanted, max(0, lacking))
            lacking -= lost
            if wanted > lost:
                here = WritePosition(xpos=place.xpos, ypos=row, width=place.width, height=wanted - lost)
                part.write_to_screen(screen, mouse_handlers, here, parent_style, erase_bg, z_index)
                row += wanted - lost

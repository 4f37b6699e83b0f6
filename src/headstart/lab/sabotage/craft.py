"""What a sabotage is: real code replaced for a while, and the promise that this breaks."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

Patches = Iterator[AbstractContextManager[Any]]


@dataclass(frozen=True, slots=True)
class Sabotage:
    """What is broken, in one sentence; which promise has to notice; and how it is done."""

    name: str
    sentence: str
    invariant: str
    patches: Callable[[], Patches]

    @contextmanager
    def committed(self) -> Iterator[None]:
        """Broken for as long as this lasts."""
        with ExitStack() as stack:
            for replaced in self.patches():
                stack.enter_context(replaced)
            yield


SABOTAGES: dict[str, Sabotage] = {}


def breaks(invariant: str) -> Callable[[Callable[[], Patches]], Callable[[], Patches]]:
    """Enter a sabotage into the list, under the name of its function."""

    def enter(patches: Callable[[], Patches]) -> Callable[[], Patches]:
        name = patches.__name__.replace("_", " ")
        SABOTAGES[name] = Sabotage(name, str(patches.__doc__), invariant, patches)
        return patches

    return enter

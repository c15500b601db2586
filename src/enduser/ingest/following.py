"""What follows the folds space by space, such as the feed: a space where that fails holds up nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from enduser.clock import elapsed_s
from enduser.errors import EnduserError

_RETRY_S = 1.0
_RETRY_S_MAX = 60.0
"""So long after a failure it is tried again at most; after the first so long as above, then twice as long."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why something does not follow in a space."""

    follower: str
    space: str
    error: EnduserError


class Follower:
    """Follows each space up to a state, which is another whenever there is something to do."""

    def __init__(
        self,
        name: str,
        step: Callable[[str], bool],
        *,
        tell_trouble: Callable[[Trouble], None],
        heal: Callable[[], None],
        rest_s: Callable[[float], float] = lambda _: 0.0,
    ) -> None:
        """Follow by steps in a space, each of which says whether all is done.

        `tell_trouble` hears of each problem once; after a step that failed `heal` makes the store usable
        again. After a step that took so many seconds the space rests for `rest_s`.
        """
        self.name = name
        self._step = step
        self._tell_trouble = tell_trouble
        self._heal = heal
        self._rest_s = rest_s
        self._states: dict[str, object] = {}
        self._tries_at_s: dict[str, float] = {}
        """When a space may be followed again."""
        self._retries_s: dict[str, float] = {}
        """How long it was waited after the last failure, where there was one."""
        self._told: dict[str, str] = {}

    def begin_again(self) -> None:
        """Take it that no space is followed: what follows is another now."""
        self._states.clear()

    def is_up(self, space: str, state: object) -> bool:
        """Return whether a space is followed up to a state; may be asked from any thread."""
        return self._states.get(space) == state

    def is_stuck(self, space: str) -> bool:
        """Return whether the last step failed; may be asked from any thread."""
        return space in self._retries_s

    def is_due(self, space: str, state: object) -> bool:
        """Return whether there is something to do now; may be asked from any thread."""
        now_s = elapsed_s()
        return not self.is_up(space, state) and now_s >= self._tries_at_s.get(space, now_s)

    def follow(self, space: str, state: object) -> None:
        """Take a step towards a state, if one is due; one that fails is told, and taken again later.

        Raises:
            StoreError: it failed, and the store cannot be healed.
        """
        if self.is_due(space, state) and not self._try(space, state):
            self._heal()  # here nothing holds what the step read with any more

    def _try(self, space: str, state: object) -> bool:
        """Take a step; return whether it went well."""
        began = elapsed_s()
        try:
            is_done = self._step(space)
        except EnduserError as error:
            self._note_failure(Trouble(self.name, space, error))
            return False
        ended = elapsed_s()
        self._tries_at_s[space] = ended + self._rest_s(ended - began)
        self._retries_s.pop(space, None)
        self._told.pop(space, None)
        if is_done:
            self._states[space] = state
        return True

    def _note_failure(self, trouble: Trouble) -> None:
        space = trouble.space
        wait_s = min(self._retries_s.get(space, _RETRY_S / 2) * 2, _RETRY_S_MAX)
        self._retries_s[space] = wait_s
        self._tries_at_s[space] = elapsed_s() + wait_s
        if self._told.get(space) != trouble.error.message:
            self._told[space] = trouble.error.message
            self._tell_trouble(trouble)

"""Models that photographs of a watched folder wait for while they are loaded; photographs of others go on."""

from platewatch.line.judging import Judging
from platewatch.line.loaded_models import Lease, Leases


class AwaitedModels:
    """The leases that one thread has asked for, by part type."""

    def __init__(self, judging: Judging, *, at_once: bool) -> None:
        """With `at_once` a model is waited for here: the line has only one."""
        self._judging, self._at_once = judging, at_once
        self._asked = dict[str, Leases]()
        self._before = set[str]()  # asked for before this round

    def begin_round(self) -> None:
        """Another round through the photographs begins."""
        self._before = set(self._asked)

    def lease(self, part_type: str) -> Lease | None:
        """The part type's model in service, to be ended; None while it is loaded. Raises as `Judging.lend`."""
        lent = self._asked.pop(part_type, None) or self._judging.lend(part_type)
        if self._at_once or lent.done():
            return lent.result()
        self._asked[part_type] = lent
        return None

    def end_round(self) -> None:
        """Give back the models that were asked for before this round, and for which no photograph waits any more."""
        for part_type in self._before & self._asked.keys():
            lent = self._asked[part_type]
            if lent.done():
                del self._asked[part_type]
                if lent.exception() is None:
                    lent.result().end()

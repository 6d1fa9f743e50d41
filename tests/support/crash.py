"""Dying at a chosen step, for every test that says "whenever the process dies"."""


class Crash(BaseException):
    """The process dies here; nothing may catch it on the way out."""


class DieAt:
    """A `Step` that lets so many steps pass and dies before the next one."""

    def __init__(self, survived: int) -> None:
        self._left = survived

    def __call__(self, name: str) -> None:
        if self._left == 0:
            raise Crash(name)
        self._left -= 1

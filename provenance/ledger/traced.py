"""A function each call of which is a step.

::

    @ledger.traced(reads=["source"], params=["threshold"], output="clean")
    def clean(source, threshold=0.9, *, password=None):
        return [row for row in read(source) if row["score"] >= threshold]

    clean("train.jsonl")

signs a step ``clean`` whose input is what `source` names, whose one parameter is `threshold`, and
whose output is what it returned, registered as ``clean``. Of the arguments only what is named is
signed: a password may be among the others. With it goes the commit of the repository that the
function is in, and the versions of Python and of the packages that are loaded.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from provenance.errors import InputError
from provenance.ledger import surroundings
from provenance.statements import Code

if TYPE_CHECKING:
    from provenance.ledger.recording import Recorder, Ref
    from provenance.ledger.steps import StepRun

__all__ = ["trace"]

P = ParamSpec("P")
T = TypeVar("T")


def trace(
    ledger: Recorder[Any, Any],
    function: Callable[P, T],
    *,
    name: str | None,
    inputs: Iterable[Ref[Any]],
    reads: Iterable[str],
    params: Iterable[str],
    output: str | None,
    environment: Mapping[str, str] | None,
    claims: Mapping[str, Any],
) -> Callable[P, T]:
    """Return the function as a step; as `Recorder.traced`.

    Raises:
        InputError: it is a generator, does not tell its arguments, or has no such argument.
    """
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise InputError("a generator has no one end: use `with ledger.step(…)` in it")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:  # some that are not written in Python have none
        raise InputError(f"{function!r} does not tell its arguments: {error}") from None
    fixed, read, signed = tuple(inputs), tuple(reads), tuple(params)
    for argument in (*read, *signed):
        if argument not in signature.parameters:
            raise InputError(f"{function.__qualname__} has no argument {argument!r}")
    code = _code(function)

    def step(*args: P.args, **kwargs: P.kwargs) -> StepRun[Any]:
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        return ledger.step(
            function.__name__ if name is None else name,
            inputs=[*fixed, *(given.arguments[argument] for argument in read)],
            params={argument: given.arguments[argument] for argument in signed},
            code=code,
            environment=surroundings.versions_here() if environment is None else environment,
        )

    def register(run: StepRun[Any], made: Any) -> None:
        if output is not None:
            run.output(made, name=output, **claims)

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def waited(*args: P.args, **kwargs: P.kwargs) -> Any:
            with step(*args, **kwargs) as run:
                made = await cast(Callable[P, Awaitable[Any]], function)(*args, **kwargs)
                register(run, made)
            return made

        return cast(Callable[P, T], waited)

    @functools.wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        with step(*args, **kwargs) as run:
            made = function(*args, **kwargs)
            register(run, made)
        return made

    return called


def _code(function: Callable[..., Any]) -> Code | None:
    """Return the commit of the repository that the function's file is in."""
    try:
        file = inspect.getsourcefile(inspect.unwrap(function))
    except TypeError:  # it is not written in Python
        return None
    folder = Path(file or "").absolute().parent
    return surroundings.code_at(folder) if file and folder.is_dir() else None

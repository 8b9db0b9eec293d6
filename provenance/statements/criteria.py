"""Metrics against criteria: ``{"accuracy": 0.93}`` meets ``{"accuracy": ">= 0.9"}``.

A metric is a JSON number, or a decimal as text where a double is not exact enough; "NaN",
"Infinity" and "-Infinity" are texts too, as JSON has no numbers for them. A criterion is one of
``>= <= > < == !=`` and a decimal. Both are compared as the decimals they are written as, exactly:
0.1 + 0.2 as a double is 0.30000000000000004 and does not meet "<= 0.3". NaN meets no criterion.
"""

from __future__ import annotations

import math
import numbers
import operator
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from provenance import forms
from provenance.errors import InputError, MalformedError

__all__ = ["Metric", "judge", "measured"]

Metric = forms.Json
"""An int, a float, or a decimal as text."""

_DECIMAL = r"[+-]?\d{1,60}(\.\d{1,60})?([eE][+-]?\d{1,4})?"

_COMPARE: dict[str, Callable[[Decimal, Decimal], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}


def judge(metrics: Mapping[str, Metric], criteria: Mapping[str, str]) -> bool:
    """Say whether `metrics` meet every one of `criteria`; without criteria, they do.

    Raises:
        MalformedError: not a metric, not a criterion, or a criterion for a metric not there.
    """
    values = {name: _value(name, metric) for name, metric in metrics.items()}
    met = [_meets(name, criterion, values) for name, criterion in criteria.items()]
    return all(met)


def measured(metrics: Mapping[str, Any]) -> dict[str, Metric]:
    """Return numbers of any library as the metrics of a statement.

    Integers beyond 2^53-1 and `decimal.Decimal` become text.

    Raises:
        InputError: not a number.
    """
    return {name: _measured(name, value) for name, value in metrics.items()}


def _measured(name: str, value: Any) -> Metric:
    if isinstance(value, (str, Decimal)):
        metric: Metric = str(value)
    elif isinstance(value, numbers.Integral) and not isinstance(value, bool):
        metric = int(value) if abs(int(value)) <= forms.MAX_INTEGER else str(int(value))
    elif isinstance(value, numbers.Real) and not isinstance(value, bool):
        number = float(value)
        if math.isinf(number):
            metric = "Infinity" if number > 0 else "-Infinity"
        elif math.isnan(number):
            metric = "NaN"
        else:
            metric = number
    else:
        raise InputError(f"the metric {name!r} is not a number: {value!r}")
    _value(name, metric)
    return metric


def _meets(name: str, criterion: str, values: Mapping[str, Decimal]) -> bool:
    match = re.fullmatch(rf"(>=|<=|==|!=|>|<) ?({_DECIMAL})", criterion, re.ASCII)
    if not match:
        raise MalformedError(
            f"the criterion {criterion!r} for {name!r} is not a comparison such as '>= 0.9'"
        )
    if name not in values:
        raise MalformedError(f"there is a criterion for {name!r} and no such metric")
    if values[name].is_nan():
        return False
    return _COMPARE[match[1]](values[name], Decimal(match[2]))


def _value(name: str, metric: Metric) -> Decimal:
    if isinstance(metric, str) and re.fullmatch(rf"{_DECIMAL}|NaN|-?Infinity", metric, re.ASCII):
        return Decimal(metric)
    if isinstance(metric, (int, float)) and not isinstance(metric, bool) and math.isfinite(metric):
        return Decimal(repr(metric))
    raise MalformedError(f"the metric {name!r} is neither a number nor a decimal as text")

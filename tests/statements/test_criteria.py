"""Metrics against criteria, with exact decimals; the oracle is `fractions.Fraction`."""

import operator
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.errors import InputError, MalformedError
from provenance.statements import judge, measured

OPERATORS = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
    "!=": operator.ne,
}
LARGEST = 10**60 - 1  # 60 digits before the point
decimals = st.decimals(-LARGEST, LARGEST, places=3) | st.decimals(-2, 2, places=1)


@given(sign=st.sampled_from(sorted(OPERATORS)), metric=decimals, wanted=decimals, gap=st.booleans())
def test_decimals_are_compared_exactly(sign, metric, wanted, gap):
    met = OPERATORS[sign](Fraction(str(metric)), Fraction(str(wanted)))
    criterion = f"{sign}{' ' * gap}{wanted:f}"
    assert judge({"m": f"{metric:f}"}, {"m": criterion}) is met


@pytest.mark.parametrize(
    ("metric", "criterion", "met"),
    [
        (0.93, ">= 0.9", True),
        (0.9, ">= 0.9", True),
        (0.9, "> 0.9", False),
        (0.9, "== 0.90", True),
        (0.1 + 0.2, "<= 0.3", False),
        (0.3, "<= 0.3", True),
        ("0.30000000000000000001", "<= 0.3", False),
        ("0.29999999999999999999", "< 0.3", True),
        (3, "== 3.0", True),
        (3, "!= 3", False),
        (-1, "< -0.5", True),
        (1e-7, "< 1e-6", True),
        ("1e300", "> 1E+299", True),
        ("9007199254740993", "== 9007199254740992", False),
        ("Infinity", "> 1e999", True),
        ("-Infinity", "< -1e999", True),
        ("NaN", "!= 1", False),
        ("NaN", "== 1", False),
        ("NaN", "< 1", False),
        ("NaN", ">= 1", False),
    ],
)
def test_examples(metric, criterion, met):
    assert judge({"m": metric}, {"m": criterion}) is met


def test_every_criterion_must_be_met():
    metrics = {"a": 1, "b": 2}
    assert judge(metrics, {})
    assert judge({}, {})
    assert judge(metrics, {"a": "== 1", "b": "== 2"})
    assert not judge(metrics, {"a": "== 1", "b": "== 3"})
    assert not judge(metrics, {"a": "== 0", "b": "== 2"})


@pytest.mark.parametrize(
    "criterion",
    (
        "|0.9|>= |>=  0.9|=> 0.9|= 0.9|>= 0,9|>= .9|>= 9.|>= NaN|>= 1 |>= 1\n|>= 0x1|>= 1_0|>= ١|"
        ">= 1e99999|== " + "9" * 61
    ).split("|"),
)
def test_what_is_no_criterion(criterion):
    with pytest.raises(MalformedError, match="is not a comparison such as"):
        judge({"m": 1}, {"m": criterion})


def test_every_criterion_is_read_even_after_one_is_not_met():
    with pytest.raises(MalformedError, match="no such metric"):
        judge({"a": 1}, {"a": "> 1", "b": "> 1"})
    with pytest.raises(MalformedError, match="not a comparison"):
        judge({"a": 1, "b": 1}, {"a": "> 1", "b": "maybe"})


@pytest.mark.parametrize(
    "metric",
    [None, True, [], {}, float("nan"), float("inf"), "", "high", "0x1", "1_0", "nan", "+Infinity"],
)
def test_what_is_no_metric(metric):
    with pytest.raises(MalformedError, match="the metric 'm' is neither"):
        judge({"m": metric}, {})


@pytest.mark.parametrize("text", ["١", "9" * 61, "0." + "9" * 61, "1e99999"])
def test_decimals_beyond_what_is_read(text):
    with pytest.raises(MalformedError, match="the metric 'm' is neither"):
        judge({"m": text}, {})


@pytest.mark.parametrize(
    ("number", "metric"),
    [
        (3, 3),
        (0.93, 0.93),
        (-0.0, -0.0),
        (2**53 - 1, 2**53 - 1),
        (2**53, "9007199254740992"),
        (-(2**60), "-1152921504606846976"),
        (1e20, 1e20),
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        (Decimal("0.10"), "0.10"),
        (Decimal("1E+3"), "1E+3"),
        (Fraction(1, 4), 0.25),
        ("0.5", "0.5"),
        (np.float64(0.93), 0.93),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        (np.float32("nan"), "NaN"),
    ],
)
def test_numbers_of_any_library(number, metric):
    result = measured({"m": number})["m"]
    assert result == metric
    assert type(result) is type(metric)
    judge({"m": result}, {})


@pytest.mark.parametrize("number", [True, None, "high", 1j, [1], np.bool_(True)])
def test_what_is_no_number(number):
    with pytest.raises(InputError, match="the metric 'm'"):
        measured({"m": number})

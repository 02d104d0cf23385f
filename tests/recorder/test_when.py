"""Times, positions, speeds, durations and sizes, as people write them."""

from __future__ import annotations

import datetime
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeron_py.errors import SettingError
from aeron_py.recorder.units import format_duration, format_size, parse_duration, parse_size
from aeron_py.recorder.when import (
    UNLIMITED,
    Batches,
    format_speed,
    format_time,
    parse_position,
    parse_speed,
    parse_time,
)

SECOND = 10**9


def at(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text).timestamp()) * SECOND


NOW = at("2024-03-31T12:30:45+00:00") + 123_456_789

TIMES = [
    (None, None),
    ("Unbounded", None),
    ("unbounded", None),
    ("1970-01-01T00:00:00Z", 0),
    ("2024-02-29T01:02:03Z", at("2024-02-29T01:02:03+00:00")),
    ("2024-02-29t01:02:03z", at("2024-02-29T01:02:03+00:00")),
    ("2024-02-29 01:02:03.5+01:30", at("2024-02-29T01:02:03+01:30") + SECOND // 2),
    ("2024-02-29T01:02:03.123456789-08:00", at("2024-02-29T01:02:03-08:00") + 123_456_789),
    ("2024-02-29T01:02:03.1234567891Z", at("2024-02-29T01:02:03+00:00") + 123_456_789),
    ("2016-12-31T23:59:60Z", at("2017-01-01T00:00:00+00:00")),
    (1234567890123456789, 1234567890123456789),
    (datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC), at("2024-01-01T00:00:00+00:00")),
    ("-10s", NOW - 10 * SECOND),
    ("+10s", NOW + 10 * SECOND),
    ("-1.5s", NOW - 3 * SECOND // 2),
    ("-3m", NOW - 180 * SECOND),
    ("-3h", NOW - 3 * 3600 * SECOND),
    ("-3d", NOW - 3 * 86400 * SECOND),
    ("-0s", NOW),
    # The last day of a shorter month; February of a leap year.
    ("-1M", at("2024-02-29T12:30:45+00:00") + 123_456_789),
    ("-13M", at("2023-02-28T12:30:45+00:00") + 123_456_789),
    ("+1M", at("2024-04-30T12:30:45+00:00") + 123_456_789),
    ("+9M", at("2024-12-31T12:30:45+00:00") + 123_456_789),
    ("-1y", at("2023-03-31T12:30:45+00:00") + 123_456_789),
    ("+4y", at("2028-03-31T12:30:45+00:00") + 123_456_789),
]


@pytest.mark.parametrize(("written", "moment"), TIMES)
def test_a_time_is_absolute_or_from_now_or_unbounded(written: object, moment: int | None) -> None:
    assert parse_time(written, NOW) == moment  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "write a time like"),
        ("yesterday", "write a time like"),
        ("3d", "an offset from now like -3d"),
        ("-3", "write a time like"),
        ("-3w", "units y M d h m s"),
        ("-1.5M", "whole numbers"),
        ("-9999y", "years go from"),
        ("+99999999999d", "years go from 1 to 9999"),
        ("-99999999999d", "years go from 1 to 9999"),
        ("9999-12-31T23:59:59-05:00", "years go from 1 to 9999"),
        ("0001-01-01T00:00:00+05:00", "years go from 1 to 9999"),
        (10**30, "years go from 1 to 9999"),
        (
            datetime.datetime.max.replace(tzinfo=datetime.timezone(-datetime.timedelta(hours=5))),
            "years go from 1 to 9999",
        ),
        ("+999999999999999999999y", "not a time"),
        ("2024-02-29T01:02:03", "add its zone"),
        ("2024-02-30T01:02:03Z", "day"),
        ("2024-02-29T25:02:03Z", "hour"),
        ("2024-02-29T01:02:03+24:00", "hours go to 23"),
        ("2024-02-29T01:02:61Z", "hours go to 23"),
        (datetime.datetime(2024, 1, 1), "no time zone"),
        (True, "not a time"),
        (1.5, "not a time"),
    ],
)
def test_what_is_no_time_is_an_error_that_says_how_to_write_one(written: object, said: str) -> None:
    with pytest.raises(SettingError, match=said) as caught:
        parse_time(written, NOW)  # type: ignore[arg-type]
    assert caught.value.message.count("is not a time") <= 1


@pytest.mark.parametrize("written", ["0001-01-01T00:00:00Z", "1699-12-31T23:59:59Z", "-400y", -(10**19)])
def test_what_is_before_all_that_a_journal_can_say_is_the_first_that_it_can(written: str | int) -> None:
    assert parse_time(written, NOW) == at("1700-01-01T00:00:00+00:00")


@pytest.mark.parametrize("written", ["9999-12-31T23:59:59Z", "2262-01-01T00:00:00.1Z", "+400y", 10**19])
def test_what_is_after_all_that_a_journal_can_say_is_the_last_that_it_can(written: str | int) -> None:
    assert parse_time(written, NOW) == at("2262-01-01T00:00:00+00:00")


@given(st.integers(0, 4 * 10**18))
def test_a_time_survives_as_text(moment: int) -> None:
    assert parse_time(format_time(moment)) == moment


def test_times_are_written_with_no_more_digits_than_it_takes() -> None:
    assert format_time(None) == "Unbounded"
    assert format_time(0) == "1970-01-01T00:00:00Z"
    assert format_time(SECOND // 2) == "1970-01-01T00:00:00.5Z"
    assert format_time(1) == "1970-01-01T00:00:00.000000001Z"


@pytest.mark.parametrize("written", ["+1", "-1", "+128", "-128", -10, 128])
def test_a_position_may_be_a_number_of_batches(written: str | int) -> None:
    assert parse_position(written, NOW) == Batches(int(written))


@pytest.mark.parametrize(("written", "moment"), [each for each in TIMES if each[1] is not None and each[1] > 128])
def test_a_position_may_be_a_time(written: str, moment: int) -> None:
    assert parse_position(written, NOW) == moment


@pytest.mark.parametrize("written", ["+0", "-129", "+129", 0, "+1" + "0" * 5000, "Unbounded", "10", "-"])
def test_what_is_no_position_is_an_error(written: str | int) -> None:
    with pytest.raises(SettingError):
        parse_position(written, NOW)


@pytest.mark.parametrize(
    ("written", "speed"),
    [
        ("Unlimited", UNLIMITED),
        ("unlimited", UNLIMITED),
        (1, 1.0),
        (0.5, 0.5),
        ("2", 2.0),
        ("10x", 10.0),
        ("1e3", 1000.0),
        (1_000_000, 1e6),
        ("0.000001", 1e-6),
    ],
)
def test_a_speed_is_a_fraction_of_real_time_or_unlimited(written: str | float, speed: float) -> None:
    assert parse_speed(written) == speed
    assert parse_speed(format_speed(speed)) == speed


@pytest.mark.parametrize(
    "written",
    [0, -1, "0", "-1", "fast", "inf", "nan", math.nan, True, None, [], "", 1e308, "1e-300", 1_000_001, 10**400],
)
def test_what_is_no_speed_is_an_error(written: object) -> None:
    with pytest.raises(SettingError, match="not a speed"):
        parse_speed(written)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (5, 5.0),
        (0.5, 0.5),
        ("5", 5.0),
        ("500ms", 0.5),
        ("10s", 10.0),
        ("1h30m", 5400.0),
        ("1h 30m", 5400.0),
        ("2d", 172800.0),
        ("1w", 604800.0),
        ("200us", 0.0002),
        ("0", 0.0),
    ],
)
def test_durations(written: str | float, seconds: float) -> None:
    assert parse_duration(written) == pytest.approx(seconds)
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written", ["", "10x", "10M", "s", "-1s", -1, "1h30", math.inf, "nan", True, None, "9" * 400 + "s"]
)
def test_what_is_no_duration_is_an_error(written: object) -> None:
    with pytest.raises(SettingError):
        parse_duration(written)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("written", "size"),
    [
        (0, 0),
        (5, 5),
        ("5", 5),
        ("5B", 5),
        ("64k", 65536),
        ("64K", 65536),
        ("1m", 2**20),
        ("128MB", 128_000_000),
        ("128 MiB", 2**27),
        ("1.5GiB", 3 * 2**29),
        ("2TB", 2 * 10**12),
    ],
)
def test_sizes(written: str | int, size: int) -> None:
    assert parse_size(written) == size
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize("written", ["", "k", "5X", "-5", -5, 1.5, True, None])
def test_what_is_no_size_is_an_error(written: object) -> None:
    with pytest.raises(SettingError):
        parse_size(written)  # type: ignore[arg-type]

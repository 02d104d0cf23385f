"""Every number in ``errors`` is the one that the C headers define."""

import enum

import pytest

from aeron_py._aeron import lib
from aeron_py.errors import ArchiveErrorCode, ClientErrorCode, DriverErrorCode, OfferResult

# Java's ArchiveException has these; the C header does not.
JAVA_ONLY = {
    "REPLICATION_CONNECTION_FAILURE": 14,
    "EMPTY_RECORDING": 15,
    "INVALID_POSITION": 16,
}

PREFIXES: dict[type[enum.IntEnum], str] = {
    OfferResult: "AERON_PUBLICATION_",
    ClientErrorCode: "AERON_CLIENT_ERROR_",
    DriverErrorCode: "AERON_ERROR_CODE_",
    ArchiveErrorCode: "ARCHIVE_ERROR_CODE_",
}


@pytest.mark.parametrize("codes", PREFIXES)
def test_values_are_those_of_the_headers(codes: type[enum.IntEnum]) -> None:
    in_c = {code.name: getattr(lib, PREFIXES[codes] + code.name) for code in codes if code.name not in JAVA_ONLY}
    assert in_c == {code.name: code.value for code in codes if code.name not in JAVA_ONLY}


def test_the_numbers_of_java_alone() -> None:
    assert all(ArchiveErrorCode[name] == value for name, value in JAVA_ONLY.items())

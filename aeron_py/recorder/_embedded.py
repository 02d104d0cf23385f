"""Settings of the media driver and the archive, as a configuration has them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, get_args, get_type_hints

from aeron_py.archive.settings import ArchiveThreadingMode, archive_properties
from aeron_py.errors import SettingError
from aeron_py.recorder.units import parse_duration, parse_size
from aeron_py.settings import DriverSettings, ThreadingMode, checked

__all__ = ["archive_settings", "driver_settings"]


def driver_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings for ``MediaDriver.launch``, from plain values.

    Raises:
        SettingError: a name or a value that can't be.
    """
    hints = get_type_hints(DriverSettings, include_extras=True)
    try:
        result = {name: _plain(value, get_args(hints.get(name, Any))) for name, value in settings.items()}
        mode = result.pop("threading_mode", None)
        checked(result)
        if mode is not None:
            result["threading_mode"] = _choice("threading_mode", mode, ThreadingMode)
    except SettingError as error:
        raise SettingError(f"driver: {error.message}", operation="driver") from None
    return result


def archive_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings for ``ArchiveServer.launch``, from plain values.

    Raises:
        SettingError: a name or a value that can't be.
    """
    result = dict(settings)
    try:
        for name, value in settings.items():
            if name == "threading_mode":
                result[name] = _choice(name, value, ArchiveThreadingMode)
            elif name.endswith(("_timeout", "_interval")):
                result[name] = parse_duration(value)
            elif name.endswith(("_length", "_capacity", "_threshold")):
                result[name] = parse_size(value)
        archive_properties(result)
    except SettingError as error:
        raise SettingError(f"archive: {error.message}", operation="archive") from None
    return result


def _plain(value: Any, hint: tuple[Any, ...]) -> Any:
    """A setting of the driver, whose sizes and times may be texts."""
    kind = getattr(hint[-1], "name", "") if hint else ""
    if isinstance(value, str) and kind == "SIZE":
        return parse_size(value)
    if isinstance(value, str) and kind in ("NANOSECONDS", "MILLISECONDS"):
        return parse_duration(value)
    return value


def _choice(name: str, value: Any, choices: type[enum.Enum]) -> Any:
    if isinstance(value, choices):
        return value
    if value not in choices.__members__:
        raise SettingError(f"{name}: {value!r} is none of {', '.join(choices.__members__)}", operation=name)
    return choices[value]

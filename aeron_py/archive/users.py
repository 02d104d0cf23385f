"""Who may connect to an archive, and what each may do there."""

from __future__ import annotations

import contextlib
import enum
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from aeron_py.archive._control import CREDENTIALS_LIMIT
from aeron_py.errors import SettingError

__all__ = ["ArchiveRight", "User", "read_credentials", "read_users"]


class ArchiveRight(enum.Enum):
    """What a user may ask of an archive. The values are the template ids of requests (``aeron-archive-codecs.xml``).

    Every user may connect, keep the session alive and ask for the archive's id.
    """

    LIST = (8, 9, 10, 12, 15, 16, 17, 52, 67)
    """The catalog: recordings, their positions, what the archive listens to."""
    RECORD = (4, 5, 11, 14, 63, 64, 65)
    """Start, extend and stop recordings."""
    REPLAY = (6, 7, 18, 19, 105)
    """Start and stop replays."""
    REPLICATE = (50, 51, 62, 66)
    """Have recordings of other archives copied into this one. The other archive wants LIST and REPLAY of its user."""
    TRUNCATE = (13,)
    """Cut off the end of recordings."""
    PURGE = (104,)
    """Delete recordings."""
    SEGMENTS = (53, 54, 55, 56, 57)
    """Detach, attach, migrate, purge and delete segment files."""
    UPDATE = (107,)
    """Change the channel that a recording is listed with."""


_EVERYBODY: Final = (61, 68)  # keep-alive, and the id, which ends each connect


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may connect to an archive.

    Args:
        name: for the configuration; the archive's encoded principal.
        credentials: what the client sends (:attr:`ArchiveContext.credentials`), from 1 to 2048 bytes. No two users may
            have the same, since the archive tells users apart by them.
        rights: what the user may do; all when not given.
    """

    name: str
    credentials: bytes = field(repr=False)
    rights: frozenset[ArchiveRight] = frozenset(ArchiveRight)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise SettingError(f"a user's name must be a text, not {self.name!r}", operation="User")
        if not isinstance(self.credentials, bytes):
            raise SettingError(
                f"the credentials of {self.name!r} must be bytes, not {type(self.credentials).__name__}",
                operation="User",
            )
        if not 1 <= len(self.credentials) <= CREDENTIALS_LIMIT:
            raise SettingError(
                f"the credentials of {self.name!r} must have 1 to {CREDENTIALS_LIMIT} bytes, "
                f"not {len(self.credentials)}",
                operation="User",
            )
        rights = frozenset(self.rights)
        for right in rights:
            if not isinstance(right, ArchiveRight):
                raise SettingError(
                    f"the rights of {self.name!r} must be of ArchiveRight, not {right!r}", operation="User"
                )
        object.__setattr__(self, "rights", rights)


def checked_users(users: Iterable[User]) -> tuple[User, ...]:
    """The users, when an archive can have them.

    Raises:
        SettingError: none, or two with the same name or the same credentials.
    """
    checked = tuple(users)
    for user in checked:
        if not isinstance(user, User):
            raise SettingError(f"users must be of User, not {type(user).__name__}", operation="users")
    if not checked:
        raise SettingError("users is empty: nobody could connect; leave it out to let everybody in", operation="users")
    for index, user in enumerate(checked):
        for other in checked[:index]:
            if other.name == user.name:
                raise SettingError(f"two users have the name {user.name!r}", operation="users")
            if other.credentials == user.credentials:
                raise SettingError(
                    f"{other.name!r} and {user.name!r} have the same credentials: give each their own",
                    operation="users",
                )
    return checked


@contextlib.contextmanager
def users_file(directory: Path, users: Sequence[User]) -> Iterator[Path]:
    """A file for the archive's ``aeron_py.Users``, which reads it as it starts; removed at the end of the block.

    Only its owner can read it, and it holds digests of the credentials alone.
    """
    for left in directory.glob("users-*"):  # by one that was killed; who asks has the directory's lock
        if left.name.removeprefix("users-").isdecimal():
            left.unlink(missing_ok=True)
    path = directory / f"users-{os.getpid()}"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(fd, "w") as file:
            file.writelines(map(_line, users))
        yield path
    finally:
        path.unlink(missing_ok=True)


def _line(user: User) -> str:
    requests = sorted({*_EVERYBODY, *(request for right in user.rights for request in right.value)})
    digest = hashlib.sha256(user.credentials).hexdigest()
    return f"{user.name.encode().hex()} {digest} {','.join(map(str, requests))}\n"


JAVA_SETTINGS: Final[Mapping[str, str]] = {
    "authenticator_supplier": "aeron_py.Users$Authentication",
    "authorisation_service_supplier": "aeron_py.Users$Authorisation",
}
FILE_PROPERTY: Final = "aeron_py.users"


class _UserEntry(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    credentials: str | None = None
    credentials_file: str | None = None
    rights: list[str] | None = None


class _UsersFile(msgspec.Struct, forbid_unknown_fields=True):
    users: list[_UserEntry]


def read_users(path: str | os.PathLike[str]) -> tuple[User, ...]:
    """The users of a configuration in YAML or JSON, for ``aeron-py up --users``.

    Args:
        path: a file with a list ``users``; each has a ``name``, ``credentials`` (a text, sent as UTF-8) or
            ``credentials_file`` (the bytes of a file, relative to this one), and maybe ``rights``: names of
            :class:`ArchiveRight` in small letters; all when it is left out.

    Raises:
        SettingError: it can't be read, or is wrong; names the place. Or others than its owner may read it.
    """
    path = Path(path)
    try:
        found = msgspec.yaml.decode(_secret(path, "users"), type=_UsersFile)
        return checked_users(_user(entry, path) for entry in found.users)
    except msgspec.DecodeError as error:
        raise SettingError(f"{path}: {error}", operation="users") from None


def read_credentials(path: str | os.PathLike[str]) -> bytes:
    """What a client shows an archive (:attr:`ArchiveContext.credentials`), from a file: its bytes as they stand there.

    Raises:
        SettingError: it can't be read, or is empty or too long. Or others than its owner may read it.
    """
    credentials = _secret(Path(path), "credentials")
    if not 1 <= len(credentials) <= CREDENTIALS_LIMIT:
        raise SettingError(
            f"{path} must have 1 to {CREDENTIALS_LIMIT} bytes, not {len(credentials)}", operation="credentials"
        )
    return credentials


def _secret(path: Path, what: str) -> bytes:
    try:
        if path.stat().st_mode & 0o077:
            raise SettingError(f"{path} holds secrets, but others may read it: chmod 600 {path}", operation=what)
        return path.read_bytes()
    except OSError as error:
        raise SettingError(f"no {what} from {path}: {error}", operation=what) from error


def _user(entry: _UserEntry, path: Path) -> User:
    if (entry.credentials is None) == (entry.credentials_file is None):
        raise SettingError(f"{path}: {entry.name!r} needs either credentials or credentials_file", operation="users")
    if entry.credentials is not None:
        credentials = entry.credentials.encode()
    else:
        credentials = read_credentials(path.parent / str(entry.credentials_file))
    extra: dict[str, Any] = {}
    if entry.rights is not None:
        extra["rights"] = frozenset(_right(name, entry, path) for name in entry.rights)
    return User(entry.name, credentials, **extra)


def _right(name: str, entry: _UserEntry, path: Path) -> ArchiveRight:
    try:
        return ArchiveRight[name.upper()]
    except KeyError:
        there = ", ".join(right.name.lower() for right in ArchiveRight)
        raise SettingError(
            f"{path}: {name!r} of {entry.name!r} is no right; there are {there}", operation="users"
        ) from None

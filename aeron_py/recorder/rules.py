"""Rules: which streams are recorded, by protocol and topic; the first that matches wins."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct
from wcmatch import glob

from aeron_py.errors import SettingError
from aeron_py.recorder.names import PROTOCOLS, TopicName
from aeron_py.recorder.units import Duration, Size

__all__ = ["Policy", "Rule", "Rules", "matches"]

Policy: TypeAlias = Literal["save_all", "drop_all"]
"""What happens to a stream: all of it is recorded, or nothing."""

_FLAGS = glob.GLOBSTAR | glob.DOTGLOB | glob.FORCEUNIX | glob.CASE
_EVERYTHING = ("**", "**/*")


@cache
def _matcher(pattern: str) -> Any:
    return glob.compile(pattern, flags=_FLAGS)


def matches(pattern: str, topic: str) -> bool:
    """Whether a glob matches a topic: ``*`` any text without a slash, ``**`` as a whole part any number of parts,
    ``?`` one character, ``[ab]`` one of some."""
    # To the library the names . and .. are no names, yet a topic may be called so.
    return pattern in _EVERYTHING or pattern == topic or bool(_matcher(pattern).match(topic))


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which streams it is about, what happens to them, and for how long their recordings are kept."""

    protocol: Annotated[
        str | tuple[str, ...],
        Meta(description="A protocol, a glob or a list of these: pubsub, rpc, prpc, log, cfg, file."),
    ] = "*"
    topic: Annotated[
        str | tuple[str, ...],
        Meta(
            description="A topic, a glob or a list of these: `*` is any text without a slash, `**` as a whole part any "
            "number of parts, so that `**/*` matches everything."
        ),
    ] = "**"
    policy: Annotated[Policy, Meta(description="`save_all` records the stream, `drop_all` does not.")] = "save_all"
    max_age: Annotated[
        Duration | None, Meta(description="How long recordings of these streams are kept; null as `retention` says.")
    ] = None
    max_bytes: Annotated[
        Size | None,
        Meta(description="How much is kept of each of these topics, the newest; null as `retention` says."),
    ] = None
    stamped: Annotated[
        bool,
        Meta(
            description="Publishers of these streams set each message's reserved value to its time, nanoseconds since "
            "1970, as `publication.stamps = True` does: times are exact then, else to a `sample_interval`."
        ),
    ] = False
    max_logfile_duration: Annotated[
        Duration | None,
        Meta(description="The longest time in one exported file; null for `default_max_logfile_duration`."),
    ] = None
    max_logfile_size: Annotated[
        Size | None, Meta(description="The largest exported file; null for `default_max_logfile_size`.")
    ] = None

    def __post_init__(self) -> None:
        for name, globs in (("protocol", self.protocols), ("topic", self.topics)):
            if not globs:
                raise SettingError(f"{name}: none is listed, so nothing matches; leave it out for all", operation=name)
        for protocol in self.protocols:
            if protocol not in PROTOCOLS and not any(matches(protocol, known) for known in PROTOCOLS):
                near = difflib.get_close_matches(protocol, PROTOCOLS, 1)
                advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(PROTOCOLS)}"
                raise SettingError(f"no protocol matches {protocol!r}: {advice}", operation="rule")
        for topic in self.topics:
            if not topic:
                raise SettingError("a topic is empty: write ** for all", operation="rule")
            protocol, colon, rest = topic.partition(":")
            if colon and protocol in PROTOCOLS and any(matches(each, protocol) for each in self.protocols):
                raise SettingError(
                    f"no topic begins with its protocol, as {topic!r} does: write {{protocol: {protocol}, "
                    f"topic: {rest!r}}}",
                    operation="rule",
                )
            _matcher(topic)

    @property
    def protocols(self) -> tuple[str, ...]:
        """The globs of protocols; one is enough to match."""
        return (self.protocol,) if isinstance(self.protocol, str) else self.protocol

    @property
    def topics(self) -> tuple[str, ...]:
        """The globs of topics; one is enough to match."""
        return (self.topic,) if isinstance(self.topic, str) else self.topic

    @property
    def saves(self) -> bool:
        """Whether its streams are recorded."""
        return self.policy == "save_all"

    def matches(self, name: TopicName) -> bool:
        """Whether it is about a stream of this name."""
        return any(matches(glob_, name.protocol) for glob_ in self.protocols) and any(
            matches(glob_, name.topic) for glob_ in self.topics
        )


class Rules(Sequence[Rule]):
    """Rules in their order.

    Args:
        rules: the first that matches wins.
    """

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._rules = tuple(rules)

    def match(self, name: TopicName) -> Rule | None:
        """The rule for a stream of this name, None when there is none: it is not recorded then."""
        return next((rule for rule in self._rules if rule.matches(name)), None)

    def saves(self, name: TopicName) -> bool:
        """Whether a stream of this name is recorded."""
        rule = self.match(name)
        return rule is not None and rule.saves

    def __getitem__(self, index: Any) -> Any:
        return self._rules[index]

    def __len__(self) -> int:
        return len(self._rules)

    def __repr__(self) -> str:
        return f"Rules({list(self._rules)!r})"

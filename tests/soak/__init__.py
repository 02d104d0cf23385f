"""Long runs, by ``make soak``."""

SOAKS = ("archive_kills", "playback", "playback_kills", "quiet", "recorder_kills")
"""The modules here that soak. Each has a ``main(minutes, seed)``, which raises when something is wrong."""

"""What ``aeron-py record --example`` prints."""

EXAMPLE = """\
# Configuration of an aeron-py recorder: aeron-py record --config FILE
# Durations are seconds, or texts like 500ms, 10s, 1h30m, 7d. Sizes are bytes, or texts like 64k, 128MB, 1GiB.

# Where the recordings are, and what the recorder notes about them.
archive_dir: recordings

# The media driver whose streams are recorded; its archive must record into archive_dir.
# Without it the recorder starts a media driver and an archive of its own, see embedded.
# aeron_dir: /dev/shm/aeron-me

# An archive with users wants to know who comes: the bytes of a file that only its owner may read.
# archive: {credentials_file: recorder.key}

record: true    # record what the rules name
play: true      # play it back for whoever asks

# Which streams are recorded: the first rule that matches decides, a stream that none matches is not recorded.
# A stream is called by the alias of its channel, aeron:ipc?alias=pubsub:camera/front; without an alias it is
# file:ipc/<stream id> or file:<endpoint>/<stream id>. In a topic * is any text without a slash, **/* is everything.
rules:
  - {protocol: pubsub, topic: "debug/**", policy: drop_all}
  - protocol: pubsub
    topic: ["camera/*", "lidar/*"]
    max_age: 7d          # these take much space
    max_bytes: 100GB
  - {topic: "imu/*", stamped: true}  # its publishers say when each message came, in the reserved value
  - {topic: "**/*", policy: save_all}

# Streams from elsewhere. Publications of the media driver itself are found without being listed.
channels: []
# - {channel: "aeron:udp?endpoint=224.20.30.39:24326|interface=localhost", stream_id: 10, topic: "pubsub:prices"}

arm: true               # listen for streams known from earlier before their publishers are back
poll_interval: 100ms    # how often to look for new streams
sample_interval: 1ms    # how exact times are
image_frequency: 256KiB # of journal, between images of all positions: smaller makes seeking faster

# Everything is forced to the disk after so much or so long, whichever comes first: the most that a power cut takes.
flush_frequency: 256MiB
flush_interval: 30s

rotate_interval: 1d     # how long a volume is
retention:
  max_age: 30d          # volumes that ended longer ago go
  max_bytes: null       # and the oldest of them while all take more than this

# Commands that store and fetch volumes; the name of the volume is added as the last argument.
archive_cmds:
  list: null            # for example [ls, /mnt/backup]
  get: null             # for example [/usr/local/bin/fetch-volume, --from, /mnt/backup]
  put: null
  timeout: 10m

# Who may play back how much, and onto which stream ids.
sessions:
  max_sessions: 512
  max_sessions_per_client: 64
  idle_timeout: 30s
  channel: aeron:ipc
stream_ids: {first: 1000000, last: 1999999}
control: {channel: "aeron:ipc", stream_id: 900000}

# The media driver and archive that the recorder starts when there is no aeron_dir.
embedded:
  aeron_dir: null       # null for a fresh directory, which is told at the start
  driver: {threading_mode: SHARED, ipc_term_buffer_length: 1MiB}
  archive: {segment_file_length: 128MiB}
  users: null           # a file that says who may connect to the archive: users.yaml
  nice: -10             # so that busy processors do not make times late; as it is without the right to
"""

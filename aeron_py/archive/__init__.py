"""The archive: its client, its recordings and replays, and the server as a child process."""

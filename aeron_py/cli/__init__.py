"""The command ``aeron-py``: parses, calls, renders."""

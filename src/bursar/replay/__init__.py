"""Recorded load played against the gateway: a trace says when and how large, a prompt of that size is sent, a summary
says what came of it.

`trace` reads files (`trace_table`, `trace_lines`, `trace_session` know the formats), `prompt` builds a request of the
very size that was traced, `answer` watches one answer, `summary` adds up, and `run` keeps the schedule.
"""

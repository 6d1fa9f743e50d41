"""`bursar doctor`: what is well with a configuration and its data, and what is not; with a running gateway or without.

Each check is a function that yields findings and catches what it looks for. A check that cannot be made says so.
"""

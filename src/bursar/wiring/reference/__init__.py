"""The reference pages under `docs/`, made from the code they describe, so that they cannot lie.

A page is written by hand but for its generated parts, which lie between a ``<!-- generated: NAME -->`` and an
``<!-- end -->`` line. `pages.render` fills them in; ``python -m bursar.wiring.reference docs`` writes the pages and
with ``--check`` names those that are out of date.
"""

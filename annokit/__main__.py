"""`python -m annokit` is the command `annokit`."""

from __future__ import annotations

from annokit.cli import main

main()

"""`python -m metasiren`."""

from metasiren.cli.commands import main

main()

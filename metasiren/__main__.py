"""`python -m metasiren`."""

from metasiren.cli import main

main()

"""`python -m metasiren` is the command line."""

from metasiren.cli import main

main()

"""Fields in numbers and in use elsewhere: export to other programs' formats, and many signals fitted at once."""

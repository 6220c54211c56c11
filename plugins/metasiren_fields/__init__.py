"""Many fields at once, and fields for other programs: fits of many signals, and export to other formats."""

"""Reports of runs as single HTML pages, lists of runs, differences between runs, and a local web app."""

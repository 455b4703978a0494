"""The report's figures, one a file: each a `reports.figures.figure.Figure`, listed in `all`."""

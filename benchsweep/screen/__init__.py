"""What the commands print: everything fits a terminal of 80 columns."""

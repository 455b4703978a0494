"""Models of other libraries as trainables: a file each."""

"""Numbers and sentences as text and Markdown."""

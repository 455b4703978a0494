"""The report's figures, one a file. Each is built in the same three steps, so that tests assert on
numbers and never on pixels:

    history(sweep) -> History | str     the numbers, or the sentence that says why there are none
    sentence(numbers) -> str            what they show for this sweep
    draw(numbers) -> plotly Figure      the drawing, on a transparent ground, for light and dark
"""

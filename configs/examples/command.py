"""A program as a trainable: it need not know of benchsweep, nor be in Python."""

import sys

from trainable.adapters.command import Command


class Descent(Command):
    line = f"{sys.executable} descent.py --rate {{rate}} --momentum {{momentum}} --steps {{epochs}}"

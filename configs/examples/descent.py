"""Gradient descent on a valley, as any program that prints its loss after each step."""

import argparse
import json
import sys

parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float, required=True)
parser.add_argument("--momentum", type=float, required=True)
parser.add_argument("--steps", type=int, required=True)
given = parser.parse_args()
x, y, vx, vy = -2.0, 2.0, 0.0, 0.0
sys.stderr.write("starting\n")
for _ in range(given.steps):
    vx = given.momentum * vx - given.rate * 2 * x
    vy = given.momentum * vy - given.rate * 20 * y
    x, y = x + vx, y + vy
    sys.stdout.write(json.dumps({"loss": x * x + 10 * y * y}) + "\n")
    sys.stdout.flush()

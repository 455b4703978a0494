"""The Python interface: what `import benchsweep` offers."""

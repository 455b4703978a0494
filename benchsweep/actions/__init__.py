"""What the commands do, one file each: they read, print and write, and raise typer.Exit."""

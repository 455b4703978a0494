"""The page of a comparison: compare.html and compare.md, with the report's look and its guarantees."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from reports.comparison import Comparison
from reports.template import Plotly, environment, figures_json, policy, source
from trainable.durable import write_whole


def write(comparison: Comparison, folder: Path) -> dict[str, Path]:
    """Write both files into `folder`, each of them whole, and return their paths by name.

    The same runs give the same bytes. Raises OSError when the folder cannot be written to.
    """
    made = {"compare.html": html(comparison), "compare.md": as_markdown(comparison)}
    for name, content in made.items():
        # A file name in a plan may hold half a character.
        write_whole(folder / name, content.encode("utf-8", "backslashreplace"))
    return {name: folder / name for name in made}


def html(comparison: Comparison) -> str:
    """The page: one file that needs no other, no network, and to be read no JavaScript either."""
    scripts = {"early": source("theme.js"), "late": source("page.js")}
    plotly = Plotly.of("inline")
    return (
        environment(autoescape=True)
        .get_template("compare.html")
        .render(
            comparison=comparison,
            style=Markup(source("page.css")),
            scripts={name: Markup(script) for name, script in scripts.items()},
            plotly_script=Markup(plotly.script),
            policy=policy(scripts.values(), plotly),
            figures=Markup(figures_json(comparison.sections)),
            has_figures=any(section.figures for section in comparison.sections),
        )
    )


def as_markdown(comparison: Comparison) -> str:
    """The comparison as Markdown, without the drawings."""
    return environment(autoescape=False).get_template("compare.md").render(comparison=comparison)

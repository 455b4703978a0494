"""The live page: empty at first, it is filled and kept up to date by the events of its server."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from reports.page.template import Plotly, environment, policy, source


def live_page(names: Sequence[str]) -> str:
    """The page of runs with these names, which asks its own server alone, for events."""
    theme, script = source("theme.js"), source("live.js")
    return (
        environment(autoescape=True)
        .get_template("live.html")
        .render(
            names=names,
            policy=f"{policy([theme, script], Plotly(''))}; connect-src 'self'",
            style=Markup(source("page.css") + source("live.css")),
            theme=Markup(theme),
            script=Markup(script),
        )
    )

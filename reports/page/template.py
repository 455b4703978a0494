"""What the pages are made with: templates that escape, figures as JSON, a policy on scripts."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any, Literal, NamedTuple

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs, get_plotlyjs_version
from plotly.utils import PlotlyJSONEncoder

from reports.analysis.ranking import TIES
from reports.analysis.trials import missing
from reports.figures.figure import Section
from reports.formatting import markdown
from reports.formatting.estimates import recipe_name
from reports.formatting.wording import duration, moment, setting, shorten
from reports.page.leaderboard import leaderboard_markdown


def environment(autoescape: bool) -> jinja2.Environment:
    """The templates that lie beside this file, with the filters they use. autoescape: for HTML."""
    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(source),
        autoescape=autoescape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals["ties"] = TIES
    made.filters |= {
        "called": recipe_name,
        "setting": setting,
        "shorten": shorten,
        "moment": moment,
        "duration": duration,
        "text": markdown.text,
        "code": markdown.code,
        "table": markdown.table,
        "leaderboard": leaderboard_markdown,
    }
    made.tests["missing"] = missing
    return made


def source(name: str) -> str:
    """A file that lies beside this one, and in the installed package too."""
    return (files("reports.page") / name).read_text(encoding="utf-8")


class Plotly(NamedTuple):
    """Where a page has plotly's script from.

    script: its text, 5 MB; "" where the page loads it or has nothing to draw. url, integrity: of the script
    that the page loads, which the browser runs only if it is that very one; "" where it does not.
    """

    script: str
    url: str = ""
    integrity: str = ""

    @classmethod
    def of(cls, where: Literal["inline", "cdn"]) -> Plotly:
        """Within the page, or from plotly's own delivery network."""
        script = str(get_plotlyjs())
        if where == "inline":
            return cls(script)
        url = f"https://cdn.plot.ly/plotly-{get_plotlyjs_version()}.min.js"
        return cls("", url, f"sha256-{_digest(script)}")


def page(
    template: str,
    contents: Sequence[tuple[str, str]],
    sections: Sequence[Section],
    scripts: Sequence[str],
    data: Mapping[str, Any],
    plotlyjs: Literal["inline", "cdn"],
    **told: Any,
) -> str:
    """A page, in the frame that all have: one file that needs no other, no network, and to be read no
    JavaScript either.

    contents: (key, title) of its parts. sections: those whose drawings it holds. scripts: files beside this
    one, run in this order before plotly. data: what they read, by the id of its element. plotlyjs: "cdn" for
    a page without plotly's script, whose drawings (and nothing else) need the network. told: what the
    template is filled with.
    """
    drawn = any(section.drawings for section in sections)
    plotly = Plotly.of(plotlyjs) if drawn else Plotly("")
    theme, run = source("theme.js"), [source(name) for name in scripts]
    return (
        environment(autoescape=True)
        .get_template(template)
        .render(
            contents=contents,
            policy=policy([theme, *run], plotly),
            style=Markup(source("page.css")),
            theme=Markup(theme),
            scripts=[Markup(script) for script in run],
            data={
                "figures": Markup(figures_json(sections)),
                **{key: Markup(inert(value)) for key, value in data.items()},
            },
            plotly=plotly._replace(script=Markup(plotly.script)),
            **told,
        )
    )


def policy(scripts: Iterable[str], plotly: Plotly) -> str:
    """A Content-Security-Policy that runs these scripts, known by their hashes, and nothing else,
    and lets nothing be loaded from anywhere, but for plotly's script where a page asks for it.

    Styles are allowed inline because plotly makes its own; images as data, for its download button.
    """
    held = [*scripts, plotly.script] if plotly.script else scripts
    allowed = " ".join([*(f"'sha256-{_digest(script)}'" for script in held), plotly.url]).rstrip()
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        f"base-uri 'none'; form-action 'none'"
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def figures_json(sections: Iterable[Section]) -> str:
    """All drawings of the sections as JSON.

    Keys are sorted and floats written by Python, so that the same figures are the same bytes.
    """
    drawn = {
        key: {"data": told["data"], "layout": told["layout"]}
        for section in sections
        for key, told in ((key, drawing.to_plotly_json()) for key, drawing in section.drawings)
    }
    return inert(drawn)


def inert(value: Any) -> str:
    """The value as JSON that may stand in a <script> element whatever its strings hold."""
    text = json.dumps(value, cls=PlotlyJSONEncoder, sort_keys=True, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")

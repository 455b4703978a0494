"""How the pages are rendered: escaping templates, figures as JSON, and a Content-Security-Policy."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Literal, NamedTuple

import jinja2
import plotly.graph_objects as go
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
from reports.page.static_drawing import static_drawing

STATIC = ("history", "efficiency", "curves", "scores", "slices")
"""The sections whose drawings are shown without JavaScript too."""


@cache
def environment(autoescape: bool) -> jinja2.Environment:
    """The templates of this package, each compiled once, with the filters they use. autoescape: for HTML."""
    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(source),
        autoescape=autoescape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals["ties"] = TIES
    made.globals["static"] = STATIC
    made.filters |= {
        "called": recipe_name,
        "setting": setting,
        "shorten": shorten,
        "unbroken": unbroken,
        "moment": moment,
        "duration": duration,
        "text": markdown.text,
        "code": markdown.code,
        "table": markdown.table,
        "leaderboard": leaderboard_markdown,
        "static": _static,
    }
    made.tests["missing"] = missing
    return made


def _static(drawing: go.Figure, label: str) -> Markup:
    """The drawing as SVG; empty for one that is not of points and lines."""
    return static_drawing(drawing, label) or Markup()


_UNBROKEN = re.compile(r"(?<=\d) (?=%)|(?<=%) (?=interval)|(?<=\bp) (?=[<=])|(?<=p [<=]) (?=\d)")


def unbroken(text: str) -> str:
    """The text with no-break spaces inside "95 % interval" and "p < 0.001"."""
    return _UNBROKEN.sub("\u00a0", text)


def source(name: str) -> str:
    """The text of a file of this package."""
    return (files("reports.page") / name).read_text(encoding="utf-8")


class Plotly(NamedTuple):
    """Where a page gets plotly's script from."""

    script: str
    """Its text, 5 MB; "" if the page loads it from `url` or has nothing to draw."""
    packed: str = ""
    """The text as the page holds it, 2 MB: gzip and base64; "" as for `script`."""
    url: str = ""
    """Where the page loads it from; "" if it does not."""
    integrity: str = ""
    """The hash without which the browser does not run the loaded script; "" without a `url`."""

    @classmethod
    def of(cls, where: Literal["inline", "cdn"]) -> Plotly:
        """Inline, or from plotly's content delivery network."""
        script = str(get_plotlyjs())
        if where == "inline":
            return cls(script, _packed())
        url = f"https://cdn.plot.ly/plotly-{get_plotlyjs_version()}.min.js"
        return cls("", "", url, f"sha256-{_digest(script)}")


def page(
    template: str,
    contents: Sequence[tuple[str, str]],
    sections: Sequence[Section],
    scripts: Sequence[str],
    data: Mapping[str, Any],
    plotlyjs: Literal["inline", "cdn"],
    **variables: Any,
) -> str:
    """Renders a page: a single file that needs no network, and JavaScript only for its drawings.

    contents: (key, title) of its parts. sections: those whose drawings it has. scripts: files of this
    package, run in this order before plotly. data: what the scripts read, by the ID of its element.
    plotlyjs: "cdn" for a page without plotly's script, whose drawings alone need the network. variables: the
    template's.
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
            plotly=plotly._replace(packed=Markup(plotly.packed)),
            **variables,
        )
    )


def policy(scripts: Iterable[str], plotly: Plotly) -> str:
    """A Content-Security-Policy that allows these scripts by their hashes and no others, and loads nothing
    from the network except plotly's script, if the page needs it.

    Inline styles are allowed because plotly sets them, images as data URIs for its download button.
    """
    inline = [*scripts, plotly.script] if plotly.script else scripts
    allowed = " ".join([*(f"'sha256-{_digest(script)}'" for script in inline), plotly.url]).rstrip()
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        f"base-uri 'none'; form-action 'none'"
    )


@cache
def _packed() -> str:
    # Without a time, so that the same report gives the same bytes.
    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode()


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def figures_json(sections: Iterable[Section]) -> str:
    """All drawings of the sections as JSON, by ID.

    Keys are sorted and floats formatted by Python, so that the same figures give the same bytes.
    """
    drawings = {key: drawing.to_plotly_json() for section in sections for key, drawing in section.drawings}
    return inert(
        {key: {"data": drawing["data"], "layout": drawing["layout"]} for key, drawing in drawings.items()}
    )


def inert(value: Any) -> str:
    """The value as JSON that is safe inside a <script> element, whatever its strings contain."""
    text = json.dumps(value, cls=PlotlyJSONEncoder, sort_keys=True, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")

"""What the pages are made with: templates that escape, figures as JSON, a policy on scripts."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from importlib.resources import files
from typing import Any, Literal, NamedTuple

import jinja2
from plotly.offline import get_plotlyjs, get_plotlyjs_version
from plotly.utils import PlotlyJSONEncoder

from reports import markdown
from reports.confirmed import called
from reports.ranking import TIES, leaderboard_markdown
from reports.sections import Section
from reports.trials import missing
from reports.wording import duration, moment, setting, shorten


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
        "called": called,
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
    return (files("reports") / name).read_text(encoding="utf-8")


class Plotly(NamedTuple):
    """Where a page has plotly's script from.

    script: its text, 5 MB; "" where the page loads it. url, integrity: of the script that the page loads,
    which the browser runs only if it is that very one; "" where the page holds it.
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
        for key, told in ((key, figure.to_plotly_json()) for key, figure in section.figures)
    }
    return inert(drawn)


def inert(value: Any) -> str:
    """The value as JSON that may stand in a <script> element whatever its strings hold."""
    text = json.dumps(value, cls=PlotlyJSONEncoder, sort_keys=True, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")

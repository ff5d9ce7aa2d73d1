"""Every query of a Grafana dashboard, as Prometheus gets it: with its variables filled in."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ON_CALL = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards" / "on-call.json"


@dataclass(frozen=True, slots=True)
class Query:
    """One query. `where` is the panel's title and the query's letter, or the variable's or annotation's name.

    `may_be_empty`: the panel says what nothing means, such as "none open".
    """

    where: str
    expr: str
    instant: bool
    may_be_empty: bool


def variables(scope: str = "total", range_s: int = 3 * 3600, scrape_s: int = 10) -> dict[str, str]:
    """What Grafana would put in for its own variables and the dashboard's, on a panel 1,000 dots wide."""
    interval_s = max(scrape_s, range_s // 1000)
    return {
        "scope": scope,
        "__range": f"{range_s}s",
        "__range_s": str(range_s),
        "__interval": f"{interval_s}s",
        "__interval_ms": str(interval_s * 1000),
        "__rate_interval": f"{max(interval_s + scrape_s, 4 * scrape_s)}s",
    }


def queries(dashboard: Path, values: Mapping[str, str]) -> list[Query]:
    """All queries of the file's panels, variables and annotations; an unknown variable is a KeyError."""
    return [
        Query(query.where, _fill(query.expr, values), query.instant, query.may_be_empty)
        for query in _written(json.loads(dashboard.read_text()))
    ]


def _fill(expr: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda found: values[found[1] or found[2]], expr)


def _written(document: Any) -> Iterator[Query]:
    for variable in document["templating"]["list"]:
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
            assert found, f"variable {variable['name']} is no label_values(series, label)"
            yield Query(variable["name"], f"group by ({found[2]}) ({found[1]})", True, False)
    for annotation in document["annotations"]["list"]:
        yield Query(annotation["name"], annotation["target"]["expr"], False, True)
    for panel in document["panels"]:
        for target in panel.get("targets", ()):
            yield Query(
                f"{panel['title']} {target['refId']}",
                target["expr"],
                target.get("instant", False),
                "noValue" in panel["fieldConfig"]["defaults"],
            )

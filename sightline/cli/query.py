"""``kpis``, ``contributors`` and ``cases``: ask a running Sightline, over its API."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer
from rich.markup import escape
from rich.table import Table

from sightline.cli.output import Json, console, print_json

if TYPE_CHECKING:
    import httpx2

Url = Annotated[
    str | None,
    typer.Option(
        envvar="SIGHTLINE_URL", help="Where Sightline serves.", show_default="SIGHTLINE_API__HOST and __PORT"
    ),
]
Run = Annotated[str, typer.Option(help="live, or an import's name.")]
AGES = ((86_400, "d"), (3_600, "h"), (60, "min"))
GLYPHS = {
    "on_plan": "[dim]●[/] on plan",
    "watch": "[yellow]▲[/] watch",
    "off_plan": "[red]■[/] off plan",
    "unknown": "[dim]?[/] unknown",
}


def get(url: str | None, path: str, **params: Any) -> Any:
    """What ``GET url + path`` answers, JSON or text; ``Unavailable``, ``NotFound`` or ``InvalidInput`` with a remedy
    where there is no answer. ``url`` None: where the settings say.
    """
    with asked(url, path, **params) as response:
        response.read()
        return response.json() if _in_json(response) else response.text


def send(method: str, url: str | None, path: str, body: bytes, content_type: str) -> Any:
    """The JSON that it answers to ``body``, also where it says what is wrong with it (422); errors as ``get``."""
    with _answer(method, url, path, content=body, content_type=content_type) as response:
        response.read()
        return response.json()


@contextmanager
def asked(url: str | None, path: str, **params: Any) -> Iterator[httpx2.Response]:
    """The answer to ``GET url + path``, its body not read yet; raises as ``get`` does."""
    given = {k: v for k, v in params.items() if v is not None}
    with _answer("GET", url, path, params=given) as response:
        yield response


@contextmanager
def _answer(
    method: str,
    url: str | None,
    path: str,
    *,
    params: dict[str, Any] | None = None,
    content: bytes | None = None,
    content_type: str | None = None,
) -> Iterator[httpx2.Response]:
    import httpx2

    from services.errors import InvalidInput, NotFound, Unavailable
    from services.settings import read_settings

    url = url or read_settings().api.url
    key = os.environ.get("SIGHTLINE_API_KEY")
    headers = {"authorization": f"Bearer {key}"} if key else {}
    if content_type is not None:
        headers["content-type"] = content_type
    try:
        with httpx2.stream(
            method, url + path, params=params or None, content=content, headers=headers, timeout=30
        ) as response:
            if response.is_error and not (content is not None and response.status_code == 422):
                response.read()
                problem = response.json() if _in_json(response) else {}
                error = NotFound if response.status_code == 404 else InvalidInput
                message = problem.get("detail") or f"{url}{path} answered {response.status_code}"
                raise error(message, **{name: problem.get(name) for name in ("field", "value", "remedy")})
            yield response
    except httpx2.HTTPError as error:
        raise Unavailable(
            f"no answer from {url}: {error}",
            remedy="start it with `sightline up`, or name its address with --url",
        ) from error


def _in_json(response: httpx2.Response) -> bool:
    return "json" in response.headers.get("content-type", "")


def kpis(
    kpi: Annotated[str | None, typer.Argument(help="One KPI at all its scopes.", show_default="all")] = None,
    url: Url = None,
    run: Run = "live",
    as_json: Json = False,
) -> None:
    """List every KPI with its current value, target, status and age."""
    data = get(url, "/api/v1/kpis" if kpi is None else f"/api/v1/kpis/{quote(kpi, safe='')}", run=run)
    if as_json:
        print_json(data)
        return
    table = Table("KPI" if kpi is None else "scope", "value", "target", "status", "age", box=None)
    table.header_style = "dim"
    table.add_column("owner", overflow="fold")
    for one in data["kpis"]:
        definition, values = one["definition"], one["values"]
        if kpi is None:
            total: dict[str, Any] = next((value for value in values if not value["scope"]), {})
            table.add_row(definition["title"], *_row(definition, total))
            continue
        for value in values:
            table.add_row(escape(_scope(value["scope"]) or "total"), *_row(definition, value))
    console.print(table)
    for one in data["kpis"]:
        if one["missing_rates"]:
            named = ", ".join(one["missing_rates"])
            console.print(f"[yellow]{escape(one['definition']['title'])}[/] lacks a rate: {escape(named)}")


def _row(definition: dict[str, Any], told: dict[str, Any]) -> tuple[str, ...]:
    """What is told of a KPI at a scope."""
    value, target = told.get("value"), definition["target"]
    return (
        f"{_number(value)} {definition['unit']}" if value is not None else "-",
        target_words(target) if target else "",
        GLYPHS[told.get("status", "unknown")] if target else "[dim]- no target[/]",
        _age(told.get("age_ms")) + _held(told),
        definition["owner"],
    )


def target_words(target: dict[str, Any]) -> str:
    """A target with its side: "at least 95"; of a band both limits, which are on plan: "between 80 and 92"."""
    value, band = target["value"], target["band"]
    if target["direction"] == "between":
        return f"between {value - band:g} and {value + band:g}"
    return f"{target['direction'].replace('_', ' ')} {value:g}"


def _scope(scope: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in scope.items())


def _held(value: dict[str, Any]) -> str:
    """What keeps a number from being as complete as it could be."""
    if value.get("reason") not in {"incomplete_source", "stale"} or value.get("held_by") is None:
        return ""
    return f", {value['held_by']} until {moment(value['complete_until'] or None)}"


def _number(value: float) -> str:
    """With two digits after the point, a whole number without."""
    return f"{value:,.0f}" if value == round(value) else f"{value:,.2f}"


def _age(ms: int | None) -> str:
    """How long ago, in the largest unit that fits; an import's values have no age."""
    if ms is None:
        return "-"
    seconds = max(0, ms) // 1000
    size, unit = next((pair for pair in AGES if seconds >= pair[0]), (1, "s"))
    return f"{seconds // size} {unit}"


def moment(ms: int | None) -> str:
    """An instant in UTC, to the minute."""
    from datetime import UTC, datetime

    return "-" if ms is None else datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def cases(
    process: Annotated[str | None, typer.Option(help="Only this process.")] = None,
    step: Annotated[str | None, typer.Option(help="Only cases that wait at this step.")] = None,
    overdue: Annotated[bool, typer.Option(help="Only cases past a due time.")] = False,
    limit: Annotated[int, typer.Option(help="How many.")] = 20,
    url: Url = None,
    run: Run = "live",
    as_json: Json = False,
) -> None:
    """List the cases that need attention: overdue, stuck, waiting longest."""
    data = get(
        url, "/api/v1/cases", run=run, process=process, step=step, overdue=overdue or None, limit=limit
    )
    if as_json:
        print_json(data)
        return
    table = Table("process", box=None, header_style="dim")
    for header in ("case", "at step", "flags", "attributes"):
        table.add_column(header, overflow="fold")
    for case in data["cases"]:
        table.add_row(
            case["process"],
            case["case"],
            case["step"] or "-",
            ", ".join(flag.replace("_", " ") for flag in case["flags"]),
            _scope(case["attributes"]),
        )
    console.print(table)


def contributors(
    kpi: Annotated[str, typer.Argument(help="The KPI's name.", metavar="KPI")],
    scope: Annotated[
        list[str] | None, typer.Option(help="A dimension and its value, site:W01; repeat it for more.")
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(help="Of a ratio: denominator, numerator; of a share misses, too.", show_default=False),
    ] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="Start of a window other than now, as RFC 3339.")
    ] = None,
    to: Annotated[str | None, typer.Option(help="Its end.")] = None,
    limit: Annotated[int, typer.Option(help="How many.")] = 20,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, with all fields.")] = False,
    url: Url = None,
    run: Run = "live",
    as_json: Json = False,
) -> None:
    """List the events or cases that a KPI's value is made of, worst first."""
    params = {"scope": scope or None, "part": part, "from": from_, "to": to, "limit": limit, "run": run}
    path = f"/api/v1/kpis/{quote(kpi, safe='')}/contributors"
    if as_csv:
        typer.echo(get(url, path, **params, format="csv"), nl=False)
        return
    data = get(url, path, **params)
    if as_json:
        print_json(data)
        return
    if data["inputs"]:
        console.print(f"{kpi} is derived: open {', '.join(data['inputs'])}")
        return
    table = Table("time", box=None, header_style="dim")
    number_ = [" ".join(filter(None, (data["number"], data["unit"])))] if data["number"] else []
    headers = ["type", "id", *number_, "scope", "link"]
    for header in headers:
        table.add_column(header, overflow="fold")
    for one in data["contributors"]:
        number = [] if data["number"] is None else ["-" if one["number"] is None else _number(one["number"])]
        place = _scope(one["scope"])
        table.add_row(_moment(one["time"]), one["type"], one["id"], *number, place, one["link"] or "")
    console.print(table)
    value = "-" if data["value"] is None else _number(data["value"])
    shown = len(data["contributors"])
    console.print(f"\n{shown} of {data['count']:,} ({data['part']}); the value they make is {value}")
    if not data["complete"]:
        console.print(f"[yellow]▲[/] some may be missing: {data['reason']}")


def _moment(time: int) -> str:
    return datetime.fromtimestamp(time / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")

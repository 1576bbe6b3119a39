"""Wrong look-ups, derived fields and units, and exactly what is said of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.catalogue.load import lint_folder

HEAD = "apiVersion: sightline/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n"


def document(kind: str, name: str, spec: str) -> str:
    """Line 5 is the first of ``spec``."""
    lines = "".join(f"  {line}\n" for line in spec.splitlines())
    return HEAD.format(kind=kind, name=name) + lines


def kpi(spec: str, name: str = "k") -> str:
    return document("Kpi", name, f"{spec}\nwindow: {{rolling: 1h}}").replace(
        f"{{name: {name}}}", f"{{name: {name}, owner: me}}"
    )


EVENT = """\
fields:
  order: {type: string, required: true}
  site: {type: string}
  amount: {type: decimal, currency: currency}
  currency: {type: string}
  weight: {type: integer, unit: g}
  freight: {type: decimal, unit: USD}
  price: {type: decimal, unit: EUR}
  booked: {type: timestamp}
  eur: {type: decimal, convert: {field: amount, to: EUR, rates: fx}}
objects: {order: order}"""
SITES = (
    "source: {file: sites.csv}\nkey: site\ncolumns: {region: {}, country: {}}\nhierarchy: [region, country]"
)
FX = "source: api\nkey: [from, to]\ncolumns: {rate: {type: decimal, scale: 6}}\nvalidFrom: day"
ROWS = "site,region,country\nW01,North,DE\n"


def lint(
    folder: Path, *more: str, event: str = EVENT, sites: str = SITES, fx: str = FX, rows: str | None = ROWS
) -> list[str]:
    """What lint says of a small catalogue with ``more`` as files of their own."""
    files = {
        "event.yaml": document("EventType", "sold", event),
        "fx.yaml": document("Lookup", "fx", fx),
        "sites.yaml": document("Lookup", "sites", sites),
        **{f"k{number}.yaml": text for number, text in enumerate(more)},
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    if rows is not None:
        (folder / "sites.csv").write_text(rows)
    return [str(problem) for problem in lint_folder(folder)]


def test_nothing_is_said_of_what_is_right(tmp_path: Path) -> None:
    """Levels are fields by themselves; a filter on one currency lets an amount be summed; euros per kilogram."""
    region = "type: simple\nunit: orders\nmeasure: {agg: count, event: sold}\ndimensions: [region, country]"
    one = (
        'type: simple\nunit: USD\nmeasure: {agg: sum, event: sold, field: amount}\nfilter: currency == "USD"'
    )
    cost = (
        "type: ratio\nunit: EUR/kg\nscale: 1000\nnumerator: {agg: sum, event: sold, field: price}\n"
        "denominator: {agg: sum, event: sold, field: weight}"
    )
    kilos = "type: simple\nunit: kg\nscale: 0.001\nmeasure: {agg: sum, event: sold, field: weight}"
    assert lint(tmp_path, kpi(region), kpi(one, "one"), kpi(cost, "cost"), kpi(kilos, "kilos")) == []


# Messages are compared as they are read: long lines are the point.
# ruff: noqa: E501
@pytest.mark.parametrize(
    ("field", "problem"),
    [
        (
            "region: {type: string, lookup: {name: sitse, key: site}}",
            "spec.fields.x.lookup.name: there is no look-up 'sitse' (did you mean 'sites'?)",
        ),
        (
            "region: {type: string, lookup: {name: sites, key: sit}}",
            "spec.fields.x.lookup.key: there is no field 'sit' (did you mean 'site'?)",
        ),
        (
            "region: {type: string, lookup: {name: sites, key: site, column: regoin}}",
            "spec.fields.x.lookup.column: there is no column of sites called 'regoin' (did you mean 'region'?)",
        ),
        (
            "region: {type: string, lookup: {name: fx, key: site, column: rate}}",
            "spec.fields.x.lookup.key: the key of 'fx' is from, to: that is 2, not 1 (name as many fields, in that order)",
        ),
        (
            "region: {type: integer, lookup: {name: sites, key: site, column: region}}",
            "spec.fields.x.type: 'region' of 'sites' is a string (let the field be the same)",
        ),
        (
            "region: {type: string, required: true, lookup: {name: sites, key: site, column: region}}",
            "spec.fields.x.required: 'x' is derived: an event cannot lack it (remove it, or require what it is derived from)",
        ),
        (
            "region: {type: string, lookup: {name: sites, key: x, column: region}}",
            "spec.fields.x: it is derived from itself: x → x (break the circle)",
        ),
        (
            "region: {type: decimal, convert: {field: price, to: USD}}",
            "spec.fields.x.convert: there is no fixed factor from EUR to USD (add rates: the look-up that says how many it is)",
        ),
        (
            "region: {type: decimal, convert: {field: amount, to: EUR, rates: sites}}",
            "spec.fields.x.convert.rates: 'sites' has 0 columns with numbers (add column: one of none)",
        ),
        (
            "region: {type: decimal, convert: {field: amount, to: EUR, rates: fx, at: bookd}}",
            "spec.fields.x.convert.at: there is no timestamp field 'bookd' (did you mean 'booked'?)",
        ),
        (
            "region: {type: decimal, currency: curency}",
            "spec.fields.x.currency: there is no field 'curency' (did you mean 'currency'?)",
        ),
    ],
)
def test_each_problem_of_a_derived_field_is_named(tmp_path: Path, field: str, problem: str) -> None:
    """With its line and what to do."""
    event = EVENT.replace("\nobjects", f"\n  {field.replace('region:', 'x:', 1)}\nobjects")
    assert f"event.yaml:15: sold: {problem}" in lint(tmp_path, event=event)


@pytest.mark.parametrize(
    ("spec", "problems"),
    [
        (
            "type: simple\nunit: EUR\nmeasure: {agg: sum, event: sold, field: amount}",
            [
                "k0.yaml:7: k: spec.measure.field: 'amount' is in whatever 'currency' says: sum would mix units (measure 'eur', or filter one unit: currency == …)"
            ],
        ),
        (
            "type: simple\nunit: kg\nmeasure: {agg: sum, event: sold, field: weight}",
            ["k0.yaml:6: k: spec.unit: 'weight' is in g, the KPI says 'kg' (write unit: g, or scale: 0.001)"],
        ),
        (
            "type: simple\nunit: EUR\nmeasure: {agg: count, event: sold}",
            [
                "k0.yaml:6: k: spec.unit: a count is not in EUR (name what is counted, or sum a field in that unit)"
            ],
        ),
        (
            "type: ratio\nunit: percent\nnumerator: {agg: sum, event: sold, field: price}\ndenominator: {agg: sum, event: sold, field: weight}",
            ["k0.yaml:6: k: spec.unit: EUR over g is not a share (write unit: EUR/g)"],
        ),
        (
            "type: ratio\nunit: EUR/kg\nnumerator: {agg: sum, event: sold, field: price}\ndenominator: {agg: sum, event: sold, field: weight}",
            [
                "k0.yaml:6: k: spec.unit: EUR over g is not in EUR/kg (write scale: 1000, or convert one of the two)"
            ],
        ),
        (
            "type: level\nunit: EUR\nnumerator: {agg: sum, event: sold, field: price}\ndenominator: {agg: sum, event: sold, field: freight}",
            [
                "k0.yaml:8: k: spec.denominator: what comes in is EUR, what goes out USD (measure both in one unit)"
            ],
        ),
        (
            "type: derived\nunit: EUR\nexpr: price + freight",
            [
                "k0.yaml:7: k: spec.expr: price (EUR) and freight (USD) do not add up (convert one of them: a field with convert, or a scale)"
            ],
        ),
        (
            "type: derived\nunit: USD\nexpr: price * 2",
            [
                "k0.yaml:6: k: spec.unit: the formula gives EUR, the KPI says 'USD' (correct the formula or the unit)"
            ],
        ),
    ],
)
def test_what_does_not_add_up_is_refused(tmp_path: Path, spec: str, problems: list[str]) -> None:
    """With a unit or a scale that would do."""
    named = [
        kpi(f"type: simple\nmeasure: {{agg: sum, event: sold, field: {name}}}", name)
        for name in ("price", "freight")
    ]
    assert lint(tmp_path, kpi(spec), *named) == problems


@pytest.mark.parametrize(
    ("rows", "problems"),
    [
        (
            "site,regoin,country\nW01,North,DE\n",
            ["sites.csv:1: sites: region: there is no such column (did you mean 'regoin'?)"],
        ),
        (
            "site,region,country\nW01,North,DE\n,South,DE\nW01,East,DE\n",
            [
                "sites.csv:3: sites: site: the key is empty (each row names what it is about)",
                "sites.csv:4: sites: site: this key stands in line 2 as well (remove one of them)",
            ],
        ),
        (
            "site,region,country\nW01,North,DE\nW02,North,AT\n",
            [
                "sites.csv:3: sites: country: region 'North' lies in 'AT' here and in 'DE' in line 2 (let it lie in one of them)"
            ],
        ),
        (None, ["sites.csv: sites: cannot be read: No such file or directory"]),
    ],
)
def test_each_problem_of_a_file_is_named_with_its_line(
    tmp_path: Path, rows: str | None, problems: list[str]
) -> None:
    """File, line, column, and what to do."""
    assert lint(tmp_path, rows=rows) == problems


def test_rows_that_overlap_and_trees_that_turn_in_a_circle_are_named(tmp_path: Path) -> None:
    """By the line of the later row; a parent must be there."""
    sites = (
        "source: {file: sites.csv}\nkey: site\ncolumns: {above: {}, kind: {}}\n"
        "hierarchy: {parent: above, level: kind}\nvalidFrom: since\nvalidTo: until"
    )
    rows = (
        "site,above,kind,since,until\nA,B,site,,2024-03-31\nA,B,site,2024-03-01,\nB,A,region,,\nC,Q,site,,\n"
    )
    assert lint(tmp_path, sites=sites, rows=rows) == [
        "sites.csv:2: sites: above: this lies above itself: A → B → A (break the circle)",
        "sites.csv:3: sites: since: A is valid twice: the row in line 2 ends after this one begins (let it end before, or leave until empty)",
        "sites.csv:5: sites: above: there is no row for 'Q' (known: A, B, C)",
    ]


def test_a_look_up_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    """What needs a beginning of validity, and what ends twice."""
    assert lint(tmp_path, fx=FX.replace("\nvalidFrom: day", "\nmaxAge: 4d")) == [
        "fx.yaml:8: fx: spec.maxAge: maxAge needs to know since when a row holds (name the column with validFrom)"
    ]
    assert lint(tmp_path, fx=FX + "\nvalidTo: end\nmaxAge: 4d") == [
        "fx.yaml:10: fx: spec.maxAge: a row ends either where it says or when it is too old (leave out validTo or maxAge)"
    ]


def test_a_case_that_knows_a_converted_amount_knows_where_it_came_from(tmp_path: Path) -> None:
    """Otherwise a missing rate could not be told from an order without an amount."""
    process = (
        "object: order\nsteps: [{name: sold, event: sold}, {name: gone, event: sold, filter: price < 0.00}]\n"
        "opens: sold\nends: [gone]\nattributes: {eur: sold.eur}"
    )
    assert lint(tmp_path, document("Process", "order", process)) == [
        "k0.yaml:9: order: spec.attributes.eur: 'eur' is converted from 'amount', which the case does not know (add the attribute amount: sold.amount)"
    ]

"""Event types that cannot be corrected or reversed as they say, and what is said of them."""

from __future__ import annotations

import pytest

from tests.unit.catalogue.test_lint import lint
from tests.unit.catalogue.wrong import kpi

ISSUES = """
kind: EventType
apiVersion: sightline/v1
metadata: {name: goods.issued}
spec:
  fields:
    document: {type: string, required: true}
    revision: {type: integer}
    weight: {type: decimal}
    state: {type: string}
  correctable: CORRECTABLE
"""

REVERSAL = """---
kind: EventType
apiVersion: sightline/v1
metadata: {name: issue.reversed}
spec:
  fields:
    document: {type: string, required: true}
    number: {type: integer}
  reverses: REVERSES
"""


def issues(correctable: str = "{key: document, version: revision}", reverses: str | None = None) -> str:
    text = ISSUES.replace("CORRECTABLE", correctable)
    return text + (REVERSAL.replace("REVERSES", reverses) if reverses else "")


def test_nothing_is_said_of_what_is_right() -> None:
    """By key and version, with a withdrawal, by id, and with a reversal."""
    assert lint(issues()) == []
    assert lint(issues("{key: document, version: revision, withdrawn: state == 'deleted'}")) == []
    assert lint(issues("{}")) == []
    assert lint(issues(reverses="{event: goods.issued, key: document}")) == []


# Messages are compared as they are read: long lines are the point.
# ruff: noqa: E501
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            issues("{key: documnt, version: revision}"),
            "k.yaml:11: goods.issued: spec.correctable.key: there is no field 'documnt' (did you mean 'document'?)",
        ),
        (
            issues("{key: weight, version: revision}"),
            "k.yaml:11: goods.issued: spec.correctable.key: 'weight' is a decimal (name a field that is a string or an integer)",
        ),
        (
            issues("{key: state, version: revision}"),
            "k.yaml:11: goods.issued: spec.correctable.key: 'state' may be absent, and then nothing says what is corrected (write required: true at state)",
        ),
        (
            issues("{key: document, version: weight}"),
            "k.yaml:11: goods.issued: spec.correctable.version: 'weight' is a decimal (name a field that is a timestamp or an integer)",
        ),
        (
            issues("{version: revision}"),
            "k.yaml:11: goods.issued: spec.correctable.version: version belongs to a key: by id, events say corrects or cancels (name the key, or remove it)",
        ),
        (
            issues("{key: document, withdrawn: stat == 'deleted'}"),
            "k.yaml:11: goods.issued: spec.correctable.withdrawn: there is no field 'stat', at character 1 (did you mean 'state'?)",
        ),
        (
            issues(reverses="{event: goods.isued, key: document}"),
            "k.yaml:20: issue.reversed: spec.reverses.event: there is no event type 'goods.isued' (did you mean 'goods.issued'?)",
        ),
        (
            issues(reverses="{event: goods.issued, key: number}"),
            "k.yaml:20: issue.reversed: spec.reverses.key: 'number' is an integer, the key of goods.issued is a string (give both the same type)",
        ),
        (
            issues("{}", reverses="{event: goods.issued, key: document}"),
            "k.yaml:20: issue.reversed: spec.reverses.event: goods.issued has no business key to reverse it by (add correctable: {key: …} to goods.issued)",
        ),
        (
            issues().replace("  correctable", "  objects: {document: document}\n  correctable")
            + REVERSAL.replace("REVERSES", "{event: goods.issued, key: document}"),
            "k.yaml:17: issue.reversed: spec: issue.reversed must concern what goods.issued concerns, to find what it reverses (give it the objects document)",
        ),
        (
            issues()
            + "---\n"
            + kpi("type: simple\nunit: kg\nmeasure: {agg: max, event: goods.issued, field: weight}"),
            "k.yaml:19: k: spec.measure.agg: max cannot be kept over goods.issued, whose events may be corrected: nothing subtracts from it (use percentile with percentile: 100)",
        ),
    ],
)
def test_each_mistake_has_its_words(text: str, problem: str) -> None:
    """File, line, field, what is wrong and what to do."""
    assert lint(text) == [problem]

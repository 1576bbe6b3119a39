"""Wrong calendars, parts of the local time, durations in working time and cohorts, and exactly what is said of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.catalogue.load import lint_folder

HEAD = "apiVersion: sightline/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n"


def document(kind: str, name: str, spec: str) -> str:
    """Line 5 is the first of ``spec``."""
    lines = "".join(f"  {line}\n" for line in spec.splitlines())
    return HEAD.format(kind=kind, name=name) + lines


CALENDAR = """\
timezone: Europe/Berlin
hours: "06:00-22:00"
shifts: {early: "06:00-14:00"}
by: site
each: {W02: {timezone: America/Chicago}}"""
EVENT = """\
fields:
  order: {type: string, required: true}
  site: {type: string}
  units: {type: integer, unit: pieces}
  weight: {type: decimal, unit: kg}
  loaded: {type: timestamp}
  shift: {type: string, calendar: {name: days}}
objects: {order: order}"""
PROCESS = """\
object: order
steps:
  - {name: placed, event: told}
  - {name: sent, event: told, filter: units > 0}
opens: placed
ends: [sent]
attributes: {site: placed.site}
quantities:
  sent: {step: sent, field: units}
  returned: {step: placed, field: units}
  weighed: {step: sent, field: weight}"""
WORKED = "type: duration\nprocess: order\nfrom: placed\nto: sent\ncalendar: days\nunit: h"
RATE = (
    "type: conversion\nprocess: order\nfrom: sent\nquantity: returned\nper: sent\nwithin: 30d\nmature: true"
)


def lint(
    folder: Path, *, calendar: str = CALENDAR, event: str = EVENT, process: str = PROCESS, **kpis: str
) -> list[str]:
    """What lint says of a small catalogue."""
    files = {
        "calendar.yaml": document("Calendar", "days", calendar),
        "event.yaml": document("EventType", "told", event),
        "process.yaml": document("Process", "order", process),
    }
    for name, spec in kpis.items():
        text = document("Kpi", name, f"{spec}\nwindow: {{rolling: 7d}}")
        files[f"{name}.yaml"] = text.replace(f"{{name: {name}}}", f"{{name: {name}, owner: me}}")
    for name, text in files.items():
        (folder / name).write_text(text)
    return [str(problem) for problem in lint_folder(folder)]


def test_nothing_is_said_of_what_is_right(tmp_path: Path) -> None:
    """A calendar by site, a shift, working time and a cohort; a conversion of cases may have to be mature as well."""
    share = "type: conversion\nprocess: order\nfrom: placed\nto: sent\nwithin: 1d\nmature: true"
    assert lint(tmp_path, worked=WORKED, rate=RATE, share=share) == []


# Messages are compared as they are read: long lines are the point.
# ruff: noqa: E501
@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("Europe/Berlin", "Europe/Berlni", "calendar.yaml:5: days: spec.timezone: there is no time zone 'Europe/Berlni' (did you mean 'Europe/Berlin'?)"),
        ("America/Chicago", "Chicago", "calendar.yaml:9: days: spec.each.W02.timezone: there is no time zone 'Chicago' (write it like Europe/Berlin, or UTC)"),
        ("by: site\n", "", "calendar.yaml:4: days: spec: by and each belong together (add the one that is missing)"),
        ('hours: "06:00-22:00"', "hours: 6-22", 'calendar.yaml:6: days: spec.hours: write a time of day in quotes, "02:00" say'),
        ("by: site", "by: place", "event.yaml:11: told: spec.fields.shift.calendar.name: 'days' goes by 'place', which is not known to told (add place there, a string)"),
        ("by: site", "by: units", "event.yaml:11: told: spec.fields.shift.calendar.name: 'days' goes by 'units', which is an integer of told (let days go by a string)"),
        ('shifts: {early: "06:00-14:00"}\n', "", "event.yaml:11: told: spec.fields.shift.calendar.name: 'days' has no shifts (add shifts: {early: \"06:00-14:00\"} to it, or say which part is meant)"),
    ],
)  # fmt: skip
def test_a_wrong_calendar_is_explained(tmp_path: Path, old: str, new: str, problem: str) -> None:
    """What is wrong with it, and where it is used wrongly."""
    assert old in CALENDAR
    assert problem in lint(tmp_path, calendar=CALENDAR.replace(old, new))


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        ("{type: string, calendar: {name: dais}}", "spec.fields.x.calendar.name: there is no calendar 'dais' (did you mean 'days'?)"),
        ("{type: integer, calendar: {name: days}}", "spec.fields.x.type: a part of the local time is a string, 'x' is an integer (write string)"),
        ("{type: string, calendar: {name: days, at: site}}", "spec.fields.x.calendar.at: there is no timestamp field 'site' (known: occurred, loaded)"),
        ("{type: string, calendar: {name: days}, convert: {field: units, to: g}}", "spec.fields.x: a field comes from one of a look-up, a conversion, a calendar and cut-offs: make two fields of it"),
        ('{type: string, cutOffs: {times: ["16:00"], timezone: UTC, by: siet, each: {x: ["9:00"]}}}', "spec.fields.x.cutOffs.by: there is no field of told called 'siet' (did you mean 'site'?)"),
        ('{type: string, cutOffs: {times: ["16:00"], timezone: UTC, by: units, each: {x: ["9:00"]}}}', "spec.fields.x.cutOffs.by: 'units' is an integer (name a field of type string)"),
        ('{type: string, cutOffs: {times: ["16:00"], timezone: UTC, by: site}}', "spec.fields.x.cutOffs: by and each belong together (add the one that is missing)"),
        ('{type: timestamp, cutOffs: {times: ["16:00"], timezone: UTC}}', "spec.fields.x.type: a part of the local time is a string, 'x' is a timestamp (write string)"),
    ],
)  # fmt: skip
def test_a_wrong_part_of_the_local_time_is_explained(tmp_path: Path, field: str, problem: str) -> None:
    """Unknown names, other types, two ways at once."""
    told = lint(tmp_path, event=EVENT.replace("objects:", f"  x: {field}\nobjects:"))
    assert any(one.startswith(f"event.yaml:12: told: {problem}") for one in told), told


@pytest.mark.parametrize(
    ("kpi", "old", "new", "problem"),
    [
        (WORKED, "calendar: days", "calendar: day", "spec.calendar: there is no calendar 'day' (did you mean 'days'?)"),
        (RATE, "quantity: returned", "quantity: retruned", "spec.quantity: there is no quantity 'retruned' (did you mean 'returned'?)"),
        (RATE, "per: sent", "per: weighed", "spec.per: 'returned' is in pieces, 'weighed' in kg: that is no share (name quantities of the same unit)"),
        (RATE, "per: sent\n", "", "spec: quantity and per belong together: so much of quantity for each of per"),
        (RATE, "from: sent\n", "from: sent\nto: placed\n", "spec: a conversion has either to (cases that reach a step) or quantity (what moves of it)"),
        (RATE, "from: sent", "from: snet", "spec.from: there is no step 'snet' (did you mean 'sent'?)"),
    ],
)  # fmt: skip
def test_a_wrong_kpi_is_explained(tmp_path: Path, kpi: str, old: str, new: str, problem: str) -> None:
    """Calendars and quantities that do not exist, or do not divide."""
    assert old in kpi
    told = lint(tmp_path, k=kpi.replace(old, new))
    assert [one.partition(": k: ")[2] for one in told] == [problem]


def test_a_case_must_know_what_its_calendar_goes_by(tmp_path: Path) -> None:
    """The schedule of a case follows from one of its attributes."""
    told = lint(tmp_path, process=PROCESS.replace("{site: placed.site}", "{}"), worked=WORKED)
    assert told == [
        "worked.yaml:9: worked: spec.calendar: 'days' goes by 'site', which is not known to the cases of order (add site there, a string)"
    ]

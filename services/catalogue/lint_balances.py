"""Checks of balances: what they are made of, from when on they are known, what KPIs ask of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from services.catalogue.known import Known, one_of
from services.catalogue.lint_dues import Steps, check_name, check_sum, event_fields
from services.catalogue.meaning import NUMBERS
from services.catalogue.problems import Problem, did_you_mean
from services.catalogue.read import Document, Path_
from services.domain.balances import DIFFERENCES
from services.domain.catalogue import Balance, Field, Kpi, MeasureSpec, Opening, Process
from services.domain.conditions import a
from services.domain.quantities import terms

_SPEC: Path_ = ("spec",)


def check_balances(document: Document, process: Process, steps: Steps, known: Known) -> Iterator[Problem]:
    """What is wrong with the balances of a process, and with its opening."""
    yield from _check_ends(document, process)
    yield from _check_opening(document, process)
    units = {name: _unit(process, name, steps, known) for name in process.quantities}
    owners: dict[str, str] = {
        name: remainder for remainder, source in process.remainders.items() for name in _names(source)
    }
    for name, balance in process.balances.items():
        path = (*_SPEC, "balances", name)
        yield from check_name(document, path, name, "balance")
        if name in process.quantities or name in process.remainders:
            word = "quantity" if name in process.quantities else "remainder"
            yield document.problem(path, f"{name!r} is a {word} already", "give one of the two another name")
        yield from _check_parts(document, path, balance, process, units)
        for quantity in balance.quantities:
            if owners.setdefault(quantity, name) != name:
                message = (
                    f"{quantity!r} is a part of {owners[quantity]!r}: a balance keeps its quantities in sum"
                )
                remedy = "name another quantity with the same step and field"
                yield document.problem(path, message, remedy)


def check_count(
    document: Document, path: Path_, measure: MeasureSpec, process: Process | None
) -> Iterator[Problem]:
    """A measure of the counts of a balance."""
    if measure.balance is None or process is None:
        return
    yield from one_of(document, (*path, "balance"), "balance", measure.balance, process.balances)
    found = process.balances.get(measure.balance)
    if found is not None and found.count is None:
        message = f"nothing counts {measure.balance!r}"
        yield document.problem((*path, "balance"), message, "say in its count which quantity does")
    if measure.field is not None and measure.field not in DIFFERENCES:
        message = f"a count has no {measure.field!r}"
        yield document.problem((*path, "field"), message, did_you_mean(measure.field, DIFFERENCES))


def check_level(document: Document, kpi: Kpi, process: Process | None, known: Known) -> Iterator[Problem]:
    """A level that is a balance."""
    if kpi.balance is None:
        return
    if process is not None:
        yield from one_of(document, (*_SPEC, "balance"), "balance", kpi.balance, process.balances)
    for key in ("of", "due", "step", "promise", "quantity"):
        if document.value((*_SPEC, key)) is not None:
            message = f"{key} is about cases, a balance is about how much there is"
            yield document.problem((*_SPEC, key), message, f"remove {key}, or balance")
    fields = known.case_fields(kpi.process or "") or {}
    if kpi.price is not None and process is not None:
        path = (*_SPEC, "price")
        yield from one_of(document, path, f"attribute of {kpi.process} called", kpi.price, fields)
        if kpi.price in fields and fields[kpi.price].type not in NUMBERS:
            message = f"{kpi.price!r} is {a(fields[kpi.price].type)}: nothing can be multiplied by it"
            yield document.problem(path, message, "name an integer or a decimal")


def balance_field(process: Process | None, name: str | None, known: Known) -> Field | None:
    """The field that says what a balance is measured in."""
    balance = process.balances.get(name or "") if process is not None else None
    if process is None or balance is None:
        return None
    steps = {step.name: step for step in process.steps}
    for quantity in balance.quantities:
        found = process.quantities.get(quantity)
        if found is not None:
            return (event_fields(found.step, steps, known) or {}).get(found.field)
    return None


def _check_ends(document: Document, process: Process) -> Iterator[Problem]:
    if not process.ends and not process.balances:
        message = "ends is missing" if document.value((*_SPEC, "ends")) is None else "no step ends a case"
        yield document.problem(
            _SPEC, message, "name the steps that end a case; only what has balances goes on"
        )
    if process.ends and process.balances:
        message = "what has a balance has no end"
        yield document.problem((*_SPEC, "ends"), message, "remove ends, or make the balance another process")


def _check_opening(document: Document, process: Process) -> Iterator[Problem]:
    path = (*_SPEC, "opening")
    if process.opening is Opening.EACH and not process.balances:
        message = "only balances are opened one by one"
        yield document.problem(path, message, "write opening: announced, or remove it")
    stated = [name for name, balance in process.balances.items() if balance.opening is not None]
    if process.opening is None and stated:
        message = f"{stated[0]!r} has an opening, and nothing says that it is waited for"
        remedy = (
            "add opening: announced (one sightline.opening for all, what is not listed is nothing) or "
            "opening: each (each is unknown until it is opened or counted)"
        )
        yield document.problem(_SPEC, message, remedy)
    for name, balance in process.balances.items() if process.opening is Opening.EACH else ():
        if balance.opening is None and balance.count is None:
            message = f"nothing ever opens {name!r}"
            remedy = "name the quantity that opens or counts it, or write opening: announced"
            yield document.problem((*_SPEC, "balances", name), message, remedy)


def _check_parts(
    document: Document, path: Path_, balance: Balance, process: Process, units: Mapping[str, str | None]
) -> Iterator[Problem]:
    source = document.value((*path, "changes"))
    if isinstance(source, str) and source:
        yield from check_sum(document, (*path, "changes"), source, process, units)
    elif not balance.quantities:
        yield document.problem(
            path, f"{path[-1]!r} is made of nothing", "say what changes it, or what counts it"
        )
    for key, quantity in (("opening", balance.opening), ("count", balance.count)):
        if quantity is None:
            continue
        yield from one_of(document, (*path, key), "quantity", quantity, process.quantities)
        if quantity in balance.changes:
            message = f"{quantity!r} both changes the balance and says how much there is"
            yield document.problem(
                (*path, key), message, "make two quantities of it, with steps of their own"
            )
        others = [units[one] or "no unit" for one in balance.quantities if one in units and one != quantity]
        if others and quantity in units and (units[quantity] or "no unit") not in others:
            message = f"{quantity!r} is in {units[quantity] or 'no unit'}, the balance in {others[0]}"
            yield document.problem((*path, key), message, "give their fields the same unit")
    if balance.opening is not None and balance.opening == balance.count:
        message = f"{balance.opening!r} is both the opening and the count"
        remedy = "leave opening out and write opening: each, or give each a step of its own"
        yield document.problem((*path, "opening"), message, remedy)


def _names(source: str) -> tuple[str, ...]:
    try:
        return tuple(terms(source))
    except ValueError:
        return ()


def _unit(process: Process, name: str, steps: Steps, known: Known) -> str | None:
    quantity = process.quantities[name]
    field = (event_fields(quantity.step, steps, known) or {}).get(quantity.field)
    return None if field is None else field.unit

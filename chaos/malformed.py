"""What is no event, in each way that one can think of; each must become one dead letter, and harm no other event."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from chaos.events import instant

_TIME = 1_700_000_000_000


def _event(number: int, **more: Any) -> dict[str, Any]:
    data = {"order_id": f"M{number}", "site": "Lyon", "amount": "5.00"}
    known = {
        "specversion": "1.0", "id": f"M{number}", "source": "shop", "type": "order.placed",
        "subject": f"M{number}", "time": instant(_TIME), "data": data,
    }  # fmt: skip
    return {**known, **more}


def _data(**more: Any) -> Callable[[int], Any]:
    return lambda number: _event(number, data={**_event(number)["data"], **more})


def _without(name: str) -> Callable[[int], Any]:
    return lambda number: {key: value for key, value in _event(number).items() if key != name}


_WAYS: tuple[Callable[[int], Any], ...] = (
    lambda number: json.dumps(_event(number))[:-9],
    lambda number: f"order {number}, 5 EUR",
    lambda number: json.dumps(_event(number)).replace("Lyon", "Ly\\ud800on"),
    lambda number: json.dumps(_event(number)).encode().replace(b"Lyon", b"Ly\xff\xfeon"),
    lambda number: "[" * 300 + str(number),
    lambda number: number,
    lambda number: f"just a text {number}",
    lambda number: [number],
    lambda number: {"number": number},
    *(_without(name) for name in ("id", "source", "type", "time")),
    lambda number: _event(number, specversion="0.3"),
    lambda number: _event(number, type="order.invented"),
    lambda number: _event(number, type=None),
    lambda number: _event(number, id=""),
    lambda number: _event(number, id=number),
    lambda number: _event(number, id=f"M{number}\x00"),
    lambda number: _event(number, time="yesterday"),
    lambda number: _event(number, time="2024-02-30T00:00:00Z"),
    lambda number: _event(number, time=_TIME),
    lambda number: _event(number, data=[1, 2, number]),
    lambda number: _event(number, data={"site": "Lyon", "n": number}),
    lambda number: _event(number, data={"order_id": None, "n": number}),
    _data(order_id=17),
    _data(order_id={"id": 17}),
    _data(amount="a lot"),
    _data(amount="1.234"),
    _data(amount="99999999999999999999999.00"),
    _data(amount=[5]),
    _data(promised_at="soon"),
    _data(promised_at=5),
    _data(site=["Lyon"]),
    _data(site="x" * 200_000),
)


def payloads(every: int = 1) -> list[bytes]:
    """``every`` of each way, all different."""
    return [
        _bytes(way(len(_WAYS) * turn + index)) for turn in range(every) for index, way in enumerate(_WAYS)
    ]


def _bytes(made: Any) -> bytes:
    if isinstance(made, bytes):
        return made
    return made.encode() if isinstance(made, str) else json.dumps(made).encode()

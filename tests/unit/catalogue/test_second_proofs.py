"""Two proofs of delivery for one shipment: what its lines make of the second, with and without a key."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.catalogue.canonical import load_program, to_text
from services.catalogue.load import load_catalogue
from services.catalogue.rehearsal import InMemory, Sent
from tests.guides import write_guide

START = 1_714_903_200_000
MINUTE = 60_000
BARE = "objects: {shipment: shipment_id}\n  correctable: {key: shipment_id}\n"
BY_VERSION = "objects: {shipment: shipment_id}\n  correctable: {key: shipment_id, version: edition}\n"
PLAIN = "objects: {shipment: shipment_id}\n"


def pieces_left(folder: Path, manner: str, order: tuple[int, ...]) -> tuple[float | None, float | None]:
    """(pieces to deliver, open orders) after events that come in this order; the last two of them are the proofs."""
    written = write_guide("levels.md", folder) / "catalogue.yaml"
    text = written.read_text()
    assert BARE in text
    field = "carrier: {type: string}\n    edition: {type: integer}\n"
    written.write_text(text.replace(BARE, manner).replace("carrier: {type: string}\n", field))
    catalogue = load_catalogue(folder)
    said = [
        ("order.placed", 0, {"order_id": "O1"}),
        ("line.ordered", 1, {"order_id": "O1", "line_id": "A", "quantity": 10}),
        ("shipment.loaded", 2, {"shipment_id": "S1", "line_id": "A", "quantity": 6}),
        ("shipment.delivered", 5, {"shipment_id": "S1", "carrier": "DHL", "edition": 1}),
        ("shipment.delivered", 6, {"shipment_id": "S1", "carrier": "DHL", "edition": 2}),
    ]
    events = [
        Sent(
            number,
            START + (10 + place) * MINUTE,
            {
                "id": str(number), "source": "s", "type": said[number][0],
                "time": f"2024-05-05T10:{said[number][1]:02d}:00Z", "data": said[number][2],
            },
        )
        for place, number in enumerate(order)
    ]  # fmt: skip
    rehearsal = InMemory(catalogue, to_text(catalogue), events, {}, load_program)
    rehearsal.run_to(START + 30 * MINUTE)
    assert rehearsal.refused == []
    pieces, orders = (rehearsal.values[kpi, frozenset()] for kpi in ("pieces_to_deliver", "open_orders"))
    return pieces.value, orders.value


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (3, 0, 1, 4, 2), (1, 4, 0, 2, 3)])
@pytest.mark.parametrize("manner", [BARE, BY_VERSION])
def test_with_a_key_a_second_proof_delivers_nothing_more(
    tmp_path: Path, manner: str, order: tuple[int, ...]
) -> None:
    """Lines and orders that heard of the first hear that it is taken back, whatever came first."""
    assert pieces_left(tmp_path, manner, order) == (4, 1)


def test_without_a_key_both_count(tmp_path: Path) -> None:
    """As the guide warns: nobody can tell a second proof from a second delivery."""
    assert pieces_left(tmp_path, PLAIN, (0, 1, 2, 3, 4)) == (0, 0)

"""Cases, dead letters, catalogue and runs over HTTP."""

from __future__ import annotations

from dataclasses import replace

from services.catalogue.canonical import to_text
from services.domain.facts import CaseFact, CaseFacts, DeadLetter
from services.domain.stored import RunRecord
from tests.api.conftest import CATALOGUE, NOW, World


def case(name: str, due: int, *flags: str, site: str = "W01") -> CaseFact:
    steps = {"placed": 1}
    return CaseFact(
        name, "placed", 1, None, 1, {"site": site}, steps, {"promised": (due, None)}, ["open", *flags]
    )


async def told(world: World, *cases: CaseFact) -> None:
    facts = CaseFacts("default", "live", 0, 0, "order", 50, 7, 2, 1, {"placed": 6}, list(cases))
    await world.database.cases.replace([facts])


async def test_cases_come_most_urgent_first_with_counts(world: World) -> None:
    """The counts are of all cases, not only of the notable ones."""
    await told(world, case("b", 20, "overdue"), case("a", 10, "overdue", "stuck"))
    page = (await world.client.get("/api/v1/cases")).json()
    assert [each["case"] for each in page["cases"]] == ["a", "b"]
    assert page["cases"][0] == {
        "process": "order",
        "case": "a",
        "step": "placed",
        "opened": 1,
        "closed": None,
        "last": 1,
        "due": 10,
        "attributes": {"site": "W01"},
        "steps": {"placed": 1},
        "dues": {"promised": [10, None]},
        "flags": ["open", "overdue", "stuck"],
        "quantities": {},
        "told": 50,
    }
    counts = {"process": "order", "time": 50, "open": 7, "overdue": 2, "stuck": 1, "waiting": {"placed": 6}}
    assert (page["counts"], page["next"]) == ([counts], None)


async def test_cases_are_filtered_and_paged(world: World) -> None:
    """Flags, attributes and the cursor of the page before."""
    await told(world, *(case(f"c{n}", n, "overdue", site=f"W0{n % 2}") for n in range(5)), case("x", 0))
    seen: list[str] = []
    cursor = ""
    while True:
        query = f"overdue=true&filter=site:W00&process=order&step=placed&limit=2{cursor}"
        page = (await world.client.get(f"/api/v1/cases?{query}")).json()
        seen += [each["case"] for each in page["cases"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == ["c0", "c2", "c4"]
    for query in ("limit=0", "cursor=!", "filter=W00"):
        assert (await world.client.get(f"/api/v1/cases?{query}")).status_code == 400


async def test_what_no_case_has_is_told_with_what_there_is(world: World) -> None:
    """An empty list would say that all is well: run, process, step and attribute."""
    for query, status, field, remedy in (
        ("run=olsit", 404, "run", "GET /api/v1/runs lists them"),
        ("process=ordre", 404, "process", "did you mean 'order'?"),
        ("step=plced", 400, "step", "did you mean 'placed'?"),
        ("process=order&filter=sight:W01", 400, "filter", "known: site"),
    ):
        response = await world.client.get(f"/api/v1/cases?{query}")
        problem = response.json()
        told = (response.status_code, problem["field"], problem["remedy"])
        assert told == (status, field, remedy), query
    assert (await world.client.get("/api/v1/cases?filter=site:W77")).json()["cases"] == []


async def test_a_case_comes_with_its_events(world: World) -> None:
    """As CloudEvents, by event time; ids may hold slashes; it need not be a notable case."""
    life = (await world.client.get("/api/v1/cases/order/SO/1")).json()
    assert [each["type"] for each in life["events"]] == ["order.placed", "order.shipped"]
    assert (life["case"]["case"], life["case"]["due"], life["truncated"]) == ("SO/1", 20, False)


GOOD = (
    '{"specversion":"1.0","id":"e1","source":"erp","type":"order.placed","time":"2026-03-02T09:14:07Z",'
    '"data":{"order_id":"1"}}'
)


def letter(name: str, payload: str, time: int = 1) -> DeadLetter:
    return DeadLetter(
        name, "default", time, "http", "e1", "data.order_id", None, "missing", "no order", payload
    )


async def test_dead_letters_are_listed_shown_and_replayed(world: World) -> None:
    """Once it is accepted it counts no more; lists leave the payload out."""
    await world.database.dead_letters.add([letter("a", GOOD), letter("b", "{}", 2)])
    page = (await world.client.get("/api/v1/dead-letters?limit=1")).json()
    assert ([each["id"] for each in page["dead_letters"]], page["count"]) == (["b"], 2)
    assert page["dead_letters"][0]["payload"] is None
    rest = (await world.client.get(f"/api/v1/dead-letters?cursor={page['next']}")).json()
    assert [each["id"] for each in rest["dead_letters"]] == ["a"]
    assert (await world.client.get("/api/v1/dead-letters/a")).json()["payload"] == GOOD
    response = await world.client.post("/api/v1/dead-letters/a/replay")
    assert (response.status_code, response.json()) == (202, {"accepted": 1, "rejected": []})
    assert (await world.client.get("/api/v1/dead-letters/a")).json()["replayed"] == NOW
    assert (await world.client.get("/api/v1/dead-letters")).json()["count"] == 1


async def test_dead_letters_are_found_by_their_code(world: World) -> None:
    """A code for which nothing is ever refused is a problem that names those that there are, not an empty list."""
    letters = [replace(letter("a", "{}"), code="unknown_type"), replace(letter("b", "{}"), code="late")]
    await world.database.dead_letters.add(letters)
    found = (await world.client.get("/api/v1/dead-letters?code=late")).json()
    assert [each["id"] for each in found["dead_letters"]] == ["b"]
    response = await world.client.get("/api/v1/dead-letters?code=unknown_tpye")
    assert (response.status_code, response.json()["value"]) == (400, "unknown_tpye")
    assert "unknown_type, missing_field" in response.json()["remedy"]
    assert "beyond_horizon" in response.json()["remedy"]


async def test_a_replay_that_is_refused_again_says_why(world: World) -> None:
    """It stays; a repaired event may be sent in its place."""
    await world.database.dead_letters.add([letter("b", "{}")])
    answer = (await world.client.post("/api/v1/dead-letters/b/replay")).json()
    assert (answer["accepted"], len(answer["rejected"])) == (0, 1)
    assert (await world.client.get("/api/v1/dead-letters/b")).json()["replayed"] is None
    assert (await world.client.post("/api/v1/dead-letters/b/replay", content=GOOD)).json()["accepted"] == 1
    assert (await world.client.get("/api/v1/dead-letters/b")).json()["replayed"] == NOW
    assert (await world.client.post("/api/v1/dead-letters/zz/replay")).status_code == 404


async def test_the_catalogue_says_what_is_measured(world: World) -> None:
    """Event types, processes and KPIs, whole."""
    catalogue = (await world.client.get("/api/v1/catalogue")).json()
    assert catalogue["digest"] == CATALOGUE.digest
    assert catalogue["events"]["order.placed"]["objects"] == {"order": "order_id"}
    assert catalogue["kpis"]["orders"]["measure"]["agg"] == "count"


async def test_runs_are_listed_with_their_reports(world: World) -> None:
    """Latest first."""
    run = RunRecord("default", "olist", 1, CATALOGUE.digest, to_text(CATALOGUE), 5)
    await world.database.runs.begin(run)
    await world.database.runs.end("default", "olist", 1, 9, {"read": 3})
    (listed,) = (await world.client.get("/api/v1/runs")).json()["runs"]
    expected = {"run": "olist", "attempt": 1, "digest": CATALOGUE.digest, "started": 5, "ended": 9}
    assert listed == expected | {"report": {"read": 3}}
    assert (await world.client.get("/api/v1/runs/olist")).json() == listed
    assert (await world.client.get("/api/v1/runs/nope")).status_code == 404

"""The command line as a user meets it."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx2
import pytest

from tests.cli.command import COMMAND, environment, sightline

HEAVY = ("fastapi", "faust", "sqlalchemy", "cel", "numpy", "aiokafka", "alembic")


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    """``--help`` of the command and of every subcommand answers without what the commands work with."""
    script = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from sightline.cli import app\n"
        "names = ['demo', 'up', 'run', 'init', 'lint', 'test', 'import', 'kpis', "
        "'contributors', 'cases', 'doctor', 'config', 'keys', 'map', 'sources', 'reconcile']\n"
        "for name in ['', *names]:\n"
        "    result = CliRunner().invoke(app, [*([name] if name else []), '--help'])\n"
        "    assert result.exit_code == 0, (name, result.output)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [COMMAND[0], "-c", script],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_a_new_catalogue_lints_and_passes_its_own_tests(tmp_path: Path) -> None:
    """What ``init`` writes is right; writing it twice is refused."""
    assert sightline("init", "mine", cwd=tmp_path).code == 0
    lint = sightline("lint", "mine", cwd=tmp_path)
    assert (lint.code, lint.out) == (0, "no problems in mine\n")
    tested = sightline("test", "mine", cwd=tmp_path)
    assert tested.code == 0, tested.out
    again = sightline("init", "mine", cwd=tmp_path)
    assert again.code == 2
    assert "Traceback" not in again.err


def test_lint_names_file_line_field_and_remedy(tmp_path: Path) -> None:
    """A misspelt step is told with what was probably meant, for people and for programs."""
    sightline("init", "mine", cwd=tmp_path)
    path = tmp_path / "mine" / "kpis.yaml"
    text = path.read_text()
    path.write_text(text.replace("of: open", "of: opne"))
    told = sightline("lint", "mine", cwd=tmp_path)
    assert told.code == 1
    assert "kpis.yaml:" in told.out
    assert "open" in told.out
    problems = json.loads(sightline("lint", "mine", "--json", cwd=tmp_path).out)
    line = text[: text.index("of: open")].count("\n") + 1
    assert [(problem["file"], problem["line"]) for problem in problems] == [("kpis.yaml", line)]


def test_a_problem_is_one_line_however_narrow_the_terminal(tmp_path: Path) -> None:
    """Other programs find file and line in it."""
    sightline("init", "mine", cwd=tmp_path)
    path = tmp_path / "mine" / "kpis.yaml"
    path.write_text(path.read_text().replace("  owner: sales@example.com\n", ""))
    told = sightline("lint", "mine", cwd=tmp_path, COLUMNS="40")
    lines = told.out.splitlines()
    assert lines
    assert all(line.startswith("kpis.yaml:") for line in lines), lines


def test_the_version_is_told(tmp_path: Path) -> None:
    """As every command does."""
    told = sightline("--version", cwd=tmp_path)
    assert (told.code, told.out.split()[0]) == (0, "sightline")


def test_a_failing_fixture_says_what_was_expected_and_what_came(tmp_path: Path) -> None:
    """``test`` ends with 1 and names KPI, expected and found."""
    sightline("init", "mine", cwd=tmp_path)
    path = tmp_path / "mine" / "tests" / "orders.yaml"
    path.write_text(path.read_text().replace("value: 1", "value: 7"))
    told = sightline("test", "mine", cwd=tmp_path)
    assert told.code == 1
    assert "7" in told.out


def test_diff_says_what_a_change_means(tmp_path: Path) -> None:
    """Another title is words; another count is a new version; what does not lint is refused."""
    sightline("init", "old", cwd=tmp_path)
    sightline("init", "new", cwd=tmp_path)
    kpis = tmp_path / "new" / "kpis.yaml"
    text = kpis.read_text().replace("title: Order value today", "title: Revenue")
    kpis.write_text(
        text.replace(
            "{agg: count, event: order.placed}", "{agg: distinct, event: order.placed, field: order_id}"
        )
    )
    said = sightline("diff", "new", "--against", "old", cwd=tmp_path).out.splitlines()
    assert said[0].startswith("~ Kpi orders  new version ")
    assert said[0].endswith("begins from what comes then: measure.agg, measure.field")
    assert said[1:] == ["· Kpi revenue  same version: title", "2 change, 5 stay as they are"]
    data = json.loads(sightline("diff", "new", "--against", "old", "--json", cwd=tmp_path).out)
    assert [one["outcome"] for one in data["changes"] if one["name"] == "revenue"] == ["words"]
    kpis.write_text(text.replace("{agg: count", "{agg: cuont"))
    refused = sightline("diff", "new", "--against", "old", cwd=tmp_path)
    assert (refused.code, "kpis.yaml" in refused.err) == (2, True)


def test_doctor_shows_some_problems_of_a_catalogue_and_counts_the_others(tmp_path: Path) -> None:
    """However many there are: ``lint`` lists them all."""
    sightline("init", "mine", cwd=tmp_path)
    path = tmp_path / "mine" / "kpis.yaml"
    path.write_text(path.read_text() + "".join(f"---\nkind: Kpi{n}\n" for n in range(30)))
    told = sightline("doctor", "mine", "--json", cwd=tmp_path)
    (found,) = (each for each in json.loads(told.out) if each["part"] == "catalogue")
    assert found["message"].splitlines()[0] == "the catalogue has 30 problems:"
    assert found["message"].splitlines()[6:] == ["… and 25 more"]
    assert found["remedy"] == "sightline lint"


def test_kpis_asks_where_the_settings_say_that_the_api_is(tmp_path: Path) -> None:
    """As ``up`` serves there; ``--url`` and SIGHTLINE_URL come first."""
    for name in ("kpis", "cases"):
        told = sightline(name, cwd=tmp_path, SIGHTLINE_API__PORT="9", SIGHTLINE_API__HOST="0.0.0.0")
        assert (told.code, "http://127.0.0.1:9" in told.err) == (3, True), told
    told = sightline("kpis", cwd=tmp_path, SIGHTLINE_API__PORT="9", SIGHTLINE_URL="http://127.0.0.1:8")
    assert "http://127.0.0.1:8" in told.err


def test_a_mistake_is_told_without_a_stack_trace(tmp_path: Path) -> None:
    """A folder that is no catalogue, a part that is none, a log that is none: exit code 2 and a remedy."""
    for answer in (
        sightline("up", "nowhere", cwd=tmp_path),
        sightline("run", "everything", cwd=tmp_path),
        sightline("run", "processor", cwd=tmp_path),
        sightline("doctor", cwd=tmp_path, SIGHTLINE_BROKER__URL="carrier-pigeon://x"),
    ):
        assert answer.code in {1, 2}, answer
        assert "Traceback" not in answer.err + answer.out


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    """A port that is no number names the variable."""
    answer = sightline("config", cwd=tmp_path, SIGHTLINE_API__PORT="many")
    assert answer.code == 2
    assert "SIGHTLINE_API__PORT" in answer.err
    assert "Traceback" not in answer.err


def test_config_shows_every_setting_with_its_value(tmp_path: Path) -> None:
    """Passwords are masked."""
    url = "postgresql+psycopg://me:secret@localhost/sightline"
    told = json.loads(sightline("config", "--json", cwd=tmp_path, SIGHTLINE_DATABASE__URL=url).out)
    values = {entry["variable"]: entry["value"] for entry in told}
    assert values["SIGHTLINE_DATABASE__URL"] == "postgresql+psycopg://me:***@localhost/sightline"
    assert values["SIGHTLINE_API__PORT"] in {8321, "8321"}


def test_config_names_every_variable_whole_on_a_narrow_terminal(tmp_path: Path) -> None:
    """A name that is cut off is none."""
    entries = json.loads(sightline("config", "--json", cwd=tmp_path).out)
    shown = sightline("config", cwd=tmp_path, COLUMNS="80").out
    assert [entry["variable"] for entry in entries if entry["variable"] not in shown] == []


def test_an_import_of_what_is_not_there_says_so(tmp_path: Path) -> None:
    """A misspelt mapping or folder is told, not what else lies where a catalogue would be looked for."""
    (tmp_path / "other.yaml").write_text("kind: Nothing")
    answer = sightline("import", "mappnig.yaml", "data", cwd=tmp_path)
    assert (answer.code, answer.err.splitlines()[0]) == (2, "error: there is no mappnig.yaml")
    answer = sightline("import", "other.yaml", "data", cwd=tmp_path)
    assert (answer.code, answer.err.splitlines()[0]) == (2, "error: there is no data")


def test_keys_are_shown_once_and_revoked(tmp_path: Path) -> None:
    """The text of a key is printed when it is made and never again."""
    made = json.loads(sightline("keys", "create", "grafana", "--scope", "read", "--json", cwd=tmp_path).out)
    listed = sightline("keys", "list", "--json", cwd=tmp_path).out
    assert made["key"] not in listed
    assert [key["name"] for key in json.loads(listed)] == ["grafana"]
    assert sightline("keys", "revoke", made["id"], cwd=tmp_path).code == 0
    assert json.loads(sightline("keys", "list", "--json", cwd=tmp_path).out)[0]["revoked"]


def test_another_address_than_loopback_needs_a_key(tmp_path: Path) -> None:
    """``up --host 0.0.0.0`` is refused while no key exists."""
    sightline("init", "mine", cwd=tmp_path)
    refused = sightline("up", "mine", "--host", "0.0.0.0", "--port", "0", cwd=tmp_path)
    assert refused.code == 2
    assert "keys create" in refused.err


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_until_ready(url: str, process: subprocess.Popen[str]) -> None:
    while True:
        assert process.poll() is None, process.communicate()
        try:
            if httpx2.get(f"{url}/readyz").status_code == 200:
                return
        except httpx2.HTTPError:
            pass
        time.sleep(0.05)


@pytest.mark.timeout(90)
def test_up_serves_a_catalogue_until_interrupted(tmp_path: Path) -> None:
    """A posted event moves the number, which leads back to it; a second start says that the port is in use; a changed
    catalogue is applied; Ctrl-C ends it cleanly.
    """
    sightline("init", "mine", cwd=tmp_path)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(
        [*COMMAND, "up", "mine", "--port", str(port)],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_until_ready(url, process)
        event = {
            "specversion": "1.0",
            "id": "1",
            "source": "shop",
            "type": "order.placed",
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "data": {"order_id": "SO-1", "amount": "49.90"},
        }
        posted = httpx2.post(f"{url}/api/v1/events", json=event)
        assert (posted.status_code, posted.json()["accepted"]) == (202, 1)
        while _orders(url) != 1:
            time.sleep(0.05)
        in_use = sightline("up", "mine", "--port", str(port), cwd=tmp_path)
        assert in_use.code == 2
        assert f"port {port} is in use" in in_use.err
        listed = sightline("kpis", "--url", url, cwd=tmp_path)
        assert "49.90 EUR" in listed.out
        assert "1 orders" in listed.out
        assert "age" in listed.out.splitlines()[0]
        opened = sightline("contributors", "orders", "--url", url, cwd=tmp_path)
        assert "order.placed" in opened.out
        assert "1 of 1 (value); the value they make is 1" in opened.out
        csv = sightline("contributors", "open_orders", "--csv", "--url", url, cwd=tmp_path)
        assert csv.out.splitlines()[1].startswith("SO-1,order,")
        scopes = sightline("kpis", "orders", "--url", url, cwd=tmp_path)
        assert [line.split()[0] for line in scopes.out.splitlines()[:2]] == ["scope", "total"]
        for words in (("kpis", "ordres"), ("contributors", "ordres")):
            misspelt = sightline(*words, "--url", url, cwd=tmp_path)
            assert (misspelt.code, "did you mean 'orders'?" in misspelt.err) == (2, True), misspelt
        part = sightline("contributors", "orders", "--part", "vale", "--url", url, cwd=tmp_path)
        assert "part = 'vale'" in part.err
        assert "did you mean 'value'?" in part.err
        kpis = tmp_path / "mine" / "kpis.yaml"
        kpis.write_text(kpis.read_text().replace("title: Order value today", "title: Revenue"))
        applied = sightline("apply", "mine", "--url", url, cwd=tmp_path).out.splitlines()
        assert applied[:2] == ["· Kpi revenue  same version: title", "1 change, 6 stay as they are"]
        assert re.fullmatch(r"in force: [0-9a-f]{16}", applied[2])
        renamed = sightline("kpis", "--url", url, cwd=tmp_path)
        assert re.search(r"Revenue +49.90 EUR", renamed.out)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert "Traceback" not in errors


def _orders(url: str) -> float | None:
    kpis = httpx2.get(f"{url}/api/v1/kpis").json()["kpis"]
    values = next(kpi["values"] for kpi in kpis if kpi["definition"]["name"] == "orders")
    return next((value["value"] for value in values if not value["scope"]), None)


def test_every_command_that_asks_a_server_names_it_by_the_same_option(tmp_path: Path) -> None:
    """``--url``: whoever knows one command knows them all."""
    asking = (
        ["kpis"],
        ["cases"],
        ["contributors"],
        ["sources"],
        ["reconcile"],
        ["map", "try"],
        ["lookups", "list"],
    )
    for words in asking:
        told = sightline(*words, "--help", cwd=tmp_path)
        assert "--url" in told.out, words
        assert "--server" not in told.out, words


def test_asking_a_server_that_is_away_says_how_to_start_it(tmp_path: Path) -> None:
    """Exit code 3 and a remedy."""
    answer = sightline("kpis", "--url", f"http://127.0.0.1:{free_port()}", cwd=tmp_path)
    assert answer.code == 3
    assert "sightline up" in answer.err

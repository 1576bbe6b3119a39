"""What lies in deploy/ fits together, and speaks of metrics that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from api.families import METRICS
from services.domain.facts import Status
from services.settings import Settings
from services.topics import DAY, Topics
from sightline.serving import PORTS

ROOT = Path(__file__).resolve().parents[2]
DASHBOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def expressions(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def rules() -> list[dict[str, Any]]:
    loaded = yaml.safe_load(RULES.read_text())
    return [rule for group in loaded["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: str(path.name))
def test_dashboards_ask_only_for_metrics_that_exist(path: Path) -> None:
    """Each name in a query is one of the closed list; KPI families are chosen by a variable."""
    known = {family.name for family in METRICS}
    dashboard = json.loads(path.read_text())
    asked = set(re.findall(r"\bsightline_\w+", " ".join(expressions(dashboard))))
    assert asked
    assert asked <= known


def test_alerts_ask_only_for_metrics_and_labels_that_exist() -> None:
    """Also the labels that their texts name, and the statuses that they wait for."""
    families = {family.name: family for family in METRICS}
    for rule in rules():
        names = re.findall(r"\bsightline_\w+", rule["expr"])
        assert set(names) <= set(families)
        labels = {label for name in names for label in families[name].labels} or {"instance", "job"}
        assert set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])) <= labels
        statuses = re.findall(r'status="(\w+)"', rule["expr"])
        assert set(statuses) <= {status.value for status in Status}


def test_panels_are_explained_and_do_not_overlap() -> None:
    """Each says what it shows; each cell of the grid belongs to one."""
    for path in DASHBOARDS:
        panels = json.loads(path.read_text())["panels"]
        assert all(panel["description"] for panel in panels)
        cells = [
            (x, y)
            for at in (panel["gridPos"] for panel in panels)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        ]
        assert len(cells) == len(set(cells))
        assert len({panel["id"] for panel in panels}) == len(panels)


def test_services_run_commands_with_settings_that_exist(compose: dict[str, Any]) -> None:
    """Every variable of ours in the compose file is a setting; every dependency is a service."""
    for service in compose["services"].values():
        for name in service.get("environment", {}):
            if name.startswith("SIGHTLINE_"):
                field: Any = Settings
                for part in name.removeprefix("SIGHTLINE_").lower().split("__"):
                    field = field.model_fields[part].annotation
        assert set(service.get("depends_on", [])) <= set(compose["services"])
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in compose["volumes"] or source.startswith("$") or (ROOT / source).exists()


def test_nothing_is_published_beyond_this_machine(compose: dict[str, Any]) -> None:
    """A laptop on a foreign network offers nothing to it."""
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_what_is_mounted_into_the_servers_is_there(compose: dict[str, Any]) -> None:
    """Prometheus finds its rules and its target, Grafana its data source and its dashboards."""
    prometheus = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    assert [(RULES.parent / name).exists() for name in prometheus["rule_files"]] == [True]
    (job,) = prometheus["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    assert target == f"api:{Settings().api.port}"
    assert target.split(":")[0] in compose["services"]
    found = {name: each["port"] for each in job["dns_sd_configs"] for name in each["names"]}
    assert found == PORTS
    assert found.keys() <= compose["services"].keys()
    assert all(str(port) in compose["services"][name]["healthcheck"]["test"] for name, port in found.items())
    provisioning = ROOT / "deploy" / "grafana" / "provisioning"
    source = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"][0]
    assert all(source["uid"] in path.read_text() for path in DASHBOARDS)
    provider = yaml.safe_load((provisioning / "dashboards" / "sightline.yml").read_text())["providers"][0]
    mounts = compose["services"]["grafana"]["volumes"]
    assert any(mount.split(":")[1] == provider["options"]["path"] for mount in mounts)


def test_one_kafka_version_everywhere(compose: dict[str, Any]) -> None:
    """Tests and the compose file run the same broker."""
    pom = (ROOT / "deploy" / "kafka" / "pom.xml").read_text()
    (version,) = set(
        re.findall(
            r"<groupId>org.apache.kafka</groupId>\s*<artifactId>.+?</artifactId>\s*<version>(.+?)</version>",
            pom,
        )
    )
    assert compose["services"]["kafka"]["image"] == f"apache/kafka:{version}"


def test_the_guide_lists_the_topics_as_they_are_declared() -> None:
    """docs/kafka.md says what is created: name, partitions, cleanup, retention in days."""
    guide = (ROOT / "docs" / "kafka.md").read_text()
    told = re.findall(r"^\| `(\S+)` \| (\d+) \| (\w+) \| (\d*)", guide, re.MULTILINE)
    declared = [
        (spec.name, str(spec.partitions), spec.cleanup.value, str((spec.retention_ms or 0) // DAY or ""))
        for spec in Topics().all()
    ]
    assert told == declared

"""What the HTTP API works with, put together from a node's parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.dependencies import Dependencies
from services import wiring
from services.adapters.cel import CelEvaluator
from services.changing import Changing
from services.contributors import ContributorLists
from services.importing.handed_in import HandedIn
from services.importing.inbound import inbound as make_inbound
from services.intake.http import HttpIntake
from services.keys import Keyring
from services.runs import RunCatalogues
from services.source_ids import SourceIds
from services.timelines import Timelines
from sightline.vitals import vitals

if TYPE_CHECKING:
    from services.intake.framing import Intake
    from services.live import LiveView
    from sightline.node import Node


def dependencies(node: Node, keyring: Keyring, live: LiveView, intake: Intake) -> Dependencies:
    """Everything that ``api.app.create_app`` needs."""
    settings, database = node.settings, node.database
    inbound = make_inbound(intake, node.mappings, intake.catalogue, CelEvaluator())
    load = wiring.program_loader()
    changing = None
    if node.lookups is not None:
        changing = Changing(
            intake, node.lookups, inbound, database.runs, node.clock, settings.tenant, CelEvaluator()
        )
    catalogues = RunCatalogues(database.runs, lambda: intake.catalogue, load)
    return Dependencies(
        tenant=settings.tenant,
        clock=node.clock,
        intake=HttpIntake(intake, settings.intake.sources, inbound.replay),
        live=live,
        catalogues=catalogues,
        history=database.history,
        cases=database.cases,
        dead_letters=database.dead_letters,
        runs=database.runs,
        keyring=keyring,
        timelines=Timelines(node.log, node.topics, catalogues.program),
        contributors=ContributorLists(node.log, node.topics, catalogues.program, load),
        vitals=vitals(node),
        intake_counters=intake.counters,
        lookups=node.lookups,
        changing=changing,
        handed_in=HandedIn(node.log, node.topics),
        inbound=inbound,
        source_ids=SourceIds(node.log, node.topics),
        hosts=(settings.api.host,),
        max_body_bytes=settings.api.max_body_bytes,
        stream_interval_ms=settings.api.stream_interval_ms,
    )

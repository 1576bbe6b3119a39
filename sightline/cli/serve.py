"""``up`` and ``run``: everything in one process, or its parts in processes of their own."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Port = Annotated[
    int | None, typer.Option(help="Port of the page and the API; 0 picks a free one.", show_default="8321")
]
Host = Annotated[str | None, typer.Option(help="Address to bind to.", show_default="127.0.0.1")]


class Part(StrEnum):
    """What can run as a process of its own."""

    API = "api"
    PROCESSOR = "processor"
    RECORDER = "recorder"


def up(
    folder: Annotated[
        Path, typer.Argument(help="The catalogue's folder.", show_default="this folder")
    ] = Path(),
    host: Host = None,
    port: Port = None,
) -> None:
    """Serve a catalogue: intake, processors, recorder, API and page in one process."""
    from sightline.serving import serve

    serve(folder, {part.value for part in Part}, host=host, port=port)


Vitals = Annotated[
    int | None,
    typer.Option(
        help="Port of the API, or of a processor's or recorder's /livez, /readyz and /metrics; 0 picks a free one.",
        show_default="8321 api, 8322 processor, 8323 recorder; the latter two a free one where that is taken",
    ),
]


def run(
    part: Annotated[Part, typer.Argument(help="Which part.")],
    folder: Annotated[
        Path,
        typer.Argument(help="The catalogue's folder (the api publishes it).", show_default="this folder"),
    ] = Path(),
    host: Host = None,
    port: Vitals = None,
) -> None:
    """Run one part as a process of its own; needs Kafka (SIGHTLINE_BROKER__URL=kafka://…)."""
    from sightline.serving import serve

    serve(folder, {part.value}, host=host, port=port)

"""Where each kind of process listens."""

from __future__ import annotations

import pytest

from services.errors import Conflict
from services.settings import Api, Settings
from sightline import serving
from sightline.node import ALL, API, PROCESSOR
from sightline.serving import listen
from tests.servers import free_port


def test_a_second_processor_takes_a_free_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first has the usual one; a port that was asked for, and that of an api, is an error when it is taken."""
    usual = free_port()
    monkeypatch.setattr(serving, "PORTS", {PROCESSOR: usual})
    settings = Settings(api=Api(port=usual))
    with listen(settings, {PROCESSOR}) as first, listen(settings, {PROCESSOR}) as second:
        assert first.getsockname()[1] == usual
        assert second.getsockname()[1] not in (usual, 0)
        for parts, given in (({PROCESSOR}, usual), ({API}, None), (ALL, None)):
            with pytest.raises(Conflict, match="in use"):
                listen(settings, parts, given)

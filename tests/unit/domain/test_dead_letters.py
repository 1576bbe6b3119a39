"""Why the engine refuses something: a closed list."""

from __future__ import annotations

import ast
import inspect

from services.domain import judge, observe, runstate
from services.domain.facts import ENGINE_CODES

WRITES = {"_list", "_refuse", "_letter"}


def test_every_code_that_the_engine_gives_is_listed() -> None:
    """Whoever asks for dead letters by code is told which codes there are."""
    given = set()
    for module in (judge, observe, runstate):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in WRITES
            ):
                texts = [one.value for one in node.args if isinstance(one, ast.Constant)]
                given |= {text for text in texts[:1] if isinstance(text, str)}
    assert given == set(ENGINE_CODES)

"""``/api/v1/keys``: API keys; their text is shown once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Body
from starlette.responses import Response

from api.dependencies import Admin, Deps
from api.shapes import KeyShape, KeysShape, answer
from services.domain.stored import ApiKey

router = APIRouter(prefix="/api/v1", tags=["keys"])


@dataclass(frozen=True, slots=True)
class NewKey:
    """Who or what will use it, and for what: read, write, admin."""

    name: str
    scopes: list[str]


@router.get("/keys", operation_id="listKeys", responses={200: {"model": KeysShape}})
async def list_keys(deps: Deps, _: Admin) -> Response:
    """All keys, revoked ones too, without their secrets."""
    return answer(KeysShape([_shape(key, None) for key in await deps.keyring.list()]))


@router.post("/keys", operation_id="createKey", status_code=201, responses={201: {"model": KeyShape}})
async def create_key(
    deps: Deps,
    _: Admin,
    new: Annotated[NewKey, Body(examples=[{"name": "grafana", "scopes": ["read"]}])],
) -> Response:
    """A new key; ``key`` is not shown again. With the first one, every request needs a key."""
    key, text = await deps.keyring.create(new.name, new.scopes)
    return answer(_shape(key, text), 201)


@router.delete("/keys/{key_id}", operation_id="revokeKey", status_code=204)
async def revoke_key(deps: Deps, _: Admin, key_id: str) -> Response:
    """Refuse the key from now on."""
    await deps.keyring.revoke(key_id)
    return Response(status_code=204)


def _shape(key: ApiKey, text: str | None) -> KeyShape:
    return KeyShape(key.id, key.name, list(key.scopes), key.created, key.revoked, text)

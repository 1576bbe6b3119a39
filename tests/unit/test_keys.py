"""API keys: shown once, kept hashed, refused once revoked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from services.domain.stored import ApiKey
from services.errors import InvalidInput, Refused, Unauthenticated, Unavailable
from services.keys import Keyring, KeyScope, check_address, is_loopback


class Kept:
    """``ports.ApiKeys`` in a list."""

    def __init__(self) -> None:
        self.keys: list[ApiKey] = []
        self.away = False

    async def add(self, key: ApiKey) -> None:
        self.keys.append(key)

    async def list(self, tenant: str) -> Sequence[ApiKey]:
        if self.away:
            raise Unavailable("away")
        return [key for key in self.keys if key.tenant == tenant]

    async def revoke(self, tenant: str, key: str, at: int) -> None:
        self.keys = [replace(each, revoked=at) if each.id == key else each for each in self.keys]


class At:
    """A clock that a test sets."""

    def __init__(self, at: int) -> None:
        self.at = at

    def now(self) -> int:
        return self.at


async def test_without_keys_everybody_on_the_machine_may_do_all() -> None:
    """And only on the machine: another address is refused."""
    keyring = Keyring(Kept(), At(0), "default")
    (await keyring.authenticate(None)).require(KeyScope.ADMIN)
    await check_address("127.0.0.1", keyring)
    with pytest.raises(Refused, match=r"0\.0\.0\.0"):
        await check_address("0.0.0.0", keyring)


async def test_a_key_is_needed_once_there_is_one() -> None:
    """Its text is not kept; it grants its scopes and nothing else; other addresses may be bound then."""
    kept = Kept()
    keyring = Keyring(kept, At(7), "default")
    key, text = await keyring.create("grafana", ["read"])
    assert text not in str(kept.keys)
    assert (key.name, key.scopes, key.created) == ("grafana", ("read",), 7)
    grant = await keyring.authenticate(f"Bearer {text}")
    assert (grant.tenant, grant.key) == ("default", key.id)
    grant.require(KeyScope.READ)
    with pytest.raises(Refused, match="write"):
        grant.require(KeyScope.WRITE)
    for wrong in (None, text, f"Basic {text}", f"Bearer {text}x"):
        with pytest.raises(Unauthenticated):
            await keyring.authenticate(wrong)
    await check_address("0.0.0.0", keyring)


async def test_what_others_change_is_noticed_within_five_seconds() -> None:
    """The database is asked again then; what this process changes counts at once."""
    kept, clock = Kept(), At(0)
    keyring, other = Keyring(kept, clock, "default"), Keyring(kept, clock, "default")
    assert not await keyring.any()
    key, text = await other.create("wms", ["write"])
    assert not await keyring.any()
    clock.at = 5_000
    await keyring.authenticate(f"Bearer {text}")
    await keyring.revoke(key.id)
    assert not await keyring.any()


async def test_known_keys_hold_while_the_database_is_away() -> None:
    """The stream of events does not stop for it; before anything is known, nobody is let in."""
    kept, clock = Kept(), At(0)
    keyring = Keyring(kept, clock, "default")
    _, text = await keyring.create("wms", ["write"])
    await keyring.authenticate(f"Bearer {text}")
    kept.away, clock.at = True, 60_000
    assert (await keyring.authenticate(f"Bearer {text}")).tenant == "default"
    with pytest.raises(Unavailable):
        await Keyring(kept, clock, "default").any()


async def test_scopes_and_names_are_checked() -> None:
    """A typing error must not make a key that can do nothing."""
    keyring = Keyring(Kept(), At(0), "default")
    for name, scopes in (("x", ["raed"]), ("x", []), (" ", ["read"])):
        with pytest.raises(InvalidInput):
            await keyring.create(name, scopes)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("example.com", False),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(host: str, loopback: bool) -> None:  # noqa: FBT001  # a parameter of cases
    """Names other than localhost are not looked up."""
    assert is_loopback(host) is loopback

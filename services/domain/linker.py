"""What the cases of one process in one partition pass on to the cases that they are related to.

An *entry* is one event in one role: it begins a relation, ends one, or is itself to be passed. Entries are chained to
their case. A pair of a beginning and an event *stands* while neither was taken back and the relation had not ended by
the event's time. What a pair says follows from the two alone, its time included: the event's, but never before the
relation began. Without fields of its own, two cases are related or they are not: pairs of the same event then make one
copy.

Whatever is heard *touches* pairs, also what was superseded as soon as it came: ``tell`` says of each what it comes to
now, whether or not that is new. Who hears it needs no more than the word with the highest version (``passing.py`` says
why).

An entry goes when it was not mentioned, nor part of a lasting pair of a case of which anything was heard, for the
horizon of the relation or of an event type's corrections, whichever of those here is longest. About 130 bytes each,
and the event itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.domain.batch import BlockRows
from services.domain.case_columns import grown
from services.domain.catalogue import Catalogue, EventType, Field, Passed
from services.domain.chains import Chains
from services.domain.event_texts import cold, column, read, texts, values, with_way, write
from services.domain.frames import Frame, Row
from services.domain.identity import hash64
from services.domain.index import Index, first_of_each
from services.domain.pairs import Lasting, copies, in_order, joined, lasting, mixed, moments, order_of
from services.domain.passages import passages_from, relation_fields
from services.domain.rows import Codes, Hashes, Mask, Places
from services.domain.texts import Packed, Texts

_HOUR = 3_600_000
_LEAST = 64
_END, _BEGIN, _EVENT = range(3)
_SUBJECT = "subject"
_COLUMNS: Mapping[str, type] = {
    "role": np.int32,
    "time": np.int64,
    "touched": np.int64,
    "stands": np.bool_,
    "case": np.uint64,
    "other": np.uint64,
    "identity": np.uint64,
}


class Role(NamedTuple):
    """Events of type ``event`` that begin or end a relation with ``process``, or are passed themselves ("")."""

    kind: int
    process: str
    event: str


class Told(NamedTuple):
    """A copy as the other case reads it, and whether it is taken back."""

    row: Row
    withdrawn: bool


class Heard(NamedTuple):
    """Copies of events of type ``event``: those ``only`` of ``rows`` (None: all), which came in ``frames``; ``now`` is
    engine time.
    """

    event: str
    rows: BlockRows
    frames: Sequence[Frame]
    now: int
    only: Places | None = None

    @property
    def at(self) -> Places:
        """Row numbers."""
        return np.arange(self.rows.n) if self.only is None else self.only


class _Entries(NamedTuple):
    """Entries of some cases: their numbers, the position of their case, their role, whether they were touched."""

    at: Codes
    case: Places
    role: Codes
    touched: Mask

    def where(self, mask: Mask) -> _Entries:
        return _Entries(self.at[mask], self.case[mask], self.role[mask], self.touched[mask])


class Linker:
    """The entries of the cases of ``process``."""

    def __init__(self, process: str, catalogue: Catalogue) -> None:
        self.process = process
        self._events = catalogue.events
        self._passages = [(one, one.passed) for one in passages_from(catalogue, process) if one.passed]
        self._objects = {name: one.object for name, one in catalogue.processes.items()}
        self.roles = list(dict.fromkeys(role for _, passed in self._passages for role in _roles(passed)))
        self._fields = [self._fields_of(role) for role in self.roles]
        self._by_event: dict[str, list[int]] = {}
        for number, role in enumerate(self.roles):
            self._by_event.setdefault(role.event, []).append(number)
        self._kinds = np.array([role.kind for role in self.roles], np.int8)
        self._partners = np.array([hash64(role.process.encode()) for role in self.roles], np.uint64)
        self._touched: list[Codes] = []
        self._hour = 0
        correctable = [catalogue.events[role.event].correctable for role in self.roles]
        horizons = [passed.relation.horizon_ms for _, passed in self._passages]
        self._horizon = max(horizons + [how.horizon_ms for how in correctable if how], default=0) + _HOUR
        self._hold(Index(), Texts(), {name: np.zeros(0, type_) for name, type_ in _COLUMNS.items()})

    def __len__(self) -> int:
        return len(self._index)

    @property
    def nbytes(self) -> int:
        """Memory held."""
        own = self._index.nbytes + self._cases.nbytes + self._chains.nbytes + self._texts.nbytes
        return own + sum(held.nbytes for held in self._columns.values())

    @property
    def further(self) -> bool:
        """Whether some of what is passed on was passed on to here."""
        return any(self._events[passed.event].passed for _, passed in self._passages)

    def concerns(self, event: str) -> bool:
        """Whether events of this type have a role here."""
        return event in self._by_event

    def mention(self, heard: Heard) -> None:
        """There are such events; those that are new here do not count, unless they are heard as well."""
        for number in self._by_event[heard.event]:
            self._take(number, heard)

    def hear(self, heard: Heard) -> None:
        """Take copies of events of a type that concerns this: they count."""
        for number in self._by_event[heard.event]:
            entries = self._take(number, heard)
            self._columns["stands"][entries] = True

    def forget(self, event: str, identities: Hashes) -> None:
        """These events never happened."""
        for number in self._by_event[event]:
            found = self._index.find(mixed(identities, _salt(self.roles[number])))
            found = found[found >= 0]
            self._columns["stands"][found] = False
            self._touched.append(found)

    def tell(self, now: int) -> Iterator[Told]:
        """What the pairs come to that were touched since the last call."""
        if not self._touched:
            return
        touched = np.unique(np.concatenate(self._touched))
        self._touched = []
        cases = np.unique(self._chains.case[touched]).astype(np.intp)
        at = self._chains.of(cases)
        position = np.searchsorted(cases, self._chains.case[at])
        entries = _Entries(at, position, self._columns["role"][at], np.isin(at, touched))
        events = self._kinds[entries.role] == _EVENT
        begun, until = self._relations(entries.where(~events))
        said = cache(self._said)
        for passage, passed in self._passages:
            mine = self._partners[begun.role] == hash64(passed.process.encode())
            wanted = entries.role == self.roles.index(Role(_EVENT, "", passed.event))
            pairs = _Pairs(begun.where(mine), Lasting(*(each[mine] for each in until)), entries.where(wanted))
            yield from self._copies(passage, passed, pairs, now, said)

    def leave(self, now: int) -> None:
        """Once an hour, let go of what is beyond the horizon; call it where the log says so."""
        if now // _HOUR > self._hour:
            self._hour = now // _HOUR
            self._keep(self._columns["touched"][: len(self)] + self._horizon > now)

    def adopt(self, other: Linker) -> None:
        """Take over what another catalogue's linker of this process keeps, in the roles that are here the same."""
        roles = {role: number for number, role in enumerate(self.roles)}
        same = [
            roles[role] if role in roles and _agree(fields, self._fields[roles[role]]) else -1
            for role, fields in zip(other.roles, other._fields, strict=True)
        ]
        self.load(*other.arrays())
        role = np.array([*same, -1], np.int32)[self._columns["role"][: len(self)]]
        self._columns["role"][: len(self)] = role
        self._keep(role >= 0)

    def arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """A copy of everything, when all that was touched has been told."""
        n = len(self)
        held = {name: column[:n].copy() for name, column in self._columns.items()}
        held |= {"texts": np.frombuffer(self._texts.blob, np.uint8), "offsets": self._texts.offsets}
        return {"hour": self._hour}, {"keys": self._index.keys().copy(), **held}

    def load(self, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Become what ``arrays()`` gave, of a linker with the same roles."""
        self._hour = meta["hour"]
        written = Texts(arrays["texts"].tobytes(), arrays["offsets"])
        self._hold(Index(arrays["keys"]), written, {name: arrays[name] for name in _COLUMNS})

    def _hold(self, index: Index, written: Texts, columns: Mapping[str, NDArray[Any]]) -> None:
        self._index, self._texts = index, written
        self._cases, self._chains = Index(), Chains()
        self._columns: dict[str, NDArray[Any]] = dict(columns)
        self._reserve()
        self._chain(np.arange(len(self), dtype=np.int32))

    def _keep(self, kept: Mask) -> None:
        if kept.all():
            return
        self._index.keep(kept)
        self._texts.keep(kept)
        columns = {name: column[: kept.size][kept] for name, column in self._columns.items()}
        self._hold(self._index, self._texts, columns)

    def _reserve(self) -> None:
        for name, held in self._columns.items():
            self._columns[name] = grown(held, max(_LEAST, len(self)), 0)

    def _chain(self, entries: Codes) -> None:
        """Chain new entries to their cases."""
        cases, _ = self._cases.upsert(self._columns["case"][entries])
        self._chains.reserve(len(self._cases))
        self._chains.grow(len(self))
        self._chains.link(entries, cases.astype(np.intp))

    def _fields_of(self, role: Role) -> Mapping[str, Field]:
        """The fields that an entry in this role keeps."""
        if role.kind == _EVENT:
            return self._events[role.event].fields
        relation = next(one.relation for _, one in self._passages if one.process == role.process)
        return relation_fields(self._events, relation) if role.kind == _BEGIN else {}

    def _take(self, number: int, heard: Heard) -> Codes:
        """The entries of events in a role; new ones do not stand."""
        heard = heard._replace(only=heard.at)
        role, names = self.roles[number], [""] * heard.at.size
        if role.kind != _EVENT:
            found = self._named(role, heard)
            heard = heard._replace(only=heard.at[[bool(one) for one in found]])
            names = [one for one in found if one]
        rows, at = heard.rows, heard.at
        identities = rows.hash("identity")[at]
        entries, before = self._index.upsert(mixed(identities, _salt(role)))
        self._reserve()
        held = self._columns
        held["role"][entries] = number
        held["time"][entries], held["touched"][entries] = rows.number("time")[at], heard.now
        held["case"][entries], held["identity"][entries] = rows.hash("key")[at], identities
        held["other"][entries] = np.fromiter((hash64(name.encode()) for name in names), np.uint64, len(names))
        new = (entries >= before).nonzero()[0]
        new = new[first_of_each(entries[new] - before)]
        self._texts.extend(
            Packed.of(
                self._written(number, heard._replace(only=at[new]), [names[one] for one in new.tolist()])
            )
        )
        self._chain(entries[new])
        self._touched.append(entries)
        return entries

    def _named(self, role: Role, heard: Heard) -> list[str]:
        """The id of the case at the other end, as each event names it; "" where it names none."""
        event = self._events[role.event]
        field = event.fields.get(event.objects[self._objects[role.process]])
        if field is None:
            return [
                str(read(text.decode()).get(_SUBJECT) or "")
                for text in cold(heard.rows, heard.frames, heard.at)
            ]
        return ["" if one is None else str(one) for one in column(heard.rows, field, heard.at)]

    def _written(self, number: int, heard: Heard, names: Sequence[str]) -> list[bytes]:
        """What is remembered of each event: of a beginning (other case, own case, values); of what is passed (source,
        values) and the event itself; of an end nothing.
        """
        kind, rows, at = self.roles[number].kind, heard.rows, heard.at
        if kind == _END or not at.size:
            return [b""] * at.size
        kept = values(rows, self._fields[number], at)
        if kind == _BEGIN:
            return [write(one).encode() for one in zip(names, texts(rows, "", at), kept, strict=True)]
        heads = zip(texts(rows, "source", at), kept, strict=True)
        events = cold(rows, heard.frames, at)
        return [write(head).encode() + b"\n" + event for head, event in zip(heads, events, strict=True)]

    def _said(self, entry: int) -> tuple[list[Any], bytes]:
        """What ``_written`` wrote."""
        head, _, event = self._texts.raw(entry).partition(b"\n")
        return read(head.decode()), event

    def _relations(self, entries: _Entries) -> tuple[_Entries, Lasting]:
        """The beginnings among beginnings and ends."""
        held, at = self._columns, entries.at
        begins = self._kinds[entries.role] == _BEGIN
        pair = mixed(mixed(held["case"][at], held["other"][at]), self._partners[entries.role])
        until = lasting(pair, held["time"][at], held["stands"][at] & ~begins, begins, entries.touched)
        return entries.where(begins), until

    def _copies(
        self, passage: EventType, passed: Passed, pairs: _Pairs, now: int, said: Callable[[int], Any]
    ) -> Iterator[Told]:
        """The copies that were touched, of events of one type along one relation."""
        held, (begun, until, events) = self._columns, pairs
        ours, theirs = joined(begun.case, events.case)
        begin, event = begun.at[ours], events.at[theirs]
        stands = held["stands"][begin] & held["stands"][event] & (held["time"][event] < until.until[ours])
        relation = held["identity"][begin]
        if not passed.relation.fields:
            relation = mixed(held["case"][begin], held["other"][begin])
        keys = mixed(mixed(relation, held["identity"][event]), _salt([passage.name]))
        further = self._events[passed.event].passed is not None
        order = order_of(held["identity"][event]) if further else moments(held["time"][event])
        found = copies(
            in_order(keys, order),
            np.maximum(held["time"][event], held["time"][begin]),
            stands,
            (begun.touched | until.touched)[ours] | events.touched[theirs],
        )
        lasts = until.until[ours] + self._horizon > now
        held["touched"][begin[lasts]] = held["touched"][event[lasts]] = now
        for number in found.touched.nonzero()[0].tolist():
            pair, identity, time = int(found.pair[number]), int(found.key[number]), int(found.time[number])
            (name, own, more), _ = said(int(begin[pair]))
            (source, kept), text = said(int(event[pair]))
            every = {**kept, **more}
            cells = tuple(every.get(name) for name in passage.fields)
            text = with_way(text, self.process, own, further=further)
            row = Row(passage.name, passed.process, False, name, time, source, identity, cells, text)
            yield Told(row, bool(found.withdrawn[number]))


class _Pairs(NamedTuple):
    """Beginnings, until when they last, and events."""

    begun: _Entries
    until: Lasting
    events: _Entries


def _roles(passed: Passed) -> Iterator[Role]:
    yield Role(_EVENT, "", passed.event)
    yield from (Role(_BEGIN, passed.process, one) for one in passed.relation.begins)
    yield from (Role(_END, passed.process, one) for one in passed.relation.ends)


def _salt(words: Sequence[object]) -> Hashes:
    """One hash, in a form that numpy broadcasts."""
    return np.array([hash64("\0".join(map(str, words)).encode())], np.uint64)


def _agree(fields: Mapping[str, Field], others: Mapping[str, Field]) -> bool:
    """Whether what is called the same is of the same kind."""
    both = fields.keys() & others.keys()
    return all((fields[one].type, fields[one].scale) == (others[one].type, others[one].scale) for one in both)

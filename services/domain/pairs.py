"""Beginnings, ends and events of related cases, put together: which pairs of a relation and an event stand."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from services.domain.case_columns import NEVER
from services.domain.rows import Hashes, Mask, Numbers, Places

_TIE_BITS = np.uint64(33)
_MIX = np.uint64(0x9E3779B97F4A7C15)


class Lasting(NamedTuple):
    """Of beginnings: until when each lasts, and whether one of its ends was touched."""

    until: Numbers
    touched: Mask


class Copies(NamedTuple):
    """Pairs that make one copy of an event count once: each copy's ``key``, its earliest ``time`` among those that
    stand, one of its pairs, whether any of them was touched, and whether none stands (``time`` is then that pair's).
    """

    key: Hashes
    time: Numbers
    pair: Places
    touched: Mask
    withdrawn: Mask


def lasting(pair: Hashes, time: Numbers, ends: Mask, begins: Mask, touched: Mask) -> Lasting:
    """Until when what ``begins`` lasts, an element for each of these: the first of its pair's ``ends`` after it.

    All arrays have an element per entry: ``pair`` is the same for what is about the same two cases. What neither
    begins nor ends (an end that was taken back) only touches. An end at the very instant of a beginning belongs to
    what was before.
    """
    order = np.lexsort((begins, time, pair))
    following = np.where(ends[order], np.arange(order.size), order.size)
    following = np.minimum.accumulate(following[::-1])[::-1]
    some = np.flatnonzero(following < order.size)
    some = some[pair[order[following[some]]] == pair[order[some]]]
    until = np.full(order.size, NEVER)
    until[order[some]] = time[order[following[some]]]
    return Lasting(until[begins], np.isin(pair[begins], pair[touched & ~begins]))


def joined(ours: Places, theirs: Places) -> tuple[Places, Places]:
    """Positions in both of all pairs that have the same case."""
    order = np.argsort(theirs, kind="stable")
    starts = np.searchsorted(theirs[order], ours, "left")
    counts = np.searchsorted(theirs[order], ours, "right") - starts
    left = np.repeat(np.arange(ours.size), counts)
    within = np.arange(left.size) - np.repeat(np.cumsum(counts) - counts, counts)
    return left, order[starts[left] + within]


def copies(keys: Hashes, time: Numbers, stands: Mask, touched: Mask) -> Copies:
    """One of each of ``keys``; arrays have an element per pair."""
    found, first, copy = np.unique(keys, return_index=True, return_inverse=True)
    earliest, hot = np.full(found.size, NEVER), np.zeros(found.size, np.bool_)
    np.minimum.at(earliest, copy[stands], time[stands])
    np.logical_or.at(hot, copy, touched)
    withdrawn = earliest == NEVER
    return Copies(found, np.where(withdrawn, time[first], earliest), first, hot, withdrawn)


def in_order(keys: Hashes, order: Hashes) -> Hashes:
    """Identities made of ``keys`` whose upper 31 bits, which break ties, are ``order``: what happened before a relation
    began is all of one time to who hears of it then.
    """
    identities: Hashes = (order << _TIE_BITS) | (keys >> np.uint64(64 - 33))
    return identities


def order_of(identities: Hashes) -> Hashes:
    """The order that ``in_order`` made them with."""
    order: Hashes = identities >> _TIE_BITS
    return order


def moments(time: Numbers) -> Hashes:
    """Times (epoch ms) to 2 s, in 31 bits: enough until 2109."""
    return (time >> 11).astype(np.uint64)


def mixed(one: Hashes, other: Hashes) -> Hashes:
    """One key of two; which is first matters."""
    key = one ^ (other * _MIX)
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys: Hashes = key ^ (key >> np.uint64(27))
    return keys

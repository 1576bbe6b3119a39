"""Groups of scopes: numbered over several groupings, and taken apart again."""

from __future__ import annotations

import numpy as np

from services.domain.groups import Groups, ScopeGroups
from services.domain.rows import Strings

SITES = ((), ("site",), ("site", "carrier"))


def test_each_scope_falls_into_a_group_per_grouping() -> None:
    """The total is number 0; groups are numbered as they come, whatever their grouping."""
    groups = ScopeGroups(SITES, ("carrier", "site"), Strings())
    groups.add([("x", "A"), ("y", "A")])
    groups.add([("x", "A")])
    assert groups.keys == [
        ((), ()),
        (("site",), ("A",)),
        (("site", "carrier"), ("A", "x")),
        (("site", "carrier"), ("A", "y")),
    ]
    assert groups.of_scope.tolist() == [[0, 1, 2], [0, 1, 3], [0, 1, 2]]


def test_codes_say_the_values() -> None:
    """Grouping by grouping, as many columns as it has dimensions."""
    strings = Strings()
    groups = Groups(SITES, strings)
    groups.number(("site", "carrier"), ("A", "x"))
    groups.number(("site",), ("B",))
    said = {
        grouping: [
            [strings.texts[code] for code in row] for row in groups.codes[rows, : len(grouping)].tolist()
        ]
        for grouping, rows in groups.by_grouping(np.arange(groups.size))
    }
    assert said == {(): [[]], ("site",): [["B"]], ("site", "carrier"): [["A", "x"]]}


def test_groupings_of_many_groups_are_wide() -> None:
    """The others remain."""
    groups = Groups(SITES, Strings())
    for number in range(300):
        groups.number(("site", "carrier"), ("A", str(number)))
    groups.number(("site",), ("A",))
    assert groups.narrow(np.arange(groups.size)).tolist() == [0, 301]

"""The company at work: its processes, each in a module of its own, in one world."""

from __future__ import annotations

from collections.abc import Iterator

from services.simulation import past
from services.simulation.books import Books
from services.simulation.carriers import Carriers
from services.simulation.company import Company
from services.simulation.events import SimulatedEvent
from services.simulation.invoices import Invoices
from services.simulation.orders import Orders
from services.simulation.returns import Returns
from services.simulation.scenarios import DEFAULT_LENGTH, Scenario
from services.simulation.service import Service
from services.simulation.stock import Stock
from services.simulation.warehouse import Warehouse
from services.simulation.world import World
from services.simulation.yard import Yard


class Simulator:
    """The company from ``start`` (epoch ms) on; ``advance`` gives the events that are sent until an instant."""

    def __init__(self, company: Company, seed: int, start: int) -> None:
        self.world = world = World(company, seed, start)
        self._books = Books(world)
        self._stock = Stock(world)
        self._carriers = Carriers(world, Service(world).promise_broken)
        warehouse = Warehouse(world, self._carriers, self._books, self._stock)
        self._orders = Orders(world, warehouse.accept)
        self._invoices = Invoices(world)
        Returns(world, self._books)
        Yard(world, self._stock)

    @property
    def company(self) -> Company:
        """Whose work it is."""
        return self.world.company

    @property
    def now(self) -> int:
        """Up to when it is simulated (epoch ms)."""
        return self.world.now

    def tell_past(self) -> None:
        """Begin with what was before: stock, a plan, the evening's orders, five weeks of cohorts, the invoices."""
        past.tell(self.world, self._books, self._orders, self._stock, self._invoices)

    def start(self, scenario: Scenario, length: int = DEFAULT_LENGTH) -> None:
        """Let something go wrong from now on."""
        self.world.weather.start(scenario, self.world.now, length)
        if scenario is Scenario.CARRIER_OUTAGE:
            self._carriers.carrier_fails(self.world.now)

    def start_at(self, scenario: Scenario, at: int, length: int) -> None:
        """Let something go wrong at ``at``."""
        self.world.at(at, lambda _: self.start(scenario, length))

    def advance(self, until: int) -> Iterator[SimulatedEvent]:
        """Simulate up to ``until``; events in the order in which they are sent."""
        return self.world.advance(until)

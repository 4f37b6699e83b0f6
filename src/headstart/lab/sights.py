"""Every page in every state that people meet, brought about to be judged, and to be drawn.

A sight is a page as somebody sees it. All of them together are a small town: a few people for each
state, so that no sight spoils another.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from headstart.lab.stage import OVERALL_LIMIT_MINUTES, WINDOW_MINUTES, Stage
from headstart.lab.visitors import Person

if TYPE_CHECKING:
    from playwright.sync_api import Page

CONCERN = "The brakes squeal when I stop, louder when it rains."
VEHICLE = "2016 Volkswagen Golf"
NOBODYS = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Sight:
    """A page as somebody sees it. ``press`` brings about what only the open page has."""

    name: str
    who: Person | None
    path: str
    press: "Callable[[Page], None] | None" = None


class Town:
    """People, and what has become of their requests."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.operator = stage.operator()
        self.newcomer = stage.customer("Noor")
        self.idle = stage.mechanic("Ines Duarte")
        self.unfilled, self.silent = self._asked("no answer")
        stage.advance(OVERALL_LIMIT_MINUTES)
        stage.advance(WINDOW_MINUTES)
        self.fallen, _ = self._asked("no answer")
        stage.advance(WINDOW_MINUTES)
        self.matched, self.busy = self._asked("accepted")
        self.completed, _ = self._asked("completed")
        self.cancelled, _ = self._asked("cancelled")
        self.declined, self.decliner = self._asked("declined")
        self.reserved, self.asked = self._asked("no answer")
        self.chosen = self.reserved[0]
        _, self.hesitant = self._asked("no answer")
        self.away = self._sent_away()
        self.paying = stage.customer("Paula", self.idle)
        self.unpaid = stage.submit(self.paying, self.idle).checkout_session

    def _sent_away(self) -> Person:
        """As if three windows had passed them by; waiting for that would end everybody's."""
        who = self._stage.mechanic("Ali Nasser").on_duty()
        who.put("/presence", {"on_duty": False}).raise_for_status()
        of_theirs = f"where mechanic_id = '{who.id}'"
        self._stage.execute(f"update headstart.attendance set ended = 'sent_away' {of_theirs}")
        return who

    def _asked(self, ending: str) -> tuple[tuple[Person, UUID], Person]:
        """A booking with a favourite, and its ending; and the favourite."""
        stage = self._stage
        favourite = stage.mechanic("Maria Lopez").on_duty()
        other = stage.mechanic("Dmitri Volkov").on_duty()
        customer = stage.customer("Carla", favourite, other)
        asked = stage.book(customer, favourite, concern=CONCERN, vehicle=VEHICLE)
        path = f"/session-requests/{asked}"
        if ending in ("accepted", "completed"):
            favourite.accept(asked).raise_for_status()
        if ending == "completed":
            favourite.post(f"{path}/completion").raise_for_status()
        if ending == "cancelled":
            customer.post(f"{path}/cancellation").raise_for_status()
        if ending == "declined":
            favourite.post(f"{path}/declination").raise_for_status()
        return (customer, asked), favourite


def sights(stage: Stage) -> list[Sight]:
    """All of them, on a stage of their own."""
    town = Town(stage)
    return [*_of_anybody(town), *_of_customers(town), *_of_mechanics(town), *_of_operators(town)]


def _of_anybody(town: Town) -> list[Sight]:
    return [
        Sight("home", None, "/"),
        Sight("home-signed-in", town.newcomer, "/"),
        Sight("nobody", None, "/dashboard"),
        Sight("not-for-you", town.newcomer, "/mechanic"),
        Sight("no-such-page", town.newcomer, "/nowhere"),
    ]


def _of_customers(town: Town) -> list[Sight]:
    chosen = f"/intake?plan=standard&preferred_mechanic_id={town.idle.id}&specialist=true"
    ended = {
        name: getattr(town, name)
        for name in ("reserved", "fallen", "matched", "completed", "cancelled", "unfilled")
    }
    return [
        Sight("dashboard-first-time", town.newcomer, "/dashboard"),
        Sight("dashboard", town.chosen, "/dashboard"),
        Sight("dashboard-afterwards", town.completed[0], "/dashboard"),
        Sight("dashboard-unpaid", town.paying, "/dashboard"),
        Sight("choosing", town.paying, f"/favourites/{town.idle.id}"),
        Sight("choosing-in-a-dialog", town.paying, "/dashboard", _choose),
        Sight("plans", town.newcomer, "/intake"),
        Sight("plans-with-favourite", town.paying, f"/plans?preferred_mechanic_id={town.idle.id}"),
        Sight("intake", town.paying, chosen),
        Sight("intake-wrong", town.paying, chosen, _send_it_half_filled),
        Sight("messages", town.cancelled[0], "/messages"),
        Sight("messages-first-time", town.newcomer, "/messages"),
        Sight("payment", town.paying, f"/intake/success?session_id={town.unpaid}"),
        *(Sight(f"request-{name}", who, f"/requests/{one}") for name, (who, one) in ended.items()),
    ]


def _choose(page: "Page") -> None:
    page.get_by_role("link", name="Book Ines again").click()
    page.get_by_role("link", name="Ask Ines first").wait_for()


def _send_it_half_filled(page: "Page") -> None:
    page.get_by_label("E-mail").fill("carla@home")
    page.get_by_role("button", name="Go on to payment").click()
    page.locator(".wrong").first.wait_for()


def _of_mechanics(town: Town) -> list[Sight]:
    return [
        Sight("mechanic-off-duty", town.idle, "/mechanic"),
        Sight("mechanic-asked", town.asked, "/mechanic"),
        Sight("mechanic-busy", town.busy, "/mechanic"),
        Sight("mechanic-open-to-all", town.silent, "/mechanic"),
        Sight("mechanic-sent-away", town.away, "/mechanic"),
        Sight("mechanic-declined", town.hesitant, "/mechanic", _decline),
        Sight("mechanic-history", town.silent, "/mechanic/history"),
        Sight("mechanic-history-empty", town.idle, "/mechanic/history"),
    ]


def _decline(page: "Page") -> None:
    page.locator("#by-name").get_by_role("button", name="Decline").click()
    page.locator(".why-not").wait_for()


def _of_operators(town: Town) -> list[Sight]:
    told = {"reserved": town.reserved, "fallen": town.fallen, "unfilled": town.unfilled}
    return [
        Sight("admin", town.operator, "/admin"),
        Sight("admin-filtered", town.operator, "/admin?stage=open&plan=standard"),
        Sight("admin-analytics", town.operator, "/admin/analytics"),
        Sight("admin-flags", town.operator, "/admin/flags"),
        Sight("admin-unknown", town.operator, f"/admin/requests/{NOBODYS}"),
        *(
            Sight(f"admin-request-{name}", town.operator, f"/admin/requests/{one}")
            for name, (_, one) in told.items()
        ),
        Sight(
            "admin-request-unfolded",
            town.operator,
            f"/admin/requests/{town.declined[1]}?mechanic={town.decliner.id}",
            _unfold,
        ),
    ]


def _unfold(page: "Page") -> None:
    for one in page.locator("details").all():
        one.evaluate("one => { one.open = true; }")

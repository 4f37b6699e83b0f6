"""What the people of the stories see and press."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from headstart.lab.stage import Stage
from headstart.lab.visitors import Person

if TYPE_CHECKING:
    from playwright.sync_api import FrameLocator, Locator, Page

MINUTES_AND_SECONDS = re.compile(r"^\d+:\d\d$")
CONCERN = "It squeaks when I brake."


@dataclass(frozen=True, slots=True)
class Cast:
    """A customer, their favourite, and a mechanic they do not know."""

    customer: Person
    favourite: Person
    other: Person

    @classmethod
    def on(cls, stage: Stage) -> "Cast":
        """New people: whatever other stories did does not concern them."""
        favourite = stage.mechanic("Maria Lopez").on_duty()
        other = stage.mechanic("Dmitri Volkov").on_duty()
        return cls(stage.customer("Carla", favourite), favourite, other)

    def intake(self, **more: str) -> str:
        """The address of the intake for the favourite."""
        rest = "".join(f"&{name}={value}" for name, value in more.items())
        return f"/intake?plan=standard&preferred_mechanic_id={self.favourite.id}{rest}"


def offer(page: "Page", request_id: UUID | str, of: str = "") -> "Locator":
    """The card of one request on a mechanic's page: in one of the lists, or in any."""
    return page.locator(f'{of} .offer[data-session="{request_id}"]:not([data-ended])')


def ending(page: "Page", request_id: UUID | str) -> "Locator":
    """What is said about an offer that is none any more."""
    return page.locator(f'.offer[data-session="{request_id}"] .ending')


def book_again(page: "Page | FrameLocator") -> None:
    """From the dashboard to the intake: the favourite first, for a video session."""
    page.get_by_role("link", name="Book Maria again").click()
    page.get_by_role("link", name="Ask Maria first").click()
    page.get_by_role("button", name="Video Session").click()


def fill_in(page: "Page | FrameLocator") -> None:
    """What the form of the intake wants to know."""
    page.get_by_label("What is wrong?").fill(CONCERN)
    page.get_by_label("Year").fill("2016")
    page.get_by_label("Make").fill("Volkswagen")
    page.get_by_label("Model").fill("Golf")
    page.get_by_label("E-mail").fill("carla@example.test")


def book_and_pay(page: "Page") -> str:
    """Fill in the intake that is open, pay, and answer with the id of the request."""
    fill_in(page)
    page.get_by_role("button", name="Go on to payment").click()
    page.get_by_role("button", name="Pay 29.99 CAD").click()
    page.wait_for_url("**/requests/*")
    return page.url.rpartition("/")[2]

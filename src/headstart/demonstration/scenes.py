"""What can be played: the plan's five scenarios, and three more, each in a few steps.

A step says what happens, what to look at on each screen, and which act makes it happen.
"""

from dataclasses import dataclass
from enum import Enum, auto


class Act(Enum):
    """What the director can do, in the place of the people of the play."""

    BOOK_FAVOURITE = auto()
    BOOK_ANYBODY = auto()
    FAVOURITE_LEAVES = auto()
    FAVOURITE_ACCEPTS = auto()
    FAVOURITE_DECLINES = auto()
    OTHER_ACCEPTS = auto()
    ASK_EVERYONE = auto()
    CANCEL = auto()
    TO_THE_DEADLINE = auto()
    SWITCH_OFF = auto()
    SWITCH_ON = auto()


@dataclass(frozen=True, slots=True)
class Step:
    """Something happens. ``customer``, ``favourite``, ``other``: what to look at on each screen."""

    act: Act
    title: str
    customer: str
    favourite: str
    other: str


@dataclass(frozen=True, slots=True)
class Scene:
    """One ending of a booking. ``about`` says which of the plan's scenarios it is, if any."""

    id: str
    title: str
    about: str
    steps: tuple[Step, ...]


NOTHING_FOR_OTHERS = "Nothing. For Aisha this request does not exist."

_BOOKED = Step(
    Act.BOOK_FAVOURITE,
    "Carla books Maria again, and pays",
    "Asking Maria Lopez, with the time that is left, and what happens after it.",
    "The offer, asked for by name, with the same clock.",
    NOTHING_FOR_OTHERS,
)
_FELL_BACK = Step(
    Act.TO_THE_DEADLINE,
    "The window passes, and nobody presses anything",
    "Asking everyone, by itself, and why.",
    "Her time alone is over. She may still accept, like anybody else.",
    "Now the offer is here, open to all.",
)
_OTHER_ACCEPTED = Step(
    Act.OTHER_ACCEPTS,
    "Aisha accepts",
    "Aisha Rahman accepted: somebody else than Carla asked for, and it says so.",
    "The offer is marked as taken. It does not vanish without a word.",
    "The job is hers.",
)

SCENES = (
    Scene(
        "accepts",
        "Maria accepts",
        "Scenario 1",
        (
            _BOOKED,
            Step(
                Act.FAVOURITE_ACCEPTS,
                "Maria accepts",
                "Maria Lopez accepted.",
                "The job is hers.",
                "Still nothing: nobody else ever hears of it.",
            ),
        ),
    ),
    Scene(
        "silent",
        "Maria does not answer",
        "Scenario 2",
        (_BOOKED, _FELL_BACK, _OTHER_ACCEPTED),
    ),
    Scene(
        "offline",
        "Maria is offline",
        "Scenario 3",
        (
            Step(
                Act.FAVOURITE_LEAVES,
                "Maria goes off duty",
                "Carla's dashboard: Maria is not online.",
                "Off duty. This is all that customers see of it.",
                "On duty, and waiting.",
            ),
            Step(
                Act.BOOK_FAVOURITE,
                "Carla books Maria all the same, and pays",
                "Maria is asked anyway: she may look at any moment.",
                "The offer waits for her, if she looks.",
                NOTHING_FOR_OTHERS,
            ),
            _FELL_BACK,
            _OTHER_ACCEPTED,
        ),
    ),
    Scene(
        "anybody",
        "No favourite chosen",
        "Scenario 4",
        (
            Step(
                Act.BOOK_ANYBODY,
                "Carla books whoever is free, and pays",
                "Asking everyone, from the first moment.",
                "The offer, open to all: nobody asked for her by name.",
                "The same offer, at the same moment.",
            ),
            Step(
                Act.OTHER_ACCEPTS,
                "Aisha accepts",
                "Aisha Rahman accepted.",
                "The offer is marked as taken.",
                "The job is hers.",
            ),
        ),
    ),
    Scene(
        "switched-off",
        "The switch is off",
        "Scenario 5",
        (
            Step(
                Act.SWITCH_OFF,
                "The operator switches the head start off",
                "Nothing changes for what goes on already.",
                "On duty, and waiting.",
                "On duty, and waiting.",
            ),
            Step(
                Act.BOOK_FAVOURITE,
                "Carla books with Maria as her favourite, and pays",
                "Asking everyone: no promise is shown that nobody keeps.",
                "The offer, open to all. No head start.",
                "The same offer, at the same moment.",
            ),
            Step(
                Act.OTHER_ACCEPTS,
                "Aisha accepts",
                "Aisha Rahman accepted.",
                "The offer is marked as taken.",
                "The job is hers.",
            ),
            Step(
                Act.SWITCH_ON,
                "The operator switches it on again",
                "The next booking has its head start again.",
                "As before.",
                "As before.",
            ),
        ),
    ),
    Scene(
        "declines",
        "Maria declines",
        "One more",
        (
            _BOOKED,
            Step(
                Act.FAVOURITE_DECLINES,
                "Maria declines",
                "Asking everyone, at once. A no is never made personal.",
                "The offer is gone, and is not offered to her again.",
                "Now the offer is here, open to all.",
            ),
            _OTHER_ACCEPTED,
        ),
    ),
    Scene(
        "impatient",
        "Carla asks everyone",
        "One more",
        (
            _BOOKED,
            Step(
                Act.ASK_EVERYONE,
                "Carla does not want to wait",
                "Asking everyone, at her wish.",
                "Her time alone is over. She may still accept, like anybody else.",
                "Now the offer is here, open to all.",
            ),
            Step(
                Act.FAVOURITE_ACCEPTS,
                "Maria is the first to accept, after all",
                "Maria Lopez accepted.",
                "The job is hers.",
                "The offer is marked as taken.",
            ),
        ),
    ),
    Scene(
        "cancels",
        "Carla cancels",
        "One more",
        (
            _BOOKED,
            Step(
                Act.CANCEL,
                "Carla cancels",
                "Cancelled, and where her money is.",
                "The offer is withdrawn, and says so.",
                "Nothing: there never was anything.",
            ),
        ),
    ),
)

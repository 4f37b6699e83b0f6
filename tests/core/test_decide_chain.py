"""Several favourites in order, each with a window; the last step is always the broadcast."""

from headstart.core.refusals import Refusal
from headstart.core.request import FallbackReason, Reserved
from tests.core.cast import (
    NOTHING_YET,
    PREFERRED,
    RIVAL,
    SHORTEN,
    SKIP,
    STRANGER,
    THE_OPERATOR,
    accept,
    ask_everyone,
    cancel,
    cancelled,
    deadline,
    decline,
    ended,
    given,
    matched,
    matched_in_window,
    minute,
    opened,
    request_session,
    requested,
    reserved,
    review,
    skipped,
)

NO_RESPONSE = FallbackReason.NO_RESPONSE
DECLINED = FallbackReason.DECLINED
BUSY = FallbackReason.MECHANIC_BUSY

TWO = given(requested(PREFERRED, RIVAL), reserved(PREFERRED))
SECOND_TURN = TWO.after(10).when(deadline())


def test_the_first_is_asked_first() -> None:
    story = NOTHING_YET.when(request_session(PREFERRED, RIVAL))
    story.then(requested(PREFERRED, RIVAL), reserved(PREFERRED))
    story.when(accept(RIVAL)).refused(Refusal.RESERVED)


def test_after_silence_the_second_gets_a_whole_window() -> None:
    SECOND_TURN.then(ended(PREFERRED, NO_RESPONSE), reserved(RIVAL, at=10, step=1))
    assert SECOND_TURN.known.state == Reserved(RIVAL, 1, minute(20))
    assert SECOND_TURN.known.fallback is None


def test_after_a_no_the_second_is_asked_at_once() -> None:
    story = TWO.after(4).when(decline(PREFERRED))
    story.then(ended(PREFERRED, DECLINED), reserved(RIVAL, at=4, step=1))
    story.when(accept(PREFERRED)).refused(Refusal.RESERVED)


def test_when_the_first_cannot_the_second_is_asked_at_once() -> None:
    story = TWO.after(4).where(PREFERRED, busy=True).when(review())
    story.then(ended(PREFERRED, BUSY), reserved(RIVAL, at=4, step=1))


def test_in_the_second_window_only_the_second_may_accept() -> None:
    SECOND_TURN.when(accept(PREFERRED)).refused(Refusal.RESERVED)
    SECOND_TURN.when(accept(STRANGER)).refused(Refusal.RESERVED)
    SECOND_TURN.when(accept(RIVAL)).then(matched_in_window(RIVAL, at=10))


def test_in_the_second_window_the_first_can_decline_nothing() -> None:
    SECOND_TURN.when(decline(PREFERRED)).then_nothing()


def test_the_chain_ends_with_everybody_for_the_last_reason() -> None:
    story = SECOND_TURN.after(12).when(decline(RIVAL))
    story.then(ended(RIVAL, DECLINED), opened(DECLINED, untold=[PREFERRED, RIVAL]))
    story.when(accept(PREFERRED)).then(matched(PREFERRED, at=12))
    story.when(accept(RIVAL)).refused(Refusal.ALREADY_DECLINED)


def test_the_promise_to_the_first_stays_written_when_the_second_is_asked() -> None:
    assert SECOND_TURN.known.preferred == PREFERRED
    assert SECOND_TURN.known.priority_notified_at == minute(0)


def test_whoever_cannot_be_asked_is_passed_over_at_creation() -> None:
    story = NOTHING_YET.where(PREFERRED, busy=True).when(request_session(PREFERRED, RIVAL))
    story.then(requested(PREFERRED, RIVAL), skipped(PREFERRED, BUSY), reserved(RIVAL, step=1))


def test_whoever_cannot_be_asked_is_passed_over_later() -> None:
    three = given(requested(PREFERRED, STRANGER, RIVAL), reserved(PREFERRED)).after(10)
    three.when(deadline()).then(
        ended(PREFERRED, NO_RESPONSE),
        skipped(STRANGER, FallbackReason.NOT_A_FAVORITE),
        reserved(RIVAL, at=10, step=2),
    )


def test_when_nobody_of_the_chain_can_be_asked_the_last_reason_counts() -> None:
    story = NOTHING_YET.where(PREFERRED, approved=False).where(RIVAL, busy=True)
    story.when(request_session(PREFERRED, RIVAL)).then(
        requested(PREFERRED, RIVAL),
        skipped(PREFERRED, FallbackReason.MECHANIC_UNAVAILABLE),
        skipped(RIVAL, BUSY),
        opened(BUSY),
    )


def test_somebody_passed_over_has_had_no_turn_and_is_told_of_the_broadcast() -> None:
    story = TWO.after(10).where(RIVAL, busy=True).when(deadline())
    story.then(
        ended(PREFERRED, NO_RESPONSE),
        skipped(RIVAL, BUSY),
        opened(BUSY, untold=[PREFERRED]),
    )


def test_somebody_passed_over_is_not_gone_back_to() -> None:
    story = NOTHING_YET.where(PREFERRED, busy=True).when(request_session(PREFERRED, RIVAL))
    story = story.where(PREFERRED).after(10).when(deadline())
    story.then(ended(RIVAL, NO_RESPONSE), opened(NO_RESPONSE, untold=[RIVAL]))


def test_a_window_that_would_leave_no_time_to_broadcast_is_not_begun() -> None:
    story = given(requested(PREFERRED, RIVAL, window=25), reserved(PREFERRED, window=25))
    story.after(25).when(deadline()).then(
        ended(PREFERRED, NO_RESPONSE), opened(NO_RESPONSE, untold=[PREFERRED])
    )


def test_a_first_turn_that_ends_early_makes_room_for_the_second() -> None:
    story = given(requested(PREFERRED, RIVAL, window=25), reserved(PREFERRED, window=25))
    story.after(15).when(decline(PREFERRED)).then(
        ended(PREFERRED, DECLINED), reserved(RIVAL, at=15, window=25, step=1)
    )


def test_a_short_window_fits_where_a_whole_one_does_not() -> None:
    story = given(
        requested(PREFERRED, RIVAL, window=25, policy=SHORTEN), reserved(PREFERRED, window=25)
    )
    story.where(RIVAL, online=False).after(25).when(deadline()).then(
        ended(PREFERRED, NO_RESPONSE), reserved(RIVAL, at=25, window=2, step=1, shortened=True)
    )


def test_policy_skip_passes_over_the_offline_second() -> None:
    story = given(requested(PREFERRED, RIVAL, policy=SKIP), reserved(PREFERRED))
    offline = FallbackReason.MECHANIC_OFFLINE
    story.where(RIVAL, online=False).after(10).when(deadline()).then(
        ended(PREFERRED, NO_RESPONSE),
        skipped(RIVAL, offline),
        opened(offline, untold=[PREFERRED]),
    )


def test_asking_everyone_ends_the_whole_chain() -> None:
    reason = FallbackReason.CUSTOMER_SKIPPED
    story = TWO.after(4).when(ask_everyone())
    story.then(ended(PREFERRED, reason), opened(reason, untold=[PREFERRED]))


def test_the_operator_ends_the_whole_chain_in_the_second_window() -> None:
    reason = FallbackReason.OPERATOR
    story = SECOND_TURN.when(ask_everyone(THE_OPERATOR))
    story.then(ended(RIVAL, reason), opened(reason, untold=[PREFERRED, RIVAL]))


def test_cancelling_in_the_second_window_names_the_second() -> None:
    SECOND_TURN.when(cancel()).then(cancelled(asked=RIVAL))


def test_when_the_facts_of_the_rest_cannot_be_read_everybody_is_asked() -> None:
    story = TWO.after(10).blind().when(deadline())
    story.then(ended(PREFERRED, NO_RESPONSE), opened(FallbackReason.ERROR, untold=[PREFERRED]))


def test_nobody_gets_a_second_turn() -> None:
    story = given(requested(PREFERRED, PREFERRED), reserved(PREFERRED))
    after_silence = story.after(10).when(deadline())
    after_silence.then(ended(PREFERRED, NO_RESPONSE), opened(NO_RESPONSE, untold=[PREFERRED]))
    after_a_no = story.after(4).when(decline(PREFERRED))
    after_a_no.then(ended(PREFERRED, DECLINED), opened(DECLINED, untold=[PREFERRED]))

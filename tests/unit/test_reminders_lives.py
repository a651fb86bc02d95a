"""Any policy over any lives: each reminder sent is justified, each other explained, and the caps hold."""

from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from contract.reminders import ReminderPolicy
from reminders.decide import DoNotSend, Send
from reminders.plan import Kind
from storage.ledger import State
from tests.lives import SILENCE, START, TICK, Life, Record, Span, World, day, has_passed, within
from tests.samples import a_request, payment

DAY = timedelta(days=1)
HOLIDAYS = {
    date(2026, 4, 5), date(2026, 4, 6), date(2026, 4, 25), date(2026, 5, 1), date(2026, 6, 2),
}  # fmt: skip


# Strategies are built once and not at each draw: building them is most of a world's cost.
@cache
def hours(most: int) -> st.SearchStrategy[timedelta]:
    return st.integers(0, most * 24 * 4).map(lambda quarters: timedelta(minutes=15 * quarters))


MOMENTS = hours(60).map(lambda after: START + after)
SOME_MOMENTS = st.lists(MOMENTS, max_size=3)
BOOLEANS, ONE_IN_FOUR, ONE_IN_TEN = st.booleans(), st.integers(0, 3), st.integers(0, 9)


def seldom(draw: Callable[..., Any]) -> datetime | None:
    return draw(MOMENTS) if draw(ONE_IN_TEN) == 9 else None


def spans(draw: Callable[..., Any], longest: int) -> list[Span]:
    starts = draw(SOME_MOMENTS) if draw(ONE_IN_FOUR) == 3 else []
    return [(start, start + draw(hours(longest))) for start in starts]


def some_time_after(draw: Callable[..., Any], instant: datetime, most: int) -> datetime | None:
    return instant + draw(hours(most)) if draw(BOOLEANS) else None


UNREAD = st.fixed_dictionaries(
    {"after_days": st.integers(1, 12), "times": st.integers(1, 3), "days_between": st.integers(1, 6)}
)
UNPAID = st.fixed_dictionaries(
    {"days_before_due": st.lists(st.integers(0, 15), min_size=1, max_size=4, unique=True)}
)
POLICIES = st.fixed_dictionaries(
    {
        "unread": st.sampled_from([True, True, False]).flatmap(lambda asked: UNREAD if asked else st.none()),
        "unpaid": st.sampled_from([True, True, False]).flatmap(lambda asked: UNPAID if asked else st.none()),
        "when_unavailable": st.sampled_from(["skip", "remind"]),
        "on_io_days": st.sampled_from(["avoid", "remind"]),
    }
).map(ReminderPolicy.model_validate)
STATES = st.sampled_from([State.PROCESSED] * 18 + [State.IN_DOUBT, State.REJECTED])
CITIZENS = st.sampled_from(["one", "one", "other"])
POLLED_EVERY = st.sampled_from([1, 7, 30])
WORLDS = 200
SIZES, MOST_PER_DAY = st.integers(1, 5), st.integers(1, 2)


def a_life(draw: Callable[..., Any], number: int) -> Life:
    accepted_at = START + draw(hours(1))
    content: dict[str, Any] = payment(invalid_after_due_date=draw(BOOLEANS))
    content["due_date"] = (accepted_at + timedelta(days=1) + draw(hours(30))).isoformat()
    if draw(ONE_IN_FOUR) == 3:
        del content["payment_data"]
    has_payment = "payment_data" in content
    request = a_request(request_id=f"r-{number}", feature_level_type="ADVANCED", content=content)
    return Life(
        citizen=draw(CITIZENS),
        request=request,
        accepted_at=accepted_at,
        state=draw(STATES),
        polled_every=timedelta(days=draw(POLLED_EVERY)),
        reads_at=some_time_after(draw, accepted_at, 25),
        pays_at=some_time_after(draw, accepted_at, 35) if has_payment else None,
        settled_at=seldom(draw) if has_payment else None,
        stopped_at=seldom(draw),
        blocked_at=seldom(draw),
        hidden=spans(draw, 20),
        silent=spans(draw, 3),
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    world = World(
        [a_life(draw, number) for number in range(draw(SIZES))],
        draw(POLICIES),
        draw(MOST_PER_DAY),
        spans(draw, 9),
    )
    world.run()
    return world


def in_worlds(test: Callable[[World], None]) -> Callable[[], None]:
    unhurried = settings(
        deadline=None,
        max_examples=WORLDS,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    return unhurried(given(world=worlds())(test))


@in_worlds
def test_every_reminder_is_sent_or_explained(world: World) -> None:
    """Each planned reminder ends once: it is sent, or the record gives a true reason."""
    ended = [(record.life.request.request_id, record.planned.name) for record in world.records]
    planned = [(life.request.request_id, it.name) for life in world.lives for it in world.plan_of(life)]
    assert sorted(ended) == sorted(planned)
    for record in world.records:
        if isinstance(record.decision, DoNotSend):
            assert is_true(record.decision.reason, record, world)


def sent_in(world: World) -> list[Record]:
    return [record for life in world.lives for record in world.sent(life)]


def is_true(reason: str, record: Record, world: World) -> bool:
    life, at = record.life, record.at
    sent = [other for other in world.sent(life) if other.at <= at]
    today = [other for other in world.sent_to(life.citizen) if other.at <= at and day(other.at) == day(at)]
    truths: dict[str, bool] = {
        "campaign_stopped": has_passed(life.stopped_at, at),
        "in_doubt": life.state is State.IN_DOUBT,
        "rejected": life.state is State.REJECTED,
        "paid": has_passed(life.pays_at, at),
        "settled": has_passed(life.settled_at, at),
        "read": has_passed(life.reads_at, at) and record.planned.kind is Kind.UNREAD,
        "read_unavailable": within(at, life.hidden) and world.of_service.when_unavailable == "skip",
        "recipient_turned_away": any(has_passed(life.blocked_at, other.at) for other in sent),
        "citizen_reminded_enough": len(today) >= world.most_per_day,
        "reminded_lately": bool(sent) and at - sent[-1].at < 7 * DAY,
        "quiet_time": not is_decent(at) or day(at) in io_days(life, world),
        SILENCE: within(at, life.silent),
        **dict.fromkeys(
            ["superseded", "past_due", "not_payable", "not_followed"], at >= record.planned.until
        ),
    }
    return truths[reason]


@in_worlds
def test_every_reminder_that_is_sent_is_justified(world: World) -> None:
    """When a reminder is sent, the citizen has not read or not paid, and no fact speaks against it."""
    for record in sent_in(world):
        life, at, kind = record.life, record.at, record.planned.kind
        due = life.request.content.due_date
        payment_data = life.request.content.payment_data
        assert life.state is State.PROCESSED
        assert not has_passed(life.pays_at, at)
        assert not (kind is Kind.UNREAD and is_seen_reading(life, at))
        assert not has_passed(life.settled_at, at)
        assert not has_passed(life.stopped_at, at)
        assert not within(at, life.silent)
        assert not within(at, life.hidden) or world.of_service.when_unavailable == "remind"
        assert due is not None
        is_bound = kind is Kind.UNPAID or (payment_data is not None and payment_data.invalid_after_due_date)
        assert at < due or not is_bound


def is_seen_reading(life: Life, at: datetime) -> bool:
    """Whether the reading was visible at the fresh check or an earlier poll; IO may hide it."""
    known_before = life.ledger_state(at) is State.READ
    return has_passed(life.reads_at, at) and (known_before or not within(at, life.hidden))


@in_worlds
def test_nobody_is_reminded_at_a_bad_time(world: World) -> None:
    """No reminder is sent at night, on a Sunday or a holiday, or on one of IO's days if those are avoided."""
    for record in sent_in(world):
        assert is_decent(record.at)
        assert day(record.at) not in io_days(record.life, world)


def is_decent(instant: datetime) -> bool:
    local = instant.astimezone(ZoneInfo("Europe/Rome"))
    return 8 <= local.hour < 20 and local.isoweekday() != 7 and local.date() not in HOLIDAYS


def io_days(life: Life, world: World) -> set[date]:
    due = life.request.content.due_date
    if due is None or not life.has_payment or world.of_service.on_io_days == "remind":
        return set()
    return {day(due) - days * DAY for days in (13, 10, 7, 4)}


@in_worlds
def test_nobody_is_pestered(world: World) -> None:
    """The citizen's daily cap holds, and a message's reminders are as far apart as the policy says."""
    for citizen in ("one", "other"):
        a_day = Counter(day(record.at) for record in world.sent_to(citizen))
        assert all(number <= world.most_per_day for number in a_day.values())
    for life in world.lives:
        sent = world.sent(life)
        assert len({record.planned.request_id for record in sent}) == len(sent)
        for former, latter in pairwise(sent):
            assert day(latter.at) - day(former.at) >= gap(latter, world)


def gap(latter: Record, world: World) -> timedelta:
    unread = world.of_service.unread
    return DAY * (unread.days_between if unread and latter.planned.kind is Kind.UNREAD else 1)


@in_worlds
def test_nobody_is_written_to_again_after_turning_away(world: World) -> None:
    """After one reminder found the citizen blocked, no other reminder of the message is tried."""
    for life in world.lives:
        assert sum(has_passed(life.blocked_at, record.at) for record in world.sent(life)) <= 1


@in_worlds
def test_io_is_asked_only_when_the_answer_decides(world: World) -> None:
    """IO is not asked if the ledger, the clock or the creditor has decided already."""
    for life, planned, at in world.asked:
        known = {State.PAID, State.READ} if planned.kind is Kind.UNREAD else {State.PAID}
        assert life.ledger_state(at) not in known | {State.IN_DOUBT, State.REJECTED}
        assert not has_passed(life.settled_at, at)
        assert not has_passed(life.stopped_at, at)
        assert is_decent(at)
        assert at < planned.until


@in_worlds
def test_nothing_keeps_a_reminder_for_no_reason(world: World) -> None:
    """A reminder that is never postponed is sent at the first tick; each postponement is to the future."""
    postponed = {(life.request.request_id, planned.name) for life, planned, _, later in world.laters
               if later.reason != "not_due"}  # fmt: skip
    assert all(later.when > at for _, _, at, later in world.laters)
    for record in sent_in(world):
        if (record.life.request.request_id, record.planned.name) not in postponed and not world.down:
            assert record.at - record.planned.at < TICK


RULES = {
    "unread", "unpaid", "campaign_stopped", "in_doubt", "rejected", "paid", "settled", "read",
    "read_unavailable", "recipient_turned_away", "citizen_reminded_enough",
    "later citizen_reminded_enough", "later reminded_lately", "later quiet_time", f"later {SILENCE}",
}  # fmt: skip


def test_worlds_are_rich_enough() -> None:
    """The drawn lives meet every rule: a property that no example reaches would prove nothing.

    The rarest rule needs the worlds of a few runs.
    """
    met: Counter[str] = Counter()

    @settings(deadline=None, max_examples=WORLDS, database=None,
              suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])  # fmt: skip
    @given(world=worlds())
    def meet(world: World) -> None:
        met.update(
            r.planned.kind if isinstance(r.decision, Send) else r.decision.reason for r in world.records
        )
        met.update(f"later {later.reason}" for _, _, _, later in world.laters)

    for run in range(10):
        if not {*met} >= RULES:
            seed(run)(meet)()
    assert {*met} >= RULES


# Reminders of a Premium notice accepted at START and due on Sunday, the 31st of May. To read: after 5 days
# and once more. To pay: 8 days before (a Saturday), the day before and the last day, which both fall on
# Saturday.
SCRIPT: dict[str, tuple[dict[str, Any], list[str]]] = {
    "reads and pays at once": ({"reads_at": 1, "pays_at": 1}, []),
    "reads at once, never pays": ({"reads_at": 1}, ["unpaid-8", "unpaid-0"]),
    "reads after the first reminder": ({"reads_at": 7, "pays_at": 7}, ["unread-1"]),
    "pays after the first reminder to pay": ({"reads_at": 7, "pays_at": 70}, ["unread-1", "unpaid-8"]),
    "never does anything": ({}, ["unread-1", "unread-2", "unpaid-8", "unpaid-0"]),
    "pays without reading": ({"pays_at": 3}, []),
    "pays elsewhere, the creditor says so": ({"settled_at": 9}, ["unread-1"]),
    "does not let it be known": ({"hidden": 365}, []),
    "lets it be known later": ({"hidden": 20}, ["unpaid-8", "unpaid-0"]),
    "blocks the service later": ({"blocked_at": 8}, ["unread-1", "unread-2"]),
}
IN_THE_SCRIPT = ReminderPolicy.model_validate(
    {"unread": {"after_days": 5, "times": 2, "days_between": 4}, "unpaid": {"days_before_due": [8, 1, 0]}}
)


def scripted(number: int, events: dict[str, int]) -> Life:
    content = payment(amount=1 + number) | {"due_date": "2026-05-31T21:59:59Z"}
    accepted_at = START + timedelta(seconds=number % 3600)
    times: dict[str, Any] = {name: accepted_at + days * DAY for name, days in events.items()}
    if "hidden" in times:
        times["hidden"] = [(accepted_at, times["hidden"])]
    request = a_request(request_id=f"r-{number}", feature_level_type="ADVANCED", content=content)
    return Life(f"citizen-{number}", request, accepted_at, **times)


def test_two_thousand_citizens_are_reminded_as_the_script_says() -> None:
    """Each of two thousand citizens gets the reminders of his kind of life, and no others."""
    people = [*SCRIPT] * (2000 // len(SCRIPT))
    world = World([scripted(n, SCRIPT[who][0]) for n, who in enumerate(people)], IN_THE_SCRIPT, 1)
    world.run()
    for who, life in zip(people, world.lives, strict=True):
        assert [record.planned.name for record in world.sent(life)] == SCRIPT[who][1], who
        assert len(world.plan_of(life)) == 4
        assert not world.undecided(life)


def test_timer_that_was_down_does_not_catch_up() -> None:
    """After weeks without a timer a citizen gets the reminders that still make sense, and no others."""
    life = scripted(0, {})
    until_later = World([life], IN_THE_SCRIPT, 1, [(START, START + 20 * DAY)])
    until_too_late = World([life], IN_THE_SCRIPT, 1, [(START + 67 * DAY, START + 90 * DAY)])
    until_later.run()
    until_too_late.run()
    assert ended(until_later) == {
        "unread-1": "superseded", "unread-2": "sent", "unpaid-8": "sent", "unpaid-0": "sent",
    }  # fmt: skip
    assert ended(until_too_late) == {
        "unread-1": "sent", "unread-2": "sent", "unpaid-8": "superseded", "unpaid-0": "past_due",
    }  # fmt: skip


def ended(world: World) -> dict[str, str]:
    return {
        record.planned.name: "sent" if isinstance(record.decision, Send) else str(record.decision.reason)
        for record in world.records
    }

"""The reminder timer: each decision is recorded, each reminder sent once and published."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.reminders import ReminderPolicy, UnreadReminders
from io_api.errors import IoError, MessageNotFound, PaymentLookupFailed, Suspended
from io_api.models import MessageStatus
from io_api.rate_budget import Priority
from reminders.decide import Send, daily_cap
from reminders.plan import Kind
from send_message.resolve_in_doubt import settle
from storage.ledger import State
from storage.queues import MESSAGE_OUTCOMES, MESSAGE_REQUESTS
from tests.fakes import Died, seen
from tests.lives import START, Life, Record, World, has_passed
from tests.reminded import Institution, with_code
from tests.samples import personal_data_in
from tests.unit.test_reminders_lives import IN_THE_SCRIPT, POLICIES, SCRIPT, a_life, scripted

DAYS = timedelta(days=1)
ALL = ["unread-1", "unread-2", "unpaid-8", "unpaid-0"]


def _life(number: int = 1, **events: int) -> Life:
    return with_code(scripted(number, events), number)


async def _institution(*lives: Life, policy: ReminderPolicy = IN_THE_SCRIPT, most: int = 2) -> Institution:
    here = Institution(lives, policy, most)
    await here.send_all()
    return here


async def _due(here: Institution) -> None:
    """Advance to the time at which the first reminder is due."""
    await here.tick()
    here.app.clock.now = START + 5 * DAYS + timedelta(hours=1)


async def test_reminder_is_a_message_of_its_own() -> None:
    """A citizen who does nothing gets each reminder once, under its own id, linked to the first message."""
    life = _life()
    here = await _institution(life)
    await here.live()
    assert here.decided(life) == dict.fromkeys(ALL, "sent")
    assert len(here.reminders_to(life)) == len(ALL)
    reminder = here.app.entry("r-1:unread-1")
    assert (reminder.state, reminder.in_reply_to) == (State.ACCEPTED, "r-1")


async def test_body_is_kept_as_long_as_reminders_may_come() -> None:
    """The body is kept, encrypted, until the last reminder is decided, and then removed."""
    life = _life()
    here = await _institution(life)
    assert here.app.entry("r-1").body
    assert personal_data_in(str(here.app.ledger_table.rows_by_key)) == []
    await here.live()
    entry = here.app.entry("r-1")
    assert (entry.body, entry.may_remind, here.next_due()) == ({}, False, None)


async def test_message_that_asks_for_none_keeps_nothing() -> None:
    """Without reminders in the request or the service, the body is removed on acceptance."""
    here = await _institution(_life(), policy=ReminderPolicy())
    assert (here.app.entry("r-1").body, here.next_due()) == ({}, None)


async def test_reminder_that_no_queue_takes_is_explained_and_told_to_nobody() -> None:
    """A reminder too large for a queue ends in a history line at the first attempt, and is not published."""
    text = {"subject": "Sollecito di pagamento", "markdown": "€" * 9_900}
    policy = {"after_days": 5, **text, "translations": {"de_DE": text, "en_GB": text}}
    life = _life()
    here = await _institution(life, policy=ReminderPolicy.model_validate({"unread": policy}))
    await here.live()
    assert here.decided(life) == {"unread-1": "too_long"}
    assert "reminded" not in {event["data"]["state"] for event in here.app.events()}


async def test_two_hundred_citizens_for_two_months() -> None:
    """Each of two hundred citizens gets the reminders of his kind of life, and no others.

    test_reminders_lives.py has the rules alone, and two thousand citizens.
    """
    people = [*SCRIPT] * (200 // len(SCRIPT))
    citizens = [_life(number, **SCRIPT[who][0]) for number, who in enumerate(people)]
    here = await _institution(*citizens)
    await here.live()
    for who, life in zip(people, citizens, strict=True):
        sent = [name for name in ALL if here.decided(life)[name] == "sent"]
        assert sent == SCRIPT[who][1], who
        turned_away = 1 if life.blocked_at else 0
        assert len(here.reminders_to(life)) == len(sent) - turned_away, who
        assert sorted(here.decided(life)) == sorted(ALL)
    assert here.next_due() is None
    assert here.io.looks["POLL"] == 0


def _plain(life: Life, number: int) -> Life:
    """The same life without errors and polls, so that only the reminders' own checks ask IO."""
    never, first = 1000 * DAYS, life.accepted_at + timedelta(seconds=1)  # the rules ask once at acceptance
    reads_at, pays_at = (at and max(at, first) for at in (life.reads_at, life.pays_at))
    plain = replace(
        life, silent=(), state=State.PROCESSED, polled_every=never, reads_at=reads_at, pays_at=pays_at
    )
    blocked_before = has_passed(life.blocked_at, life.accepted_at)  # blocked before the first message
    return with_code(replace(plain, blocked_at=None) if blocked_before else plain, number)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data(), policy=POLICIES)
async def test_any_life_under_any_policy(data: st.DataObject, policy: ReminderPolicy) -> None:
    """For any life under any policy, the timer decides as the rules alone do, and IO gets those reminders."""
    drawn = [_plain(a_life(data.draw, number), number) for number in range(data.draw(st.integers(1, 4)))]
    rules = World(drawn, policy, 2)
    rules.run()
    here = await _institution(*drawn, policy=policy)
    await here.live(days=120)
    for life in drawn:
        said = {record.planned.name: record for record in rules.records if record.life is life}
        assert here.decided(life) == {name: _ending(record) for name, record in said.items()}
        sent = [record.at for record in rules.sent(life) if not has_passed(life.blocked_at, record.at)]
        assert [at for at, _ in here.reminders_to(life)] == sent
    assert here.next_due() is None


def _ending(record: Record) -> str:
    return "sent" if isinstance(record.decision, Send) else str(record.decision.reason)


async def test_decisions_are_told() -> None:
    """A sent reminder is published as an event of the first message; a refusal is only in its history."""
    life = _life(pays_at=3)
    here = await _institution(life, _life(2))
    await _due(here)
    await here.app.remind()
    assert "r-2/0/reminded" in here.app.told()
    (event,) = [event for event in here.app.events() if event["type"].endswith("reminded")]
    assert event["data"]["reminder"] == "r-2:unread-1"
    assert here.decided(life)["unread-1"] == "paid"
    assert "r-1/0/paid" in here.app.told()


async def test_answer_of_the_fresh_check_is_news() -> None:
    """IO's answer just before a reminder is recorded and published like a poll's."""
    here = await _institution(_life(reads_at=1))
    await _due(here)
    await here.app.remind()
    assert (here.app.entry("r-1").read_status, here.app.entry("r-1").state) == ("READ", State.READ)
    assert "r-1/0/read" in here.app.told()


async def test_message_that_an_operator_found_accepted_is_reminded_of_too() -> None:
    """A request in doubt that is settled as accepted, with IO's id, gets its reminders."""
    life = _life()
    here = Institution([life], IN_THE_SCRIPT)
    here.io.doubts = 1
    await here.send_all()
    entry = here.app.entry("r-1")
    assert entry.state is State.IN_DOUBT
    await settle(entry, here.app.stores, here.app.policies, accepted=True, message_id="M1")
    await here.live()
    assert here.decided(life) == dict.fromkeys(ALL, "sent")


async def test_creditors_word_stops_reminders_to_pay() -> None:
    """After the creditor's settlement no reminder is sent, and IO is not asked."""
    life = _life()
    here = await _institution(life)
    await here.app.settle('{"request_id": "r-1"}')
    await here.live()
    assert set(here.decided(life).values()) == {"settled"}
    assert here.io.looks["REMINDER"] == 0


async def test_stopped_campaign() -> None:
    """No reminder is sent for a campaign while its reminders are stopped."""
    life = _life()
    here = await _institution(life)
    await here.app.campaigns.stop("campaign 1", by="rossi@pc")
    await _due(here)
    await here.tick()
    await here.app.campaigns.resume("campaign 1")
    await here.live()
    assert here.decided(life)["unread-1"] == "campaign_stopped"
    assert here.decided(life)["unread-2"] == "sent"


@pytest.mark.parametrize(
    "error", [Suspended(reason="paused"), PaymentLookupFailed(reason="payment_lookup_failed")]
)
async def test_without_an_answer_nobody_is_reminded(error: Exception) -> None:
    """While IO cannot be asked, or does not answer, the reminder waits."""
    life = _life()
    here = await _institution(life)
    await _due(here)

    async def unanswered(*args: object, **kwargs: object) -> None:
        raise error

    answering, here.io.get_message = here.io.get_message, unanswered  # type: ignore[method-assign, assignment]
    await here.tick()
    assert here.decided(life) == {}
    here.io.get_message = answering  # type: ignore[method-assign]
    await here.live()
    assert here.decided(life)["unread-1"] == "sent"


async def test_citizens_day_is_full() -> None:
    """A citizen gets at most the daily cap of reminders on one day, and the others later."""
    one = _life(1)
    other = replace(one, request=one.request.model_copy(update={"request_id": "r-other"}))
    here = await _institution(one, other, most=1)
    await here.live()
    days = [at.date() for at, _ in here.io.at[2:]]
    assert len(days) == len(set(days))


async def test_payments_have_the_last_place_of_a_day() -> None:
    """Of the two daily places, reminders to read take at most one."""
    here = await _institution(_life())
    assert daily_cap(Kind.UNREAD, here.app.most_per_day) == 1


async def test_two_timers_at_once_remind_once() -> None:
    """Of two hosts whose timers fire together, one decides, and each reminder is sent once."""
    citizens = [_life(number) for number in range(20)]
    here = await _institution(*citizens)
    await _due(here)
    await asyncio.gather(here.app.remind(), here.app.remind())
    assert len(here.app.queues.bodies(MESSAGE_REQUESTS)) == len(citizens)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", range(16))
async def test_death_at_any_step_reminds_once(step: int, when: str) -> None:
    """A crash before or after any step of the timer leads to each reminder being sent exactly once."""
    life = _life()
    here = await _institution(life)
    await _due(here)
    failing = here.app.steps.fail_before if when == "before" else here.app.steps.fail_after
    failing(Died(), skip=step)
    try:
        await here.app.remind()
    except (Died, BaseExceptionGroup):
        here.app.clock.advance(minutes=5)
    await here.tick()
    await here.live()
    assert here.decided(life) == dict.fromkeys(ALL, "sent")
    assert len(here.reminders_to(life)) == len(ALL)
    assert here.io.looks[Priority.REMINDER.name] >= len(ALL)
    assert here.app.queues.messages.get(MESSAGE_OUTCOMES) is None


@pytest.mark.parametrize(
    "answer",
    [
        seen("PROCESSED"),
        seen("ACCEPTED"),
        MessageNotFound(reason="message_not_found", status=404),
        PaymentLookupFailed(reason="payment_lookup_failed", status=500),
    ],
)
async def test_reminder_that_cannot_be_decided_costs_ten_calls(answer: MessageStatus | IoError) -> None:
    """A reminder that IO's answers never decide costs at most ten calls."""
    life = _life()
    here = await _institution(life, policy=ReminderPolicy(unread=UnreadReminders(after_days=3)))
    calls = 0

    async def tells_nothing(*args: object, **kwargs: object) -> MessageStatus:
        nonlocal calls
        calls += 1
        if isinstance(answer, IoError):
            raise answer
        return answer

    here.io.get_message = tells_nothing  # type: ignore[method-assign]
    await here.live(days=120)
    assert set(here.decided(life)) == {"unread-1"}
    assert "sent" not in here.decided(life).values()
    assert 5 <= calls <= 10

"""A campaign is spread over the hours of working days, each row always at the same instant."""

import hashlib
import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from cli.campaign_file.campaign import CampaignFile
from cli.campaign_file.findings import Unusable
from cli.campaign_file.linter import Checked, Linter
from cli.campaign_file.report import print_spread, spread_document
from cli.campaign_file.spread import Spread, WrongSpread, hash_of
from cli.campaign_file.template import Template
from contract.request import MessageRequest
from report.italian import ROME
from storage.campaign_spreads import CampaignSpreads, Kept
from storage.queues import MESSAGE_REQUESTS_BULK
from tests.campaigns import HEADER, SECRET, SERVICES, a_row, many_rows, write_csv, write_template
from tests.fake_app import FakeApp
from tests.fakes import FakeTable

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)  # a Friday at 13 in Italy
FIVE = Spread.parse("5 giorni, 9-13", NOW)


def _campaign(tmp_path: Path, rows: object, spread: Spread = FIVE, header: object = HEADER) -> CampaignFile:
    file = write_csv(tmp_path / "tari.csv", rows, header)  # type: ignore[arg-type]
    template = Template.load(write_template(tmp_path / "tari.md"))
    return CampaignFile.open(
        *(file, None, template), service="default", services=SERVICES, secret=SECRET, spread=spread
    )


def _requests(campaign: CampaignFile) -> dict[str, MessageRequest]:
    return {one.request.fiscal_code: one.request for one in campaign.results() if one.request}


def _checked(campaign: CampaignFile, now: datetime = NOW) -> Checked:
    return Linter(requests=campaign.requests, now=now).check(campaign.results())


def _instants(spread: Spread, count: int) -> list[datetime]:
    return [spread.instant_of(digest) for digest in _digests(count)]


def _digests(count: int) -> list[str]:
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)]


@pytest.mark.parametrize(
    ("text", "now", "said"),
    [
        ("5 giorni, 9-13", NOW, "5 giorni, 09:00-13:00, dal 30/11/2026"),
        ("5 giorni lavorativi, ore 8:30-12.30", NOW, "5 giorni, 08:30-12:30, dal 30/11/2026"),
        ("1 giorno, 15-18", NOW, "1 giorno, 15:00-18:00, dal 27/11/2026"),
        ("1 giorno, 13-18", NOW, "1 giorno, 13:00-18:00, dal 30/11/2026"),
        ("2 giorni, 9-13, dal 08/12/2026", NOW, "2 giorni, 09:00-13:00, dal 09/12/2026"),
    ],
)
def test_spread_as_a_clerk_says_it(text: str, now: datetime, said: str) -> None:
    """The first day is the first working day whose hours are to come, or the one named or after it."""
    spread = Spread.parse(text, now)
    assert str(spread) == said
    assert Spread.parse(said, now) == spread


@pytest.mark.parametrize(
    "text",
    [
        *("", "5", "5 giorni", "5 giorni, 13-9", "0 giorni, 9-13", "61 giorni, 9-13", "5 giorni, 9-25"),
        *("5 giorni, 9-13, dal 31/02/2027", "cinque giorni, 9-13"),
    ],
)
def test_what_is_no_spread(text: str) -> None:
    """Any other text is refused with what is wrong."""
    with pytest.raises(WrongSpread):
        Spread.parse(text, NOW)


def test_no_message_on_a_weekend_or_holiday() -> None:
    """The days are working days: no Saturday, no Sunday, no national holiday."""
    spread = Spread.parse("8 giorni, 9-13, dal 03/12/2026", NOW)
    days = [window.opens.astimezone(ROME).date() for window in spread.windows]
    assert days == [date(2026, 12, day) for day in (3, 4, 7, 9, 10, 11, 14, 15)]


@pytest.mark.parametrize("first", ["23/10/2026", "25/03/2027", "30/11/2026"])
def test_hours_are_those_of_italy(first: str) -> None:
    """Every instant is within the hours on the clocks of Italy, on both sides of a clock change."""
    spread = Spread.parse(f"4 giorni, 9-13, dal {first}", datetime(2026, 10, 1, tzinfo=UTC))
    local = [instant.astimezone(ROME) for instant in _instants(spread, 2000)]
    assert {instant.hour for instant in local} == {9, 10, 11, 12}
    assert len({instant.date() for instant in local}) == 4


@pytest.mark.parametrize("digest", ["0" * 64, "f" * 64])
def test_ends_are_within_the_hours(digest: str) -> None:
    """The lowest and the highest hash are the first second and the last."""
    instant = FIVE.instant_of(digest)
    assert FIVE.windows[0].opens <= instant <= FIVE.windows[-1].closes - timedelta(seconds=1)


@pytest.mark.parametrize(("text", "rows"), [("5 giorni, 9-13", 4000), ("3 giorni, 8:30-12:30", 1213)])
def test_spread_is_even(text: str, rows: int) -> None:
    """Each hour has its share of the first run's rows, but for one or two."""
    spread = Spread.parse(text, NOW)
    even = spread.balanced(map(hash_of, _digests(rows)))
    hours = Counter(even.hour_of(even.instant_of(digest)) for digest in _digests(rows))
    assert len(hours) == spread.hours
    assert all(abs(count - rows / spread.hours) <= 2 for count in hours.values())


def test_rows_of_a_later_run_are_spread_too() -> None:
    """Rows that the first run did not have are spread over the same hours, as by chance."""
    even = FIVE.balanced(map(hash_of, _digests(4000)))
    hours = Counter(even.hour_of(even.instant_of(digest)) for digest in _digests(8000)[4000:])
    assert all(abs(count - 200) < 5 * 14 for count in hours.values())


def test_few_rows_draw_no_bounds() -> None:
    """A first run of a few rows does not decide how thousands are spread later."""
    assert FIVE.balanced(map(hash_of, _digests(99))).bounds == ()
    assert FIVE.balanced([]).bounds == ()


def test_file_is_even_by_its_own_rows(tmp_path: Path) -> None:
    """A file's spread is made even from its rows, once: what an earlier run decided is kept."""
    campaign = _campaign(tmp_path, many_rows(200)).balanced()
    assert campaign.balanced() is campaign
    starts = sorted(one.not_before for one in _requests(campaign).values() if one.not_before)
    quarter = FIVE.hours / 4
    assert [sum(_hours_into(start) < quarter * part for start in starts) for part in (1, 2, 3)] == [
        50,
        100,
        150,
    ]


def _hours_into(instant: datetime) -> float:
    """The open hours before an instant."""
    passed = (min(instant, window.closes) - window.opens for window in FIVE.windows if window.opens < instant)
    return sum(passed, timedelta()) / timedelta(hours=1)


def test_row_has_its_instant_wherever_it_stands(tmp_path: Path) -> None:
    """Sorted otherwise and with other rows among them, the same rows are the same requests."""
    rows = [*many_rows(60)]
    first = _requests(_campaign(tmp_path, rows[:40]))
    random.Random(1).shuffle(rows)
    again = _requests(_campaign(tmp_path, rows))
    assert {code: again[code] for code in first} == first
    assert all(request.not_before for request in again.values())


async def test_each_message_leaves_at_its_instant(tmp_path: Path) -> None:
    """The app sends no message before its instant, though a queue hides a message for a week at most."""
    spread = Spread.parse("15 giorni, 9-13", NOW)
    app, campaign = FakeApp(), _campaign(tmp_path, many_rows(20), spread)
    wanted = _requests(campaign)
    left: list[tuple[str, datetime]] = []

    async def note() -> None:
        left.append((app.io.sent[-1][0].fiscal_code, app.clock()))

    app.io.while_sending = note
    for request in wanted.values():
        await app.stores.queues.put(MESSAGE_REQUESTS_BULK, request.to_json())
    await app.run()
    starts = {code: request.not_before for code, request in wanted.items()}
    assert len(app.io.sent) == 20
    for code, at in left:
        start = starts[code]
        assert start
        assert start <= at <= start + timedelta(minutes=2)


def test_due_date_before_the_message_is_an_error(tmp_path: Path) -> None:
    """A row whose due date passes before its instant is named, with the instant."""
    checked = _checked(_campaign(tmp_path, [a_row(scadenza="28/11/2026")]))
    (finding,) = checked.findings
    assert (finding.code, finding.row, str(finding.place)) == ("distribuzione-scadenza", 2, "F Scadenza")
    assert "/2026 " in finding.sentence


def test_end_of_a_row_before_its_instant_is_an_error(tmp_path: Path) -> None:
    """A row that may not be sent any more at its instant is named."""
    campaign = _campaign(tmp_path, [(*a_row(), "28/11/2026")], header=(*HEADER, "invia_entro"))
    assert [finding.code for finding in _checked(campaign).findings] == ["termine-prima-dell-inizio"]


def test_own_instants_and_a_spread_exclude_each_other(tmp_path: Path) -> None:
    """A file with a column of instants cannot be spread."""
    with pytest.raises(Unusable) as raised:
        _campaign(tmp_path, [(*a_row(), "28/11/2026")], header=(*HEADER, "invia_dal"))
    assert [finding.code for finding in raised.value.findings] == ["distribuzione-colonna"]


def test_rate_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The preview tells days, messages an hour, the fullest hour, the first and the last instant."""
    checked = _checked(_campaign(tmp_path, many_rows(200)))
    print_spread(FIVE, checked)
    most = max(checked.starts.values())
    assert capsys.readouterr().out == (
        f"Distribuzione: 200 messaggi in 5 giorni lavorativi, circa 10 l'ora (al più {most}), "
        "da lunedì 30/11/2026 alle 9:00 a venerdì 04/12/2026 alle 13:00.\n"
    )
    assert spread_document(FIVE, checked)["per_hour"] == 10


def test_rows_whose_instant_has_passed_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that comes late says how many messages leave at once."""
    checked = _checked(_campaign(tmp_path, many_rows(20)), NOW + timedelta(days=30))
    print_spread(FIVE, checked)
    assert "Per 20 righe il momento è già passato: partono subito." in capsys.readouterr().out


async def test_first_run_decides() -> None:
    """The first spread of a campaign is kept, and a later one does not replace it."""
    spreads, first = CampaignSpreads(FakeTable()), Kept(str(FIVE), (7, 8))
    assert await spreads.of("TARI 2026") is None
    assert await spreads.keep("TARI 2026", first) == first
    assert await spreads.keep("TARI 2026", Kept("1 giorno, 9-10, dal 30/11/2026", ())) == first
    assert await spreads.of("TARI 2026") == first


@pytest.mark.parametrize(
    ("text", "is_same"),
    [
        ("5 giorni, 9-13", True),
        (str(FIVE), True),
        ("5 giorni, 9-12", False),
        ("4 giorni, 9-13", False),
        ("5 giorni, 9-13, dal 01/12/2026", False),
    ],
)
def test_same_spread_may_be_asked_again(text: str, is_same: bool) -> None:
    """Days later the same words ask for the spread that was kept."""
    assert FIVE.is_asked_by(text, NOW + timedelta(days=4)) is is_same

"""The secret of a campaign: the same for every run, encrypted, and not lost when the keys rotate."""

from storage.campaign_secrets import CampaignSecrets
from tests.fakes import FakeTable, Steps
from tests.samples import KEYS, a_cipher


async def test_secret_stays_the_same() -> None:
    """Each campaign has a secret of its own, made once, that its row does not show."""
    table = FakeTable()
    secrets = CampaignSecrets(table, a_cipher(KEYS))
    first = await secrets.of("TARI 2026")
    assert await secrets.of("TARI 2026") == first
    assert (await secrets.of("IMU 2026")).key != first.key
    assert all(first.key not in row.values["sealed"] for row in table.rows_by_key.values())


async def test_secret_survives_a_rotation_of_keys() -> None:
    """With a new first key the ids of a campaign are the same."""
    table = FakeTable()
    before = await CampaignSecrets(table, a_cipher(KEYS[:1])).of("TARI 2026")
    assert await CampaignSecrets(table, a_cipher(KEYS[::-1])).of("TARI 2026") == before


async def test_two_operators_at_once_get_one_secret() -> None:
    """The operator whose insert comes second takes the secret that is there."""
    steps = Steps()
    table, other = FakeTable("campaigns", steps), FakeTable()
    first = await CampaignSecrets(other, a_cipher(KEYS)).of("TARI 2026")
    steps.do_before(lambda: table.rows_by_key.update(other.rows_by_key), skip=1)
    assert await CampaignSecrets(table, a_cipher(KEYS)).of("TARI 2026") == first
    assert steps.done == ["campaigns.get", "campaigns.insert", "campaigns.get"]

"""A campaign's file, opened: its columns fit its template, and its rows become requests."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from cli.campaign_file.columns import NOT_BEFORE, Columns
from cli.campaign_file.findings import Unusable
from cli.campaign_file.row_request import RowRequests, RowResult
from cli.campaign_file.spread import Spread
from cli.campaign_file.spreadsheet import rows_of
from cli.campaign_file.template import Template
from storage.campaign_secrets import CampaignSecret


@dataclass(frozen=True)
class CampaignFile:
    """The file of a campaign with what its rows become."""

    path: Path
    sheet: str | None
    requests: RowRequests

    @classmethod
    def open(
        cls,
        path: Path,
        sheet: str | None,
        template: Template,
        *,
        service: str,
        services: Collection[str],
        secret: CampaignSecret,
        spread: Spread | None = None,
    ) -> Self:
        """Read the header, and check it against the template. Raises Unusable."""
        header = next(rows_of(path, sheet), None)
        if header is None:
            raise Unusable.because("file-vuoto")
        columns = Columns.of(header)
        columns.check_template(template.names, template.place)
        if spread and (own := columns.by_path.get(NOT_BEFORE.path)):
            raise Unusable.because("distribuzione-colonna", own.place, columns.header_row)
        requests = RowRequests(
            columns=columns,
            template=template,
            service=service,
            services=services,
            secret=secret,
            spread=spread,
        )
        return cls(path, sheet, requests)

    def balanced(self) -> Self:
        """Return the file with its spread made even for its own rows, unless an earlier run has done so.

        Reads the file once. Raises Unusable.
        """
        spread = self.requests.spread
        if spread is None or spread.bounds is not None:
            return self
        rows = rows_of(self.path, self.sheet)
        next(rows, None)
        even = spread.balanced(map(self.requests.hash_of, rows))
        return replace(self, requests=replace(self.requests, spread=even))

    def results(self) -> Iterator[RowResult]:
        """Read the file once more, and yield what each row becomes. Raises Unusable."""
        rows = rows_of(self.path, self.sheet)
        next(rows, None)
        return map(self.requests.of, rows)

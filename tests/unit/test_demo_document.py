"""The document of the demo."""

import re

from local.demo.document import a_pdf


def test_the_pdf_is_well_formed() -> None:
    """Each entry of the cross-reference table points at its object, and the trailer at the table."""
    pdf = a_pdf("Ricevuta tari-0001")
    assert pdf.startswith(b"%PDF-1.4\n")
    [start] = re.findall(rb"startxref\n(\d+)\n%%EOF\n$", pdf)
    table = pdf[int(start) :]
    assert table.startswith(b"xref\n0 6\n")
    entries = re.findall(rb"(\d{10}) (\d{5}) ([nf]) \n", table)
    assert entries[0] == (b"0000000000", b"65535", b"f")
    for number, (offset, _, _) in enumerate(entries[1:], start=1):
        assert pdf[int(offset) :].startswith(b"%d 0 obj\n" % number)
    [(length, page)] = re.findall(rb"/Length (\d+) >>\nstream\n(.*?)\nendstream", pdf, re.DOTALL)
    assert len(page) == int(length)
    assert b"Ricevuta tari-0001" in page

"""A second check of IO's contract: the OpenAPI files of PagoPA, which are not part of this project.

The tests of this folder are collected where the files are at hand. The first check is tests/pagopa.
"""

from pathlib import Path

SPECIFICATIONS = Path(__file__).parents[3] / "shared" / "io" / "openapi"

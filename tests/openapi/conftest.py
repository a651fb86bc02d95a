"""Collects this folder only where PagoPA's files are."""

from tests.openapi.specifications import SPECIFICATIONS

collect_ignore_glob = [] if SPECIFICATIONS.is_dir() else ["test_*.py"]

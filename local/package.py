"""`python -m local.package`: writes build/postino.zip, as `func azure functionapp publish` would send it.

`func` leaves out the files that match .funcignore, in the patterns of .gitignore. It always leaves out .git,
.vscode, .funcignore, .gitignore and local.settings.json (Azure/azure-functions-core-tools,
FileSystemHelpers.cs).
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from pathspec import GitIgnoreSpec

PROJECT = Path(__file__).parents[1]
LEFT_OUT_BY_FUNC = (".git", ".vscode", ".funcignore", ".gitignore", "local.settings.json")


def published(project: Path) -> Iterator[Path]:
    """Yield the published files in order, relative to the project."""
    patterns = (project / ".funcignore").read_text().splitlines()
    ignored = GitIgnoreSpec.from_lines([*patterns, *LEFT_OUT_BY_FUNC])
    for folder, folders, files in project.walk():
        inside = folder.relative_to(project)
        folders[:] = [name for name in sorted(folders) if not ignored.match_file(f"{inside / name}/")]
        yield from (inside / name for name in sorted(files) if not ignored.match_file(inside / name))


def build(project: Path, archive: Path) -> list[Path]:
    """Write the archive and return the files in it."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    files = list(published(project))
    with ZipFile(archive, "w", ZIP_DEFLATED) as package:
        for file in files:
            package.write(project / file, file)
    return files


def main() -> int:
    archive = PROJECT / "build/postino.zip"
    files = build(PROJECT, archive)
    print(f"{archive.relative_to(PROJECT)}: {len(files)} files, {archive.stat().st_size / 1024:.0f} KB")
    print("The platform installs requirements.txt when it is published.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

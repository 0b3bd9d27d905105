"""The deepmasque command; the verbs of one subject lie in one file.

i for one photo, p for a folder; pair for two photos, pairs for a folder of these; benchmark;
launchpad for a board.
"""

from deepmasque.cli import benchmark, launchpad, pairs, portraits
from deepmasque.cli.terminal import console, new_app

__all__ = ["app", "console", "main"]

app = new_app()
for verb, command in (
    ("i", portraits.one_photo),
    ("p", portraits.folder),
    ("pair", pairs.one_pair),
    ("pairs", pairs.folder),
    ("benchmark", benchmark.benchmark),
    ("launchpad", launchpad.launchpad),
):
    app.command(verb)(command)


def main() -> None:
    """Entry of the installed command."""
    app()

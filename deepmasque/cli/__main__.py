"""Runs the command: `python -m deepmasque.cli`."""

from deepmasque.cli import main

main()

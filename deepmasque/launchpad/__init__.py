"""KNN matting of 800-pixel columns on an MSP430FR2433 with 4 KB of RAM, real or virtual."""

from deepmasque.launchpad.columns import Column, ColumnResult, Columns, columns

__all__ = ["Column", "ColumnResult", "Columns", "columns"]

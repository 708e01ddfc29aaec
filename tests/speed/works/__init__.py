"""All rows, by group: a group is a file here, and another group is another file."""

from __future__ import annotations

from tests.speed.rows import Mean, Row
from tests.speed.works import convolution, elementwise, layers, matmul, networks, selection, small

GROUPS: dict[str, tuple[Row, ...]] = {
    "small": small.ROWS,
    "elementwise": elementwise.ROWS,
    "selection": selection.ROWS,
    "matmul": matmul.ROWS,
    "convolution": convolution.ROWS,
    "layers": layers.ROWS,
    "networks": networks.ROWS,
}
ROWS: dict[str, Row] = {row.name: row for rows in GROUPS.values() for row in rows}
MEANS: dict[str, tuple[Mean, ...]] = {"convolution": convolution.MEANS}

"""The sample device: tells flambeau where its shared library lies."""

from pathlib import Path

LIBRARY = Path(__file__).with_name("libflambeau_sample.so")

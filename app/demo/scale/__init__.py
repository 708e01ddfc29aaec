"""A foundation at the size of the largest projects, straight into rows: `python -m app.demo.scale`. All invented."""

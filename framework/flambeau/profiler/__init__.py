"""Where time and memory go: every op, layer and step of a walk backward, with a table and a trace to look at.

>>> import flambeau as fl
>>> x = fl.ones((64, 64)).requires_grad_()
>>> with fl.profiler.profile(profile_memory=True) as prof:
...     fl.tanh(x @ x).sum().backward()
>>> [row.count for row in prof.key_averages() if row.key in ("matmul", "backward of matmul")]
[3, 1]
"""

from flambeau.profiler.averages import Average, Averages
from flambeau.profiler.events import Event
from flambeau.profiler.session import ProfilerAction, profile, schedule
from flambeau.scopes import record_function

__all__ = ["Average", "Averages", "Event", "ProfilerAction", "profile", "record_function", "schedule"]

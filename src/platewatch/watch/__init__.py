"""A camera's folder: each photograph that is dropped there is judged and written down exactly once.

arrivals.py    which photographs lie there, and which of them are whole
endings.py   whether a file has its end
notices.py   the system's word that something changed, so that nobody waits for the next look
watch.py       judge, write down, tell
"""

from platewatch.watch.arrivals import Arrival, Arrivals
from platewatch.watch.watch import Watch

__all__ = ["Arrival", "Arrivals", "Watch"]

"""A station at full load with clock steps, kills, a full disk and a broker that goes away: is anything lost?"""

import soaking

measure = soaking.measure

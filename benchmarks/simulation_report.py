"""The results of `simulation` as tables and as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from benchmarks import charts
from benchmarks.harness import Table

NOISE = 4.0
"""Standard errors within which a bound holds."""


@dataclass(frozen=True)
class Check:
    """The check of one bound; all numbers are fractions of good plates or of splits."""

    population: str
    plates: int  # number of calibration plates
    what: str  # rate, asked, upper_95, p_value, plates_needed, plates_needed_95; not_pass is shown only
    at: float  # the requested rate, or the p-value
    realised: float
    expected: float  # at least `realised`; for upper_95 and plates_needed_95 at most
    standard_error: float
    excess: float  # distance beyond the bound in standard errors; negative when it holds

    @property
    def held(self) -> bool:
        return self.excess <= NOISE

    def cell(self, form: str) -> str:
        """The fraction in per cent; bold when the bound is broken."""
        text = form.format(100 * self.realised, 100 * self.expected)
        return text if self.held or self.what == "not_pass" else f"**{text}**"


def table(found: Sequence[Check]) -> Table:
    """One row for each population and bound, one column for each number of calibration plates; in per cent."""
    rows = []
    for name in dict.fromkeys(check.population for check in found):
        own = [check for check in found if check.population == name]
        rates = dict.fromkeys(check.at for check in own if check.what == "rate")
        limits = [[check for check in own if (check.what, check.at) == ("upper_95", rate)] for rate in rates]
        worst = [min(each, key=lambda check: check.realised - check.expected) for each in zip(*limits, strict=True)]
        for rate in rates:
            checks = [check for check in own if (check.what, check.at) == ("rate", rate)]
            rows.append([name, f"REJECT, asked {100 * rate:g}", *(check.cell("{:.1f} / {:.1f}") for check in checks)])
        rows.append([name, "splits within the 95 % limit", *(check.cell("{:.1f} / {:.1f}") for check in worst)])
        for title, what in (("p ≤ 5 %", ("p_value", 0.05)), ("not PASS", ("not_pass", 0.025))):
            checks = [check for check in own if (check.what, check.at) == what]
            rows.append([name, title, *(check.cell("{:.1f}") for check in checks)])
    counts = dict.fromkeys(check.plates for check in found if check.what == "rate")
    return Table(["good plates", "in %", *(f"n = {count}" for count in counts)], rows)


def needed(found: Sequence[Check]) -> Table:
    """Whether the requested rate holds with the stated number of needed plates; one row for each population."""
    own = [check for check in found if check.what.startswith("plates_needed")]
    heads = sorted({(check.what, check.at, check.plates) for check in own})
    forms = {"plates_needed": "{:.1f} % cost", "plates_needed_95": "{:.1f} % of splits within"}
    rows = []
    for name in dict.fromkeys(check.population for check in own):
        by = {(check.what, check.at): check for check in own if check.population == name}
        rows.append([name, *(by[what, rate].cell(forms[what]) for what, rate, _ in heads)])
    return Table(["good plates", *(f"{plates} plates, {100 * rate:g} % asked" for _, rate, plates in heads)], rows)


def figure(found: Sequence[Check]) -> Figure:
    """Realised and expected false-alarm rate over the number of good plates, a panel for each population."""
    panels: dict[str, list[charts.Series]] = {}
    for name, at in dict.fromkeys((check.population, check.at) for check in found if check.what == "rate"):
        own = [each for each in found if (each.population, each.what, each.at) == (name, "rate", at)]
        plates, asked = [check.plates for check in own], f"asked {100 * at:g} %"
        panels.setdefault(name, []).append((f"expected, {asked}", plates, [check.expected for check in own], "-"))
        panels[name].append((f"realised, {asked}", plates, [check.realised for check in own], "o"))
    return charts.lines(panels, "good plates that calibrate", "good plates REJECTed", log=True, alike=2)

"""What is used of matplotlib; imported here alone, so that its list of fonts does not lie in the home folder."""

from platewatch import telemetry

with telemetry.temporary_caches():  # it is written when the fonts are imported
    import matplotlib.font_manager  # noqa: F401
    from matplotlib import colormaps
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

__all__ = ["Axes", "Figure", "FuncFormatter", "LogLocator", "NullFormatter", "colormaps"]

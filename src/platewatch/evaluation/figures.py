"""The parts of matplotlib in use; imported only here, so that its list of fonts is not in the home folder."""

from platewatch.model import telemetry

with telemetry.temporary_caches():  # matplotlib writes it on import
    import matplotlib.font_manager  # noqa: F401
    from matplotlib import colormaps
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

__all__ = ["Axes", "Figure", "FuncFormatter", "LogLocator", "NullFormatter", "colormaps"]

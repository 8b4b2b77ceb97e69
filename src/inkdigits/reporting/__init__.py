"""A look inside: reports on networks for tiles, and figures of what they compute.

Importing this package imports neither matplotlib nor a training framework.
"""

from inkdigits.reporting.inner_plots import (
    plot_activations,
    plot_batch,
    plot_embedding,
    plot_filters,
)
from inkdigits.reporting.run_report import report

__all__ = ["plot_activations", "plot_batch", "plot_embedding", "plot_filters", "report"]

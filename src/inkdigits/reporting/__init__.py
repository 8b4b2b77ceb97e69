"""A look inside: reports on networks, figures of what they compute, and model cards for the hub.

Importing this package imports neither matplotlib nor a training framework.
"""

from inkdigits.reporting.hub_folder import write_hub_folder
from inkdigits.reporting.inner_plots import (
    plot_activations,
    plot_batch,
    plot_embedding,
    plot_filters,
)
from inkdigits.reporting.run_report import report

__all__ = [
    "plot_activations",
    "plot_batch",
    "plot_embedding",
    "plot_filters",
    "report",
    "write_hub_folder",
]

"""How good a network is: metrics and plots.

matplotlib is loaded by the first plot, not by this import.
"""

from inkdigits.evaluation.metrics import (
    DigitScore,
    Evaluation,
    Summary,
    fit_temperature,
    score,
    summarise,
)
from inkdigits.evaluation.pictures import (
    PictureEvaluation,
    draw_picture_mistakes,
    evaluate_pictures,
)
from inkdigits.evaluation.plots import (
    plot_confusion_matrix,
    plot_curves,
    plot_mistakes,
    plot_reliability,
    plot_sample_predictions,
    save_figure,
)
from inkdigits.evaluation.report import evaluate
from inkdigits.evaluation.suites import (
    SUITES,
    SuiteResult,
    evaluate_corruptions,
    evaluate_digits8x8,
    evaluate_pages,
)

__all__ = [
    "SUITES",
    "DigitScore",
    "Evaluation",
    "PictureEvaluation",
    "SuiteResult",
    "Summary",
    "draw_picture_mistakes",
    "evaluate",
    "evaluate_corruptions",
    "evaluate_digits8x8",
    "evaluate_pages",
    "evaluate_pictures",
    "fit_temperature",
    "plot_confusion_matrix",
    "plot_curves",
    "plot_mistakes",
    "plot_reliability",
    "plot_sample_predictions",
    "save_figure",
    "score",
    "summarise",
]

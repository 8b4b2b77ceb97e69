"""Evaluation of models: metrics, plots, labelled pictures and test suites.

Importing this package does not import matplotlib; the first plot does.
"""

from inkdigits.evaluation.comparison import Comparison, compare
from inkdigits.evaluation.drawn_suites import evaluate_marks, evaluate_pages
from inkdigits.evaluation.evaluation_result import DigitScore, Evaluation, TileResult
from inkdigits.evaluation.labelled_pictures import PictureEvaluation, evaluate_pictures
from inkdigits.evaluation.metrics import (
    Summary,
    fit_temperature,
    score,
    summarise,
)
from inkdigits.evaluation.mistakes import MISTAKE_KINDS
from inkdigits.evaluation.model_evaluation import evaluate
from inkdigits.evaluation.plots import (
    plot_confusion_matrix,
    plot_curves,
    plot_mistakes,
    plot_reliability,
    plot_sample_predictions,
    save_figure,
)
from inkdigits.evaluation.rejection_curve import RejectionCurve, plot_rejection
from inkdigits.evaluation.report_files import evaluate_tiles, write_picture_report
from inkdigits.evaluation.seeds import RecipeSummary, summarise_seeds
from inkdigits.evaluation.sheets import plot_mistake_sheet
from inkdigits.evaluation.suite_result import SuiteResult
from inkdigits.evaluation.suites import (
    SUITES,
    evaluate_corruptions,
    evaluate_digits8x8,
    evaluate_mnist,
)

__all__ = [
    "MISTAKE_KINDS",
    "SUITES",
    "Comparison",
    "DigitScore",
    "Evaluation",
    "PictureEvaluation",
    "RecipeSummary",
    "RejectionCurve",
    "SuiteResult",
    "Summary",
    "TileResult",
    "compare",
    "evaluate",
    "evaluate_corruptions",
    "evaluate_digits8x8",
    "evaluate_marks",
    "evaluate_mnist",
    "evaluate_pages",
    "evaluate_pictures",
    "evaluate_tiles",
    "fit_temperature",
    "plot_confusion_matrix",
    "plot_curves",
    "plot_mistake_sheet",
    "plot_mistakes",
    "plot_rejection",
    "plot_reliability",
    "plot_sample_predictions",
    "save_figure",
    "score",
    "summarise",
    "summarise_seeds",
    "write_picture_report",
]
